"""Sampling by class: a checked request, and the walk from noise to pictures as frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from diffusion.films.film import KINDS, final_frame, run_sampler, step_frame
from diffusion.models.model import Model
from diffusion.samplers import SAMPLERS
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.gpu import on_gpu
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, choice, real_number, refusal, whole_number
from diffusion.ui.parts.streaming import Planes, Row

MAX_CLASS_STEPS = 1000
MAX_IMAGES = 16
MAX_STEPS_TIMES_IMAGES = 4000


@dataclass(frozen=True)
class ClassRequest:
    """What to sample, and how, with every value checked.

    Args:
        model: a checkpoint's name.
        schedule: a key of SCHEDULES.
        class_label: a class's name; empty for none.
        eta: of DDIM alone.
    """

    model: str
    seed: int
    sampler: str
    num_steps: int
    schedule: str
    class_label: str
    guidance_scale: float
    num_images: int
    eta: float


def checked_class_request(
    models: dict[str, Model],
    class_label: Any,
    num_images: Any,
    num_steps: Any,
    sampler: Any,
    seed: Any,
    model: Any,
    schedule: Any,
    guidance_scale: Any,
    eta: Any = 0.0,
) -> ClassRequest:
    """A request with every value checked.

    Args:
        models: by name.
        class_label, …: as sent; class_label and schedule may be empty: none, the model's own.

    Raises:
        InputError: names the value and its allowed range.
    """
    chosen = models[choice(model, "model", models)]
    most = min(MAX_CLASS_STEPS, chosen.schedule.num_timesteps)
    request = ClassRequest(
        chosen.name,
        whole_number(seed, "seed", 0, MAX_SEED),
        choice(sampler, "sampler", SAMPLERS),
        whole_number(num_steps, "num_steps", 1, most),
        choice(schedule, "schedule", ["", *SCHEDULES]) or chosen.schedule_name,
        choice(class_label, "class_label", ["", *(chosen.classes or ())]),
        real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE),
        whole_number(num_images, "num_images", 1, MAX_IMAGES),
        real_number(eta, "eta", 0, 1),
    )
    if request.num_steps * request.num_images > MAX_STEPS_TIMES_IMAGES:
        raise refusal("too_many_frames", limit=f"{MAX_STEPS_TIMES_IMAGES:,}")
    return request


def as_planes(frame: np.ndarray) -> Planes:
    """A film's frame, (3, B, H, W, C), by the names of its KINDS."""
    return dict(zip(KINDS, frame))


@on_gpu
def class_frames(model: Model, request: ClassRequest) -> Iterator[tuple[Planes, Row]]:
    """Every frame, a plane (B, H, W, C) for each of KINDS, with its table row; the last one has none."""
    class_labels = None
    if request.class_label:
        index = (model.classes or ()).index(request.class_label)
        class_labels = torch.full((request.num_images,), index, device=model.device)
    schedule = model.schedule
    if request.schedule != model.schedule_name:
        schedule = SCHEDULES[request.schedule](model.schedule.num_timesteps)
    for step, row in run_sampler(
        model,
        seed=request.seed,
        num_images=request.num_images,
        num_steps=request.num_steps,
        sampler=request.sampler,
        eta=request.eta,
        class_labels=class_labels,
        guidance_scale=request.guidance_scale,
        schedule=schedule,
    ):
        yield as_planes(step_frame(step)), row
    yield as_planes(final_frame(step.x_s)), None
