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
    """One step s → t > s of an inversion. Tensors are (B, *D); eps_hat is the one it was made with."""

    s: int
    t: int
    x_s: Tensor
    eps_hat: Tensor
    x_t: Tensor


@torch.no_grad()
def invert(
    denoise: Denoiser, schedule: NoiseSchedule, x_0: Tensor, steps: Sequence[int], *, corrections: int = 0
) -> Iterator[Rise]:
    """Walk from data to noise, yielding every step as it is made.

    DDIM Eq. 13: x_t / √ᾱ_t = x_s / √ᾱ_s + (√(1 − ᾱ_t) / √ᾱ_t − √(1 − ᾱ_s) / √ᾱ_s) · ε̂(x_s, s). On the way
    back the same step has ε̂ at its upper end, (x_t, t); that is why the picture comes back with an error. A
    correction takes ε̂ at what was found there, and finds it anew: a fixed-point iteration for the step that
    the way back undoes exactly (Pan et al. 2023).

    Args:
        denoise: (x_t, t) → x_0_hat.
        schedule: the noise schedule walked.
        x_0: (B, *D) data.
        steps: ascending timesteps that begin with 0: those of `timesteps`, reversed.
        corrections: of each step; each is another call of the network.

    Yields:
        One Rise for each pair of neighbours in `steps`; the last one's x_t is the code.
    """
    x_s = x_0
    for s, t in pairwise(steps):
        # No network knows t = 0, where there is no noise: it is asked as at the least noisy level.
        eps_hat = _predicted(denoise, schedule, x_s, max(s, 1))
        x_t = _risen(schedule, x_s, eps_hat, s, t)
        for _ in range(corrections):
            eps_hat = _predicted(denoise, schedule, x_t, t)
            x_t = _risen(schedule, x_s, eps_hat, s, t)
        yield Rise(s, t, x_s, eps_hat, x_t)
        x_s = x_t


def _predicted(denoise: Denoiser, schedule: NoiseSchedule, x_t: Tensor, t: int) -> Tensor:
    """ε̂ at t."""
    t_batch = torch.full((len(x_t),), t, device=x_t.device)
    return eps_from_x_0(denoise(x_t, t_batch), x_t, *schedule.alpha_sigma(t_batch, x_t))


def _risen(schedule: NoiseSchedule, x_s: Tensor, eps_hat: Tensor, s: int, t: int) -> Tensor:
    """x_t, if x_s holds this noise."""
    levels = (torch.full((len(x_s),), r, device=x_s.device) for r in (s, t))
    (alpha_s, sigma_s), (alpha_t, sigma_t) = (schedule.alpha_sigma(level, x_s) for level in levels)
    return alpha_t * (x_s - sigma_s * eps_hat) / alpha_s + sigma_t * eps_hat


def neighbour_correlation(x: Tensor) -> Tensor:
    """How alike neighbouring pixels are, (B, C, H, W) → (B,): their correlation, beside and below each other.

    Near 0 for normal noise, near 1 for pictures.
    """
    centred = x - x.mean((2, 3), keepdim=True)
    pairs = [(centred[..., :-1], centred[..., 1:]), (centred[..., :-1, :], centred[..., 1:, :])]
    products = torch.cat([(a * b).flatten(1) for a, b in pairs], 1)
    squares = torch.cat([(a.square() + b.square()).flatten(1) / 2 for a, b in pairs], 1)
    return products.sum(1) / squares.sum(1).clamp(min=torch.finfo(x.dtype).tiny)
