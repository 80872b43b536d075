"""A film in its model's folder: film.json tells how it was made, film.dat has the codes of its steps."""

import json
import math
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion.data.grids import UNREADABLE
from diffusion.files import to_json, write_atomically
from diffusion.films.coding import Coding
from diffusion.films.film import Film, final_frame, shown
from diffusion.noise import draw_noise, fresh_noise
from diffusion.process import eps_from_x_0
from diffusion.samplers import Update, apply_update

CODES_FILE, TABLE_FILE = "film.dat", "film.json"
FILM_FILES = (CODES_FILE, TABLE_FILE)
LOSSLESS_FILE = "film.png"  # of a film in another format, with the same table
# What film.json must hold of a film and of each of its steps.
TEXTS = ("model", "schedule", "sampler")
WHOLES = ("seed", "num_images", "num_steps")
ROW_WHOLES = ("t", "s")
ROW_NUMBERS = ("snr", "alphas_cumprod_t", "alphas_cumprod_s", *Update._fields)
BROKEN: tuple[type[Exception], ...] = (*UNREADABLE, ArithmeticError, RuntimeError)  # torch's, of a seed
MAX_VALUES = 2**22  # of a frame: sixteen pictures of 256×256
MAX_STEPS, MAX_FILM_VALUES = 1000, 2**26  # of all x̂_0 together


def save_film(folder: Path, film: Film) -> None:
    """Write film.dat, the codes one after the other, and film.json, the table and the length of each code."""
    _, _, num_images, *image_shape = film.frames.shape
    info = film.info | {
        "num_images": num_images,
        "image_shape": image_shape,
        "code_lengths": [len(code) for code in film.codes],
    }
    write_atomically(folder / CODES_FILE, b"".join(film.codes))
    write_atomically(folder / TABLE_FILE, to_json(info, indent=1).encode())


def load_film(folder: Path) -> Film | None:
    """Read what `save_film` wrote; its frames are within two grey levels of those of the film that was saved.

    None if the folder has no film, a broken one, or one of another format.
    """
    try:
        info = json.loads((folder / TABLE_FILE).read_text("utf-8"))
        if not _is_table(info):
            return None
        content, ends = (folder / CODES_FILE).read_bytes(), [0, *accumulate(info["code_lengths"])]
        if not 0 < len(ends) - 1 == len(info["steps"]) or ends[-1] != len(content) or ends != sorted(ends):
            return None
        codes = tuple(content[start:end] for start, end in pairwise(ends))
        return Film(replay(info, codes), info, codes)
    except BROKEN:
        return None


def _is_table(info: dict[str, Any]) -> bool:
    """Whether a film's table has all that is read of it, each of its type; may raise one of BROKEN."""
    labels, rows = info.get("class_labels"), info["steps"]
    return (
        all(type(info[key]) is str for key in TEXTS)
        and all(type(x) is int for x in (*(info[key] for key in WHOLES), *info["image_shape"]))
        and all(map(_is_number, (info["guidance_scale"], info.get("eta", 0))))
        and (labels is None or all(type(label) is int for label in labels))
        and info["num_steps"] == len(rows)
        and all(type(row[key]) is int for row in rows for key in ROW_WHOLES)
        and all(_is_number(row[key]) for row in rows for key in ROW_NUMBERS)
    )


def _is_number(x: Any) -> bool:
    return type(x) in (int, float) and math.isfinite(x)


def replay(info: dict[str, Any], codes: Sequence[bytes]) -> np.ndarray:
    """The frames of a film, (K + 1, 3, B, H, W, C) uint8, from its codes and the numbers of its steps.

    Raises:
        One of BROKEN: they cannot be a film's.
    """
    height, width, channels = info["image_shape"]
    shape = (info["num_images"], channels, height, width)
    values, steps = math.prod(shape), len(info["steps"])
    if min(shape) < 1 or values > MAX_VALUES or steps > MAX_STEPS or steps * values > MAX_FILM_VALUES:
        raise ValueError(f"no film has {steps} frames of {shape}")
    coding = Coding((shape[0], height, width, channels))
    x_t = draw_noise(shape, torch.Generator().manual_seed(info["seed"]))
    noise = partial(fresh_noise, info["seed"], shape)
    frames, before = [], None
    for row, code in zip(info["steps"], codes, strict=True):
        alpha, sigma = row["alphas_cumprod_t"] ** 0.5, (1 - row["alphas_cumprod_t"]) ** 0.5
        x_0_hat = torch.from_numpy(coding.decode(code)).permute(0, 3, 1, 2)
        frames.append(shown(x_t, eps_from_x_0(x_0_hat, x_t, alpha, sigma), x_0_hat))
        update = Update(**{name: row[name] for name in Update._fields})
        z = noise(row["t"]) if update.noise_weight else None
        x_t, before = apply_update(update, x_t, x_0_hat, before, alpha, sigma, z), x_0_hat
    return np.stack([*frames, final_frame(x_t)])
