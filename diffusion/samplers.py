"""Sampling: one loop, one update rule, three samplers.

DDPM is DDIM with eta = 1. DPM-Solver++(2M) is DDIM with x_0_hat replaced by its linear extrapolation in
λ = log(√ᾱ / √(1 − ᾱ)). The loop walks an explicit list of timesteps; nothing computes a stride.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from diffusion.denoiser import Denoiser
from diffusion.noise import fresh_noise
from diffusion.process import eps_from_x_0
from diffusion.schedules import NoiseSchedule, check_name

SAMPLERS = ("ddpm", "ddim", "dpm++2m")


class Update(NamedTuple):
    """The numbers of one step, with D = x̂_0 + extrapolation · (x̂_0 − the step before's x̂_0):

    x_s = x_0_weight · D + eps_weight · (x_t − √ᾱ_t D) / √(1 − ᾱ_t) + noise_weight · z,  z ~ N(0, 1).
    """

    x_0_weight: float
    eps_weight: float
    noise_weight: float
    extrapolation: float


class Step(NamedTuple):
    """One step t → s of a sampler. Tensors are (B, *D); eps_hat and x_0_hat are the network's at x_t."""

    t: int
    s: int
    x_t: Tensor
    eps_hat: Tensor
    x_0_hat: Tensor
    x_s: Tensor
    update: Update


def timesteps(schedule: NoiseSchedule, num_steps: int, start: int | None = None) -> list[int]:
    """Evenly ("trailing") spaced timesteps from `start` to 0.

    Args:
        schedule: gives T.
        num_steps: 1..start.
        start: 1..T; None is T.

    Returns:
        num_steps + 1 descending integers, the first `start`, the last 0.

    Raises:
        ValueError: start is not in 1..T, or num_steps is not in 1..start.
    """
    last = schedule.num_timesteps
    first = last if start is None else start
    if not 1 <= first <= last:
        raise ValueError(f"A walk must start at a timestep from 1 to {last}, not {first}.")
    if not 1 <= num_steps <= first:
        raise ValueError(f"The number of steps must be from 1 to {first}, not {num_steps}.")
    return [round(first * (1 - i / num_steps)) for i in range(num_steps + 1)]


@torch.no_grad()
def sample(
    denoise: Denoiser,
    schedule: NoiseSchedule,
    x_T: Tensor,
    steps: Sequence[int],
    *,
    sampler: str = "ddim",
    eta: float = 0.0,
    noise: Callable[[int], Tensor] | None = None,
) -> Iterator[Step]:
    """Walk from noise to data, yielding every step as it is made.

    Args:
        denoise: (x_t, t) → x_0_hat.
        schedule: the noise schedule walked.
        x_T: (B, *D) noise at the first timestep; below T a picture that noisy: SDEdit (Meng et al. 2022).
        steps: descending timesteps ending in 0, from `timesteps`.
        sampler: "ddpm" (Ho et al. 2020), "ddim" (Song et al. 2021), "dpm++2m" (Lu et al. 2022, Algorithm 2).
        eta: "ddim" only: 0 is deterministic, 1 is DDPM.
        noise: t → z, (B, *D), what the step from t adds if eta > 0; None: `fresh_noise` of seed 0.

    Yields:
        One Step for each pair of neighbours in `steps`; the last one's x_s is the sample.

    Raises:
        ValueError: there is no such sampler.
    """
    check_name("sampler", sampler, SAMPLERS)
    eta = {"ddpm": 1.0, "ddim": eta, "dpm++2m": 0.0}[sampler]
    x_t = x_T
    previous: Step | None = None  # of a multistep sampler
    for t, s in pairwise(steps):
        t_batch = torch.full((len(x_t),), t, device=x_t.device)
        alpha, sigma = schedule.alpha_sigma(t_batch, x_t)
        x_0_hat = denoise(x_t, t_batch)
        update = _update(schedule, t, s, eta, previous)
        z = _fresh(update, x_t, t, noise)
        x_s = apply_update(update, x_t, x_0_hat, previous and previous.x_0_hat, alpha, sigma, z)
        yield (step := Step(t, s, x_t, eps_from_x_0(x_0_hat, x_t, alpha, sigma), x_0_hat, x_s, update))
        x_t, previous = x_s, step if sampler == "dpm++2m" else None


def _update(schedule: NoiseSchedule, t: int, s: int, eta: float, previous: Step | None) -> Update:
    """The weights of the step t → s; `previous` is the step before it if it is a multistep one."""
    a_t, a_s = schedule.alphas_cumprod[[t, s]].tolist()
    # DDIM Eq. 16: at eta = 1 this is the posterior standard deviation of DDPM Eq. 7.
    noise_weight = eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)) ** 0.5
    extrapolation = 0.0
    if previous is not None and s > 0:  # λ_0 = ∞: the last step is first order
        # DPM-Solver++ Algorithm 2: x̂_0 continued to the middle of the step, linearly in λ.
        h_previous, h = schedule.half_log_snr(torch.tensor([previous.t, t, s])).diff().tolist()
        extrapolation = h / (2 * h_previous)
    return Update(a_s**0.5, (1 - a_s - noise_weight**2) ** 0.5, noise_weight, extrapolation)


def _fresh(update: Update, x_t: Tensor, t: int, noise: Callable[[int], Tensor] | None) -> Tensor | None:
    """The z that the update adds."""
    if update.noise_weight == 0:
        return None
    return (fresh_noise(0, x_t.shape, t) if noise is None else noise(t)).to(x_t)


def apply_update(
    update: Update,
    x_t: Tensor,
    x_0_hat: Tensor,
    before: Tensor | None,
    alpha: Tensor | float,
    sigma: Tensor | float,
    z: Tensor | None,
) -> Tensor:
    """DDIM Eq. 12: towards x̂_0, along the predicted noise, plus fresh noise.

    Args:
        update: the step's numbers.
        x_t, x_0_hat: (B, *D).
        before: x̂_0 of the step before; None if the update does not extrapolate.
        alpha, sigma: √ᾱ_t and √(1 − ᾱ_t).
        z: fresh noise; None if the update adds none.

    Returns:
        x_s, (B, *D).
    """
    if before is not None and update.extrapolation:
        x_0_hat = x_0_hat + update.extrapolation * (x_0_hat - before)
    eps = eps_from_x_0(x_0_hat, x_t, alpha, sigma)
    x_s = update.x_0_weight * x_0_hat + update.eps_weight * eps
    return x_s if z is None else x_s + update.noise_weight * z
