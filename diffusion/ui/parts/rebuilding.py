"""A picture ruined up to some t, and walked back from there by a network: SDEdit (Meng et al. 2022)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.data.images import to_pixels
from diffusion.films.coding import Coding
from diffusion.films.film import as_pixels, walk, with_rows
from diffusion.models.model import Model
from diffusion.models.typical import PREDICTIONS, load_typical, picture_losses
from diffusion.noise import draw_noise
from diffusion.process import q_sample
from diffusion.samplers import SAMPLERS, Step
from diffusion.ui.parts.gpu import Work, on_gpu, walking
from diffusion.ui.parts.inputs import MAX_SEED, choice, refusal, whole_number
from diffusion.ui.parts.model_pictures import checked_picture
from diffusion.ui.parts.opened import model_named
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.text import labels

NUM_NOISES = 4  # of the seed: from each the picture is rebuilt
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of T: the levels that are compared
MAX_REBUILD_STEPS = 200  # from each level: 4000 predictions of one picture in all, at most


@dataclass(frozen=True, eq=False)
class Rebuild:
    """A request, with every value checked.

    Args:
        model: a checkpoint's name.
        x_0: (C, H, W) in [−1, 1], the picture.
        picture: the page's number for it.
        start: t up to which it is ruined.
        num_steps: of a walk, which has no more than it has timesteps.
        class_label: a class's name; empty for none.
    """

    model: str
    x_0: Tensor
    picture: int
    start: int
    class_label: str
    num_steps: int
    sampler: str
    seed: int

    def steps_from(self, start: int) -> int:
        """How many steps a walk from this t has."""
        return min(self.num_steps, start)


def checked_rebuild(
    models: Mapping[str, Model],
    sent: Any,
    model: Any,
    class_label: Any,
    num_steps: Any,
    sampler: Any,
    seed: Any,
) -> Rebuild:
    """A request with every value checked.

    Args:
        models: by name.
        sent: of the page, {"pixels", "picture", "start"}: base64 of (H, W, C) uint8, the page's number for
            the picture, and t.

    Raises:
        InputError: names the value and its allowed range.
    """
    chosen, sent = model_named(models, model), sent if isinstance(sent, dict) else {}
    if not sent.get("pixels"):
        raise refusal("rebuild_no_picture")
    return Rebuild(
        chosen.name,
        checked_picture(chosen, sent.get("pixels")),
        whole_number(sent.get("picture"), "number", 0, MAX_SEED),
        whole_number(sent.get("start"), "t", 1, chosen.schedule.num_timesteps),
        choice(class_label, "class_label", ["", *(chosen.classes or ())]),
        whole_number(num_steps, "num_steps", 1, MAX_REBUILD_STEPS),
        choice(sampler, "sampler", SAMPLERS),
        whole_number(seed, "seed", 0, MAX_SEED),
    )


def ruined(model: Model, request: Rebuild, start: int) -> Tensor:
    """x_t of the picture at this t with each of the seed's noises, (NUM_NOISES, C, H, W)."""
    noise = draw_noise((NUM_NOISES, *model.sample_shape), torch.Generator().manual_seed(request.seed))
    return q_sample(model.schedule, request.x_0.expand_as(noise), torch.full((NUM_NOISES,), start), noise)


def _walk_back(model: Model, request: Rebuild, start: int) -> Iterator[Step]:
    label = request.class_label
    index = model.classes.index(label) if label and model.classes else None
    labelled = None if index is None else torch.full((NUM_NOISES,), index, device=model.device)
    return walk(
        model,
        model.denoiser(class_labels=labelled),
        x_T=ruined(model, request, start),
        start=start,
        num_steps=request.steps_from(start),
        seed=request.seed,
        sampler=request.sampler,
    )


# ---- from the chosen t -----------------------------------------------------------------------------------


@on_gpu(lambda model, request: walking(request.steps_from(request.start), NUM_NOISES, [1.0]))
def rebuilt_frames(model: Model, request: Rebuild) -> Iterator[tuple[Planes, Row]]:
    """Every step of the walk as the "code" of its x̂_0, with its table row; the result's is empty, without a
    row: it follows from the others, as all pictures do from them, the seed and the picture."""
    channels, height, width = model.sample_shape
    coding = Coding((NUM_NOISES, height, width, channels))
    for step, row in with_rows(_walk_back(model, request, request.start), model.schedule):
        yield _code(coding.encode(row["alphas_cumprod_t"], as_pixels(step.x_0_hat))), row
    yield _code(b""), None


def _code(code: bytes) -> Planes:
    return {"code": np.frombuffer(code, np.uint8)}


# ---- from several ----------------------------------------------------------------------------------------


def levels(num_timesteps: int) -> list[int]:
    """The t from which it is rebuilt, to be compared."""
    return [max(1, round(share * num_timesteps)) for share in SHARES]


def _levels_work(model: Model, request: Rebuild) -> Work:
    steps = sum(request.steps_from(t) for t in levels(model.schedule.num_timesteps))
    return walking(steps, NUM_NOISES, [1.0])


@on_gpu(_levels_work)
def rebuilt_levels(model: Model, request: Rebuild) -> Iterator[tuple[int, np.ndarray, bool, int]]:
    """For each level its number and its pictures, (NUM_NOISES, H, W, C) uint8: as they are expected after
    each step, and at the end as they are; whether that is the end; and how often the network was called."""
    calls = 0
    for k, start in enumerate(levels(model.schedule.num_timesteps)):
        for step in _walk_back(model, request, start):
            calls += 1
            if step.s:
                yield k, to_pixels(step.x_0_hat), False, calls
        yield k, to_pixels(step.x_s), True, calls


def grey_levels_off(pictures: np.ndarray, x_0: Tensor) -> list[float]:
    """(B, H, W, C) uint8 → for each the root mean square of what it differs by from x_0, (C, H, W), in grey
    levels of 255."""
    original = to_pixels(x_0[None]).astype(np.float64)
    return np.sqrt(((pictures - original) ** 2).mean((1, 2, 3))).tolist()


# ---- is it like what the network knows? ------------------------------------------------------------------


@on_gpu(lambda model, x_0: Work(PREDICTIONS // 2, PREDICTIONS))
def _losses(model: Model, x_0: Tensor) -> Tensor:
    return picture_losses(model, x_0)


def likeness(model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page for a picture, its "pixels" as in a Rebuild's: whether it is like those that the
    network knows, as {"likeness", "said"}; nothing if nobody has measured what is usual for the model.

    Raises:
        InputError: it is no picture of the model's size.
    """
    x_0 = checked_picture(model, request.get("pixels"))
    typical = load_typical(model.folder)
    if typical is None:
        return {"likeness": None, "said": ""}
    loss = _losses(model, x_0[None]).item()
    found = typical.likeness(loss)
    numbers = {"loss": loss, "low": typical.low, "high": typical.high}
    said = labels()[f"likeness_{found}"].format(
        **{name: f"{value:.3g}" for name, value in numbers.items()},
        count=typical.num_pictures,
    )
    return {"likeness": found, "said": said}
