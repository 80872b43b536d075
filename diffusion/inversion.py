"""DDIM run forwards: from a picture to the noise that the same walk, run backwards, makes it of.

Without fresh noise a sampler's walk is an ordinary differential equation solved in steps, and such an
equation can be followed either way (Song et al. 2021, Section 4.3). So each picture has a noise of its own: a
code for it. What is lost on the way there and back is the error of the steps alone: the more, the smaller.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from diffusion.denoiser import Denoiser
from diffusion.process import eps_from_x_0
from diffusion.schedules import NoiseSchedule


class Rise(NamedTuple):
    """One step s → t > s of an inversion. Tensors are (B, *D); eps_hat is the network's at x_s."""

    s: int
    t: int
    x_s: Tensor
    eps_hat: Tensor
    x_t: Tensor


@torch.no_grad()
def invert(denoise: Denoiser, schedule: NoiseSchedule, x_0: Tensor, steps: Sequence[int]) -> Iterator[Rise]:
    """Walk from data to noise, yielding every step as it is made.

    DDIM Eq. 13: x_t / √ᾱ_t = x_s / √ᾱ_s + (√(1 − ᾱ_t) / √ᾱ_t − √(1 − ᾱ_s) / √ᾱ_s) · ε̂(x_s, s). Backwards the
    same step has ε̂ at its upper end; that is why the picture comes back with an error.

    Args:
        denoise: (x_t, t) → x_0_hat.
        schedule: the noise schedule walked.
        x_0: (B, *D) data.
        steps: ascending timesteps that begin with 0: those of `timesteps`, reversed.

    Yields:
        One Rise for each pair of neighbours in `steps`; the last one's x_t is the code.
    """
    x_s = x_0
    for s, t in pairwise(steps):
        # No network knows t = 0, where there is no noise: it is asked as at the least noisy level.
        level = torch.full((len(x_s),), max(s, 1), device=x_s.device)
        eps_hat = eps_from_x_0(denoise(x_s, level), x_s, *schedule.alpha_sigma(level, x_s))
        (alpha_s, sigma_s), (alpha_t, sigma_t) = (
            schedule.alpha_sigma(torch.full_like(level, r), x_s) for r in (s, t)
        )
        x_t = alpha_t * (x_s - sigma_s * eps_hat) / alpha_s + sigma_t * eps_hat
        yield Rise(s, t, x_s, eps_hat, x_t)
        x_s = x_t


def neighbour_correlation(x: Tensor) -> Tensor:
    """How alike neighbouring pixels are, (B, C, H, W) → (B,): their correlation, beside and below each other.

    Near 0 for normal noise, near 1 for pictures.
    """
    centred = x - x.mean((2, 3), keepdim=True)
    pairs = [(centred[..., :-1], centred[..., 1:]), (centred[..., :-1, :], centred[..., 1:, :])]
    products = torch.cat([(a * b).flatten(1) for a, b in pairs], 1)
    squares = torch.cat([(a.square() + b.square()).flatten(1) / 2 for a, b in pairs], 1)
    return products.sum(1) / squares.sum(1).clamp(min=torch.finfo(x.dtype).tiny)
