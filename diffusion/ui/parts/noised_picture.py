"""A picture and its noise at any t: for the endpoint all of it, for the page the tables that it mixes by."""

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
from diffusion.ui.parts.inputs import whole_number

MIN_TIMESTEPS, MAX_TIMESTEPS = 20, 1000


def picture_noise(seed: int) -> Tensor:
    """(2, 256, 256, 3) noise of a seed: the jump's ε, and the single step's in the Markov view.

    The page draws the same, in `lib/state.js`.
    """
    return draw_noise((2, SIZE, SIZE, 3), torch.Generator().manual_seed(seed))


def corrupt_picture(picture: Image.Image, t: int, schedule: str, seed: int) -> Image.Image:
    """x_t of a 256×256 picture, exactly as the page shows it; `schedule` is a key of SCHEDULES."""
    x_0 = to_signed(torch.from_numpy(np.asarray(picture).copy()))[None]
    x_t = q_sample(SCHEDULES[schedule](MAX_TIMESTEPS), x_0, torch.tensor([t]), picture_noise(seed)[:1])
    return Image.fromarray(to_uint8(x_t)[0].numpy())


def tables(request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page when T changes: ᾱ_0..ᾱ_T of every schedule."""
    length = whole_number(request.get("num_timesteps"), "T", MIN_TIMESTEPS, MAX_TIMESTEPS)
    return {"T": length} | {name: make(length).alphas_cumprod.tolist() for name, make in SCHEDULES.items()}
