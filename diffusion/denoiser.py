"""Denoisers: functions (x_t, t) → x_0_hat. Whatever conditions them is bound here, once.

Samplers, likelihood and the page know nothing of networks, classes or guidance; they call a Denoiser.
A Denoiser never clamps.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffusion.process import x_0_from_output
from diffusion.schedules import NoiseSchedule

Denoiser = Callable[[Tensor, Tensor], Tensor]  # x_t (B, *D), t (B,) integers in 1..T → x_0_hat (B, *D)


def network_denoiser(
    net: nn.Module,
    schedule: NoiseSchedule,
    prediction: str,
    *,
    trained_on: NoiseSchedule | None = None,
    class_labels: Tensor | None = None,
    context: Tensor | None = None,
) -> Denoiser:
    """A trained network as a denoiser.

    Args:
        net: (x_t, t, class_labels, context) → output (B, *D).
        schedule: the schedule that is sampled.
        prediction: what the network outputs: "epsilon", "v" or "sample".
        trained_on: the network's own schedule, if another. Each noise level is then mapped to the
            network's own, fractional t by interpolating half_log_snr, held at its ends.
        class_labels: (B,) int64, or None for the null class.
        context: (B, L, context_dim), or (1, L, context_dim) for all alike, or None.

    Returns:
        The denoiser (x_t, t) → x_0_hat.
    """

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        net_t, (alpha, sigma) = t, schedule.alpha_sigma(t, x_t)
        told = context if context is None else context.expand(len(x_t), -1, -1)
        if trained_on is not None and trained_on is not schedule:
            net_t, alpha, sigma = _same_noise_level(schedule, trained_on, t, x_t)
        output = net(x_t, net_t.to(x_t.dtype), class_labels=class_labels, context=told)
        return x_0_from_output(prediction, output.to(x_t.dtype), x_t, alpha, sigma)

    return denoise


def _same_noise_level(
    schedule: NoiseSchedule, trained_on: NoiseSchedule, t: Tensor, like: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The fractional t of `trained_on` as noisy as t of `schedule`, and √ᾱ and √(1 − ᾱ) there."""
    ends = trained_on.half_log_snr(torch.tensor([trained_on.num_timesteps, 1], device=t.device))
    half_log_snr = schedule.half_log_snr(t).clamp(*ends)
    log_snr = 2 * half_log_snr.view(-1, *[1] * (like.ndim - 1))
    alpha, sigma = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
    return trained_on.timestep_at(half_log_snr), alpha.to(like), sigma.to(like)


def combine(conditional: Tensor, unconditional: Tensor, guidance_scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022) of two predictions, both (B, *D)."""
    return unconditional + guidance_scale * (conditional - unconditional)


def guide(conditional: Denoiser, unconditional: Denoiser, guidance_scale: float) -> Denoiser:
    """`combine`, as a denoiser: uncond + scale · (cond − uncond), in x_0_hat.

    1.0 is off: the conditional denoiser itself, bit for bit, and the second network call is saved.
    x_0_hat is affine in ε̂ and v̂ with the same coefficients for both, so it makes no difference
    which of them is extrapolated.
    """
    if guidance_scale == 1.0:
        return conditional

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        return combine(conditional(x_t, t), unconditional(x_t, t), guidance_scale)

    return denoise


def ideal_denoiser(data: Tensor, schedule: NoiseSchedule) -> Denoiser:
    """The exact posterior mean E[x_0 | x_t] for a finite data set: the denoiser a perfect network would be.

    By Bayes' rule a mean of the data, weighted with softmax(−½ SNR(t) ‖x_t / √ᾱ_t − x_0‖²).

    Args:
        data: (N, *D), each point equally likely.
        schedule: the schedule that is sampled.
    """
    points = data.flatten(1).double()

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        alpha, _ = schedule.alpha_sigma(t, points)
        squared_distance = torch.cdist(x_t.flatten(1).double() / alpha, points).square()
        weights = (-0.5 * schedule.snr(t)[:, None] * squared_distance).softmax(-1)
        return (weights @ points).to(x_t.dtype).view_as(x_t)

    return denoise
