"""A picture's own noise: DDIM run forwards finds it, and run backwards makes the picture of it again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diffusion.films.film import walk
from diffusion.interpolation import angle_between, slerp
from diffusion.inversion import invert, neighbour_correlation
from diffusion.models.model import Model
from diffusion.samplers import timesteps
from diffusion.ui.parts.gpu import Work, on_gpu
from diffusion.ui.parts.inputs import MAX_SEED, refusal, whole_number
from diffusion.ui.parts.model_pictures import checked_picture
from diffusion.ui.parts.opened import model_named

STEPS = (10, 20, 50, 100)  # there, and as many back: what the error is shown for
JOURNEY_STEPS = 30  # to the codes of two pictures, and back from what lies between them
JOURNEY_CORRECTIONS = 1  # of each step there: without any, the ends are often other pictures
MAX_CORRECTIONS = 3
NUM_BETWEEN = 7  # pictures, both ends counted


@dataclass(frozen=True, eq=False)
class Coding:
    """A request, with every value checked.

    Args:
        model: a checkpoint's name.
        x_0: (B, C, H, W) in [−1, 1]: one picture, or the two at the ends.
        pictures: the page's numbers for them.
        corrections: of each step to a code.
    """

    model: str
    x_0: Tensor
    pictures: tuple[int, ...]
    corrections: int


def checked_coding(models: Mapping[str, Model], name: Any, corrections: Any, *sent: Any) -> Coding:
    """A request with every value checked.

    Args:
        models: by name.
        name: of one of them.
        corrections: 0..MAX_CORRECTIONS.
        sent: of the page for each picture, {"pixels", "picture"}: base64 of (H, W, C) uint8, and its number.

    Raises:
        InputError: names the value and its allowed range.
    """
    model = model_named(models, name)
    told = [each if isinstance(each, dict) else {} for each in sent]
    if not all(each.get("pixels") for each in told):
        raise refusal("rebuild_no_picture" if len(told) == 1 else "between_no_picture")
    x_0 = torch.stack([checked_picture(model, each.get("pixels")) for each in told])
    numbers = tuple(whole_number(each.get("picture"), "number", 0, MAX_SEED) for each in told)
    number = whole_number(corrections, "corrections", 0, MAX_CORRECTIONS)
    return Coding(model.name, x_0, numbers, number)


class Returned(NamedTuple):
    """A picture that went to its code and back in so many steps, or goes there still.

    Args:
        code, back: (C, H, W): as far as they have come.
        finished: it is back.
        calls: of the network so far, for all numbers of steps.
    """

    num_steps: int
    code: Tensor
    back: Tensor
    finished: bool
    calls: int


def steps_for(model: Model) -> list[int]:
    """STEPS, as far as the model has so many timesteps."""
    return [number for number in STEPS if number <= model.schedule.num_timesteps]


def _returning(model: Model, request: Coding) -> Work:
    calls = (2 + request.corrections) * sum(steps_for(model))
    return Work(calls, calls)


@on_gpu(_returning)
def there_and_back(model: Model, request: Coding) -> Iterator[Returned]:
    """The picture to its code and back, once for each of `steps_for`, with every step on the way."""
    x_0, denoise, calls = request.x_0.to(model.device), model.denoiser(), 0
    for number in steps_for(model):
        steps = timesteps(model.schedule, number)[::-1]
        for rise in invert(denoise, model.schedule, x_0, steps, corrections=request.corrections):
            calls += 1 + request.corrections
            yield Returned(number, rise.x_t[0].cpu(), x_0[0].cpu(), False, calls)
        code = rise.x_t
        for step in walk(model, denoise, x_T=code, num_steps=number, sampler="ddim"):
            calls += 1
            if step.s:
                yield Returned(number, code[0].cpu(), step.x_0_hat[0].cpu(), False, calls)
        yield Returned(number, code[0].cpu(), step.x_s[0].cpu(), True, calls)


def statistics(code: Tensor) -> dict[str, float]:
    """What is about 0, 1 and 0 of drawn noise (C, H, W): mean, variance, the correlation of neighbours."""
    return {
        "mean": code.mean().item(),
        "variance": code.var().item(),
        "neighbours": neighbour_correlation(code[None]).item(),
    }


# ---- between two codes -----------------------------------------------------------------------------------


class Between(NamedTuple):
    """What lies between two codes, as far as it has come.

    Args:
        codes: (NUM_BETWEEN, C, H, W), or what the two codes are so far, (2, C, H, W).
        pictures: (NUM_BETWEEN, C, H, W); None while the codes are looked for.
        angle: Ω between the codes; None likewise.
        finished: they are drawn.
        calls: of the network so far.
    """

    codes: Tensor
    pictures: Tensor | None
    angle: float | None
    finished: bool
    calls: int


def _between_work(model: Model, request: Coding) -> Work:
    asked = 1 + request.corrections
    return Work((asked + 1) * JOURNEY_STEPS, (2 * asked + NUM_BETWEEN) * JOURNEY_STEPS)


@on_gpu(_between_work)
def between_codes(model: Model, request: Coding) -> Iterator[Between]:
    """Both pictures to their codes, an arc between these, and all that lies on it walked back."""
    number = min(JOURNEY_STEPS, model.schedule.num_timesteps)
    denoise, calls = model.denoiser(), 0
    x_0, upwards = request.x_0.to(model.device), timesteps(model.schedule, number)[::-1]
    for rise in invert(denoise, model.schedule, x_0, upwards, corrections=request.corrections):
        calls += 1 + request.corrections
        yield Between(rise.x_t.cpu(), None, None, False, calls)
    a, b = rise.x_t.cpu()
    codes = slerp(a, b, torch.linspace(0, 1, NUM_BETWEEN, dtype=torch.float64))
    angle = angle_between(a, b)
    for step in walk(model, denoise, x_T=codes, num_steps=number, sampler="ddim"):
        calls += 1
        if step.s:
            yield Between(codes, step.x_0_hat.cpu(), angle, False, calls)
    yield Between(codes, step.x_s.cpu(), angle, True, calls)
