"""Data of one normal distribution, whose posterior mean and flow are known in closed form."""

from torch import Tensor

from diffusion import NoiseSchedule
from diffusion.denoiser import Denoiser

MEAN, STD = 0.3, 0.5


def gaussian_denoiser(schedule: NoiseSchedule) -> Denoiser:
    """E[x_0 | x_t] for data N(MEAN, STD²)."""

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule.alpha_sigma(t, x_t)
        return MEAN + alpha * STD**2 * (x_t - alpha * MEAN) / (alpha**2 * STD**2 + sigma**2)

    return denoise


def exact_flow(schedule: NoiseSchedule, x_T: Tensor) -> Tensor:
    """Where the probability-flow ODE carries x_T: the map between the two Gaussians."""
    a = schedule.alphas_cumprod[-1]
    return MEAN + STD * (x_T - a.sqrt() * MEAN) / (a * STD**2 + 1 - a).sqrt()
