"""Several samplers from the same noise, in lanes that advance together: one call of the network serves all.

A lane is the sampler's own walk (`samplers.sample`). It asks for x̂_0 only after it was worked out, with that
of all other lanes, in one batch: a network takes a t for each picture, so lanes need not be at the same one.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from diffusion.films.film import walk
from diffusion.models.model import Model
from diffusion.noise import draw_noise, fresh_noise, no_noise
from diffusion.samplers import Step, sample, timesteps

REFERENCE_STEPS = 100  # of DPM-Solver++(2M); how far they are from 1,000: benchmarks/race.py


@dataclass(frozen=True)
class Lane:
    """How one lane is walked.

    Args:
        sampler, eta: as for `sample`.
        num_steps: 1..T, one network call each.
        by_student: whether the student is called, not the model.
        adds_z: whether the z that the sampler adds is drawn; else it is left out.
    """

    sampler: str
    num_steps: int
    eta: float = 0.0
    adds_z: bool = True
    by_student: bool = False


@dataclass(frozen=True, eq=False)
class Start:
    """What all lanes have in common.

    Args:
        model: the network and its schedule.
        seed: of x_T and of every z.
        num_images: B, rows of x_T.
        class_labels: (B,) on the model's device, or None.
        guidance_scale: as for `Model.denoiser`.
        student: of the model, on its device, if a lane is walked by one.
    """

    model: Model
    seed: int
    num_images: int
    class_labels: Tensor | None = None
    guidance_scale: float = 1.0
    student: Model | None = None

    @property
    def x_T(self) -> Tensor:
        """(B, C, H, W) on the CPU."""
        shape = (self.num_images, *self.model.sample_shape)
        return draw_noise(shape, torch.Generator().manual_seed(self.seed))

    def predict(self, model: Model, x_t: list[Tensor], t: list[int]) -> list[Tensor]:
        """A model's x̂_0 for several lanes' x_t, (B, C, H, W) each, at a t of each, in one network call."""
        labels = None if self.class_labels is None else self.class_labels.repeat(len(x_t))
        denoise = model.denoiser(class_labels=labels, guidance_scale=self.guidance_scale)
        times = torch.tensor(t, device=self.model.device).repeat_interleave(self.num_images)
        return list(denoise(torch.cat(x_t), times).chunk(len(x_t)))


class LaneStep(NamedTuple):
    """A step of a lane, and the seconds that it took: the lane's share of the common call, and its update."""

    step: Step
    seconds: float


class _Walker:
    """A lane on its way."""

    def __init__(self, start: Start, lane: Lane) -> None:
        model, x_T = start.model, start.x_T
        shape = tuple(x_T.shape)
        noise = partial(fresh_noise, start.seed, shape) if lane.adds_z else no_noise(shape)
        self.x_t, self.to_come = x_T.to(model.device), timesteps(model.schedule, lane.num_steps)
        self.steps = sample(
            lambda *_: self.x_0_hat,
            model.schedule,
            self.x_t,
            self.to_come[:],
            sampler=lane.sampler,
            eta=lane.eta,
            noise=noise,
        )

    @property
    def is_there(self) -> bool:
        return len(self.to_come) == 1

    def take(self, x_0_hat: Tensor) -> Step:
        """The step from x_t, of which this is predicted."""
        self.x_0_hat = x_0_hat
        step = next(self.steps)
        self.x_t = step.x_s
        del self.to_come[0]
        return step


@torch.no_grad()
def race(start: Start, lanes: Mapping[str, Lane]) -> Iterator[dict[str, LaneStep]]:
    """Walk all lanes, call by call; a lane that has arrived waits for the others.

    Yields:
        For each call of the network the steps of those lanes that were still on their way.
    """
    walkers = {name: _Walker(start, lane) for name, lane in lanes.items()}
    while going := {name: walker for name, walker in walkers.items() if not walker.is_there}:
        made: dict[str, LaneStep] = {}
        for model, by_student in ((start.model, False), (start.student, True)):
            its = {name: each for name, each in going.items() if lanes[name].by_student is by_student}
            if model and its:
                made |= _advance(start, model, its)
        yield {name: made[name] for name in going}


def _advance(start: Start, model: Model, walkers: Mapping[str, _Walker]) -> dict[str, LaneStep]:
    """A step of each of these lanes, by one call of a model's network."""
    started = time.perf_counter()
    x_t, t = zip(*((walker.x_t, walker.to_come[0]) for walker in walkers.values()))
    predicted = start.predict(model, list(x_t), list(t))
    share = (time.perf_counter() - started) / len(walkers)
    made = {}
    for (name, walker), x_0_hat in zip(walkers.items(), predicted):
        started = time.perf_counter()
        step = walker.take(x_0_hat)
        made[name] = LaneStep(step, share + time.perf_counter() - started)
    return made


def reference(start: Start, num_steps: int = REFERENCE_STEPS) -> Iterator[Step]:
    """The ODE from the same noise, in many steps: the last one's x_s is what lanes are compared with."""
    denoise = start.model.denoiser(class_labels=start.class_labels, guidance_scale=start.guidance_scale)
    seed, images = start.seed, start.num_images
    return walk(start.model, denoise, num_steps=num_steps, seed=seed, num_images=images, sampler="dpm++2m")


def distance(x: Tensor, other: Tensor) -> float:
    """The root mean square over all pixels, which go from −1 to 1."""
    return (x - other.to(x)).square().mean().sqrt().item()
