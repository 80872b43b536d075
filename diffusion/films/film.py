"""Films: what a sampler did, step by step, as 8-bit pictures and a table of numbers."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Required, TypedDict, Unpack

from diffusion.data.images import to_uint8
from diffusion.denoiser import Denoiser
from diffusion.films.coding import Coding
from diffusion.models.model import LatentModel, Model
from diffusion.noise import draw_noise, fresh_noise
from diffusion.samplers import Step, sample, timesteps
from diffusion.schedules import NoiseSchedule

KINDS = ("x_t", "eps_hat", "x_0_hat")
EPS_RANGE = 3.0  # ε is shown with [−3, 3] as black to white


@dataclass(frozen=True, eq=False)
class Film:
    """A finished walk from noise to images.

    Args:
        frames: (K + 1, 3, B, H, W, C) uint8: for each step x_t, ε̂ and x̂_0 of every image; the last
            frame is t = 0, where x_t and x̂_0 are both the result and ε̂ is none (mid-grey).
        info: how it was made (model, seed, sampler, …), and "steps": a list of K dictionaries.
        codes: K, of each step's x̂_0, see coding.py; from them and from `info` the frames can be made again.
    """

    frames: np.ndarray
    info: dict[str, Any]
    codes: tuple[bytes, ...]


class SamplerSettings(TypedDict, total=False):
    """Arguments of `run_sampler` but `schedule`; what is left out is as by default there."""

    seed: Required[int]
    num_images: Required[int]
    num_steps: Required[int]
    sampler: str
    eta: float
    class_labels: Tensor | None
    prompts: Sequence[str] | None
    guidance_scale: float


def step_frame(step: Step) -> np.ndarray:
    """A step's x_t, ε̂ and x̂_0 as (3, B, H, W, C) uint8."""
    return shown(step.x_t, step.eps_hat, step.x_0_hat)


def final_frame(x_0: Tensor) -> np.ndarray:
    """The frame at t = 0, (3, B, H, W, C) uint8."""
    return shown(x_0, torch.zeros_like(x_0), x_0)


def shown(x_t: Tensor, eps_hat: Tensor, x_0_hat: Tensor) -> np.ndarray:
    """(B, C, H, W) each → (3, B, H, W, C) uint8."""
    pictures = torch.stack([to_uint8(x_t), to_uint8(eps_hat, EPS_RANGE), to_uint8(x_0_hat)])
    return pictures.permute(0, 1, 3, 4, 2).cpu().numpy()


def as_pixels(x: Tensor) -> np.ndarray:
    """(B, C, H, W) → (B, H, W, C) float32 as it is, not cut off."""
    return x.permute(0, 2, 3, 1).float().cpu().numpy()


def step_row(step: Step, schedule: NoiseSchedule, seconds: float) -> dict[str, float]:
    """A step's numbers; `seconds` is how long it took, network call and update together."""
    t, s = torch.tensor([step.t]), torch.tensor([step.s])
    alpha_bar_t, alpha_bar_s = (schedule.alphas_cumprod[i].item() for i in (t, s))
    return {
        "t": step.t,
        "s": step.s,
        "snr": schedule.snr(t).item(),
        "alphas_cumprod_t": alpha_bar_t,
        "alphas_cumprod_s": alpha_bar_s,
        **step.update._asdict(),
        "seconds": seconds,
    }


def walk(
    model: Model,
    denoise: Denoiser,
    *,
    num_steps: int,
    seed: int = 0,
    num_images: int = 1,
    x_T: Tensor | None = None,
    start: int | None = None,
    noise: Callable[[int], Tensor] | None = None,
    sampler: str = "dpm++2m",
    eta: float = 0.0,
    schedule: NoiseSchedule | None = None,
) -> Iterator[Step]:
    """The way from noise to a sample, step by step: a seed and a denoiser decide all of it.

    Args:
        model: gives the shape of x_T and the device.
        denoise: (x_t, t) → x_0_hat, on `schedule`.
        num_steps: 1..start.
        seed: of all noise; picture i is the same for every B.
        num_images: B, rows of x_T.
        x_T: (B, C, H, W) to start from; None draws it from the seed.
        start: the timestep of x_T, 1..T; None is T.
        noise: as for `sample`; None draws it from the seed.
        sampler, eta: as for `sample`.
        schedule: the schedule that is sampled, if not the model's own.

    Yields:
        One Step at a time; the last one's x_s is the sample.
    """
    schedule = schedule or model.schedule
    if x_T is None:
        x_T = draw_noise((num_images, *model.sample_shape), torch.Generator().manual_seed(seed))
    noise = noise or partial(fresh_noise, seed, x_T.shape)
    steps = timesteps(schedule, num_steps, start)
    return sample(denoise, schedule, x_T.to(model.device), steps, sampler=sampler, eta=eta, noise=noise)


def run_sampler(
    model: Model,
    *,
    seed: int,
    num_images: int,
    num_steps: int,
    sampler: str = "dpm++2m",
    eta: float = 0.0,
    class_labels: Tensor | None = None,
    prompts: Sequence[str] | None = None,
    guidance_scale: float = 1.0,
    schedule: NoiseSchedule | None = None,
) -> Iterator[tuple[Step, dict[str, float]]]:
    """Sample a model from a seed, yielding each step with its table row.

    The same arguments give the same pictures on any run. Arguments are those of `sample` and
    `Model.denoiser`; `schedule` None is the model's own.
    """
    schedule = schedule or model.schedule
    if isinstance(model, LatentModel):
        denoise = model.denoiser(
            class_labels=class_labels, prompts=prompts, guidance_scale=guidance_scale, schedule=schedule
        )
    else:
        denoise = model.denoiser(class_labels=class_labels, guidance_scale=guidance_scale, schedule=schedule)
    steps = walk(
        model,
        denoise,
        num_steps=num_steps,
        seed=seed,
        num_images=num_images,
        sampler=sampler,
        eta=eta,
        schedule=schedule,
    )
    yield from with_rows(steps, schedule)


def with_rows(steps: Iterator[Step], schedule: NoiseSchedule) -> Iterator[tuple[Step, dict[str, float]]]:
    """Each step as it is made, with its table row."""
    started = time.perf_counter()
    for step in steps:
        yield step, step_row(step, schedule, time.perf_counter() - started)
        started = time.perf_counter()


def draw(model: Model, **settings: Unpack[SamplerSettings]) -> Tensor:
    """Run the sampler to its end: the samples, (B, C, H, W), to be decoded."""
    for step, _ in run_sampler(model, **settings):
        x_s = step.x_s
    return x_s


def make_film(model: Model, **settings: Unpack[SamplerSettings]) -> Film:
    """Run the sampler to its end, and keep all of it."""
    frames, rows, codes = [], [], []
    channels, height, width = model.sample_shape
    coding = Coding((settings["num_images"], height, width, channels))
    for step, row in run_sampler(model, **settings):
        frames.append(step_frame(step))
        rows.append(row)
        codes.append(coding.encode(row["alphas_cumprod_t"], as_pixels(step.x_0_hat)))
    frames.append(final_frame(step.x_s))
    labels = settings.get("class_labels")
    info = {
        "model": model.name,
        "schedule": model.schedule_name,
        "num_timesteps": model.schedule.num_timesteps,
        "sampler": "dpm++2m",
        "guidance_scale": 1.0,
        **settings,
        "class_labels": None if labels is None else labels.tolist(),
        "steps": rows,
    }
    return Film(np.stack(frames), info, tuple(codes))
