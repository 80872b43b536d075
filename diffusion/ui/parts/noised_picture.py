"""A picture and its noise at any t: for the endpoint all of it, for the page what it mixes by itself."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusion.data.images import to_signed, to_uint8
from diffusion.noise import draw_noise
from diffusion.process import q_sample
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.example_pictures import SIZE
from diffusion.ui.parts.inputs import MAX_SEED, whole_number
from diffusion.ui.parts.streaming import encode

MIN_TIMESTEPS, MAX_TIMESTEPS = 20, 1000


def picture_noise(seed: int) -> Tensor:
    """(2, 256, 256, 3) noise of a seed: the jump's ε, and the single step's in the Markov view."""
    return draw_noise((2, SIZE, SIZE, 3), torch.Generator().manual_seed(seed))


def corrupt_picture(picture: Image.Image, t: int, schedule: str, seed: int) -> Image.Image:
    """x_t of a 256×256 picture, exactly as the page shows it; `schedule` is a key of SCHEDULES."""
    x_0 = to_signed(torch.from_numpy(np.asarray(picture).copy()))[None]
    x_t = q_sample(SCHEDULES[schedule](MAX_TIMESTEPS), x_0, torch.tensor([t]), picture_noise(seed)[:1])
    return Image.fromarray(to_uint8(x_t)[0].numpy())


def noise(request: dict[str, Any]) -> list[str]:
    """Asked by the page when the seed changes: `picture_noise` as base64 of float16, which is exact."""
    seed = whole_number(request.get("seed"), "seed", 0, MAX_SEED)
    return [encode(eps.half().numpy()) for eps in picture_noise(seed)]


def tables(request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page when T changes: ᾱ_0..ᾱ_T of every schedule."""
    length = whole_number(request.get("num_timesteps"), "T", MIN_TIMESTEPS, MAX_TIMESTEPS)
    return {"T": length} | {name: make(length).alphas_cumprod.tolist() for name, make in SCHEDULES.items()}
