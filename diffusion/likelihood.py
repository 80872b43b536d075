"""How well a model compresses real data: the variational bound, in bits per dimension."""

import math

import torch
from torch import Tensor
from torch.distributions import Normal

from diffusion.denoiser import Denoiser
from diffusion.process import q_posterior, q_sample
from diffusion.schedules import NoiseSchedule

LEAST_MASS = 1e-12  # of a bin: where the Gaussian gives nothing the logarithm stays finite, as in DDPM's code


@torch.no_grad()
def bits_per_dim(
    denoise: Denoiser,
    schedule: NoiseSchedule,
    x_0: Tensor,
    generator: torch.Generator,
    num_strata: int = 20,
) -> Tensor:
    """The variational bound on −log₂ p(x_0) per dimension (DDPM Eq. 5), an unbiased estimate.

    L_T is exact and L_0 is drawn once per image; of the T − 1 terms in between, one is drawn in each of
    `num_strata` equal strata, for each image by itself.

    Args:
        denoise: the model.
        schedule: its schedule.
        x_0: (B, *D) data in [−1, 1] on the grid of 256 grey levels.
        generator: on x_0's device.
        num_strata: K, how many of the terms 2..T to look at, per image.

    Returns:
        (B,) float32 bits per dimension.
    """
    between = _between_terms(denoise, schedule, x_0, generator, num_strata)
    decoder = _decoder_term(denoise, schedule, x_0, generator)
    nats = _prior_term(schedule, x_0) + between + decoder
    return nats / (x_0[0].numel() * math.log(2))


def describe_bits(denoise: Denoiser, schedule: NoiseSchedule, x_0: Tensor) -> str:
    """The mean of `bits_per_dim` (arguments as there), with its standard error, from seed 0."""
    bits = bits_per_dim(denoise, schedule, x_0, torch.Generator(x_0.device).manual_seed(0))
    return f"{bits.mean().item():.3f} ± {bits.std().item() / len(bits) ** 0.5:.3f}"


def _prior_term(schedule: NoiseSchedule, x_0: Tensor) -> Tensor:
    """L_T = KL(q(x_T | x_0) ‖ N(0, 1)), (B,) nats."""
    a = schedule.alphas_cumprod[-1].item()
    kl = 0.5 * (a * x_0.double().square() - a - math.log1p(-a))
    return kl.flatten(1).sum(1).float()


def _between_terms(
    denoise: Denoiser, schedule: NoiseSchedule, x_0: Tensor, generator: torch.Generator, num_strata: int
) -> Tensor:
    """Σ L_{t−1} = Σ KL(q(x_{t−1} | x_t, x_0) ‖ p(x_{t−1} | x_t)) over t = 2..T, an estimate, (B,) nats."""
    number, total = schedule.num_timesteps - 1, torch.zeros(len(x_0), device=x_0.device)
    for stratum in range(num_strata):
        u = torch.rand(len(x_0), generator=generator, device=x_0.device, dtype=torch.float64)
        t = 2 + (number * (stratum + u) / num_strata).long()
        x_t = _noised(schedule, x_0, t, generator)
        mean, variance = q_posterior(schedule, x_0, x_t, t, t - 1)
        mean_hat, _ = q_posterior(schedule, denoise(x_t, t), x_t, t, t - 1)
        total += ((mean - mean_hat).square() / (2 * variance)).flatten(1).sum(1)
    return number / num_strata * total


def _decoder_term(
    denoise: Denoiser, schedule: NoiseSchedule, x_0: Tensor, generator: torch.Generator
) -> Tensor:
    """L_0 = −log p(x_0 | x_1), (B,) nats: the Gaussian's mass in each grey level's bin. DDPM Eq. 13."""
    t = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
    # The posterior mean at t = 1, s = 0 is x_0_hat itself.
    mean = denoise(_noised(schedule, x_0, t, generator), t)
    decoder = Normal(mean.double(), schedule.betas[0].item() ** 0.5)
    x, half_bin = x_0.double(), 1 / 255
    below = torch.where(x < -1 + half_bin, 0.0, decoder.cdf(x - half_bin))
    above = torch.where(x > 1 - half_bin, 1.0, decoder.cdf(x + half_bin))
    return -(above - below).clamp(min=LEAST_MASS).log().flatten(1).sum(1).float()


def _noised(schedule: NoiseSchedule, x_0: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
    """A draw from q(x_t | x_0)."""
    return q_sample(schedule, x_0, t, torch.randn(x_0.shape, generator=generator, device=x_0.device))
