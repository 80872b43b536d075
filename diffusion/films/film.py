"""Films: what a sampler did, step by step, as 8-bit pictures and a table of numbers."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Required, TypedDict, Unpack

from diffusion.data.grids import UNREADABLE, image_grid, png_bytes, read_grid
from diffusion.data.images import to_uint8
from diffusion.denoiser import Denoiser
from diffusion.files import to_json, write_atomically
from diffusion.models.model import LatentModel, Model
from diffusion.noise import draw_noise, fresh_noise
from diffusion.samplers import Step, Update, sample, timesteps
from diffusion.schedules import NoiseSchedule

FILM_FILE, TABLE_FILE = "film.png", "film.json"
FILM_FILES = (FILM_FILE, TABLE_FILE)
KINDS = ("x_t", "eps_hat", "x_0_hat")
EPS_RANGE = 3.0  # ε is shown with [−3, 3] as black to white
# What film.json must hold of a film and of each of its steps.
INFO_KEYS = {"model", "seed", "schedule", "sampler", "guidance_scale", "num_images", "num_steps"}
ROW_KEYS = {"t", "s", "snr", "alphas_cumprod_t", "alphas_cumprod_s", *Update._fields}


@dataclass(frozen=True, eq=False)
class Film:
    """A finished walk from noise to images.

    Args:
        frames: (K + 1, 3, B, H, W, C) uint8: for each step x_t, ε̂ and x̂_0 of every image; the last
            frame is t = 0, where x_t and x̂_0 are both the result and ε̂ is none (mid-grey).
        info: how it was made (model, seed, sampler, …), and "steps": a list of K dictionaries.
    """

    frames: np.ndarray
    info: dict[str, Any]


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
    return _frame(step.x_t, step.eps_hat, step.x_0_hat)


def final_frame(x_0: Tensor) -> np.ndarray:
    """The frame at t = 0, (3, B, H, W, C) uint8."""
    return _frame(x_0, torch.zeros_like(x_0), x_0)


def _frame(x_t: Tensor, eps_hat: Tensor, x_0_hat: Tensor) -> np.ndarray:
    pictures = torch.stack([to_uint8(x_t), to_uint8(eps_hat, EPS_RANGE), to_uint8(x_0_hat)])
    return pictures.permute(0, 1, 3, 4, 2).cpu().numpy()


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
    noise: Callable[[int], Tensor] | None = None,
    sampler: str = "dpm++2m",
    eta: float = 0.0,
    schedule: NoiseSchedule | None = None,
) -> Iterator[Step]:
    """The way from noise to a sample, step by step: a seed and a denoiser decide all of it.

    Args:
        model: gives the shape of x_T and the device.
        denoise: (x_t, t) → x_0_hat, on `schedule`.
        num_steps: 1..T.
        seed: of all noise; picture i is the same for every B.
        num_images: B, rows of x_T.
        x_T: (B, C, H, W) to start from; None draws it from the seed.
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
    steps = timesteps(schedule, num_steps)
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
    frames, rows = [], []
    for step, row in run_sampler(model, **settings):
        frames.append(step_frame(step))
        rows.append(row)
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
    return Film(np.stack(frames), info)


def save_film(folder: Path, film: Film) -> None:
    """Write film.png (a row per image and kind, a column per frame) and film.json (the table)."""
    num_frames, _, num_images, height, width, channels = film.frames.shape
    cells = film.frames.transpose(2, 1, 0, 3, 4, 5).reshape(-1, height, width, channels)
    write_atomically(folder / FILM_FILE, png_bytes(image_grid(cells, num_frames)))
    info = film.info | {"num_images": num_images, "image_shape": [height, width, channels]}
    write_atomically(folder / TABLE_FILE, to_json(info, indent=1).encode())


def load_film(folder: Path) -> Film | None:
    """Read what `save_film` wrote; None if the folder has no film or a broken one."""
    try:
        info = json.loads((folder / TABLE_FILE).read_text("utf-8"))
        height, width, channels = info["image_shape"]
        num_images, num_frames = info["num_images"], len(info["steps"]) + 1
        if not info.keys() >= INFO_KEYS or not all(row.keys() >= ROW_KEYS for row in info["steps"]):
            return None
        cells = read_grid(folder / FILM_FILE, channels, (num_frames * width, num_images * 3 * height))
        cells = cells.reshape(num_images, 3, height, num_frames, width, channels)
        return Film(np.ascontiguousarray(cells.transpose(3, 1, 0, 2, 4, 5)), info)
    except UNREADABLE:
        return None
