"""The training objectives: E‖ε − ε_θ(x_t, t)‖², its weightings, and what a student learns from a teacher."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from diffusion.denoiser import Denoiser
from diffusion.process import Prediction, q_sample, training_target
from diffusion.schedules import NoiseSchedule, check_name

# The weight on ‖x_0 − x̂_0‖² that each objective amounts to, as a function of the SNR:
# ε − ε̂ = −(α/σ)(x_0 − x̂_0) and v − v̂ = −(x_0 − x̂_0)/σ. min-SNR: Hang et al. 2023, γ = 5.
Weighting = Literal["epsilon", "v", "sample", "min_snr"]
WEIGHTINGS: dict[Weighting, Callable[[Tensor], Tensor]] = {
    "epsilon": lambda snr: snr,
    "v": lambda snr: snr + 1,
    "sample": lambda snr: torch.ones_like(snr),
    "min_snr": lambda snr: snr.clamp(max=5),
}

HUBER = 0.03  # c: how far two pictures are from each other where their distance turns from squares to lengths


def stratified_timesteps(
    batch_size: int,
    num_timesteps: int,
    generator: torch.Generator,
    rank: int = 0,
    world_size: int = 1,
) -> Tensor:
    """Timesteps for training: uniform on 1..T, one from each of equally many strata.

    Every timestep is as likely as with independent draws, but the batch covers them evenly, which
    takes noise out of the loss. With several processes each takes every world_size-th stratum.

    Args:
        batch_size: B, of this process.
        num_timesteps: T.
        generator: its device is the result's.
        rank, world_size: this process among all.

    Returns:
        (B,) int64 in 1..T.
    """
    u = torch.rand(batch_size, generator=generator, device=generator.device, dtype=torch.float64)
    stratum = torch.arange(batch_size, device=u.device) * world_size + rank
    return 1 + (num_timesteps * (stratum + u) / (batch_size * world_size)).long()


def diffusion_loss(
    net: Callable[..., Tensor],
    schedule: NoiseSchedule,
    x_0: Tensor,
    t: Tensor,
    noise: Tensor,
    *,
    prediction: Prediction,
    weighting: Weighting = "epsilon",
    **cond: Tensor | None,
) -> Tensor:
    """The loss of each example, by default the textbook one, ‖ε − ε_θ(x_t, t)‖² (DDPM Eq. 14).

    That holds whatever the network outputs: for a v output it is ᾱ_t ‖v − v_θ‖².

    Args:
        net: (x_t, t, **cond) → (B, *D).
        schedule: the noise schedule.
        x_0: (B, *D) data.
        t: (B,) integers in 1..T.
        noise: (B, *D) standard normal ε.
        prediction: what the network outputs: "epsilon", "v" or "sample".
        weighting: "epsilon", "v", "sample" or "min_snr".
        **cond: handed to the network: class_labels, context.

    Returns:
        (B,) float32, the mean over *D.

    Raises:
        ValueError: there is no such prediction or weighting.
    """
    check_name("weighting", weighting, WEIGHTINGS)
    alpha, sigma = schedule.alpha_sigma(t, x_0)
    x_t = q_sample(schedule, x_0, t, noise)
    target = training_target(prediction, x_0, noise, alpha, sigma)
    squared_error = (net(x_t, t.to(x_t.dtype), **cond).float() - target).square().flatten(1).mean(1)
    snr = schedule.snr(t)
    return squared_error * (WEIGHTINGS[weighting](snr) / WEIGHTINGS[prediction](snr)).float()


def consistency_loss(
    student: Denoiser,
    x_t: Tensor,
    t: Tensor,
    x_s: Tensor,
    s: Tensor,
) -> Tensor:
    """Consistency distillation: a student is to say the same at both ends of a stretch of its teacher's path.

    One that does so all along the path says at its beginning where it ends, in one call. The end itself is
    known, and from there what is right spreads to larger t. Song et al. 2023, Algorithm 2, with the
    student as its own target network and the distance of Song & Dhariwal 2024 (pseudo-Huber).

    Args:
        student: is trained on what it says of x_t; what it says of x_s is taken as it is.
        x_t: (B, *D) noisy data.
        t: (B,) integers in 1..T.
        x_s: (B, *D) where the teacher's walk from there is at s.
        s: (B,) integers, 0 ≤ s < t.

    Returns:
        (B,) float32: √(‖x̂_0(x_t, t) − x̂_0(x_s, s)‖² + c²) − c, of the mean over *D, with x̂_0(x_0, 0) = x_0.
    """
    with torch.no_grad():
        last = (s == 0).view(-1, *[1] * (x_s.ndim - 1))
        target = torch.where(last, x_s, student(x_s, s))
    squared_error = (student(x_t, t) - target).float().square().flatten(1).mean(1)
    return (squared_error + HUBER**2).sqrt() - HUBER
