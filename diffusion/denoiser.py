"""Denoisers: functions (x_t, t) → x_0_hat. Whatever conditions them is bound here, once.

Samplers, likelihood and the page know nothing of networks, classes or guidance; they call a Denoiser.
A Denoiser never clamps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from diffusion.process import PREDICTIONS, Prediction, x_0_from_output
from diffusion.schedules import NoiseSchedule, check_name

Denoiser = Callable[[Tensor, Tensor], Tensor]  # x_t (B, *D), t (B,) integers in 1..T → x_0_hat (B, *D)


@dataclass(frozen=True, eq=False)
class NetworkDenoiser:
    """A trained network as a denoiser; made by `network_denoiser`, whose arguments it keeps."""

    net: Callable[..., Tensor]
    schedule: NoiseSchedule
    prediction: Prediction
    trained_on: NoiseSchedule
    class_labels: Tensor | None
    context: Tensor | None

    def conditioning(self, x_t: Tensor) -> dict[str, Tensor]:
        """What the network is told beside x_t (B, *D): class_labels (B,) and context (B, L, D), if any."""
        conditioning = {}
        null_class = getattr(self.net, "null_class", None)
        if self.class_labels is not None:
            conditioning["class_labels"] = self.class_labels
        elif null_class is not None:
            conditioning["class_labels"] = torch.full((len(x_t),), null_class, device=x_t.device)
        if self.context is not None:
            conditioning["context"] = self.context.expand(len(x_t), -1, -1)
        return conditioning

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        net_t, (alpha, sigma) = t, self.schedule.alpha_sigma(t, x_t)
        if self.trained_on is not self.schedule:
            net_t, alpha, sigma = _same_noise_level(self.schedule, self.trained_on, t, x_t)
        conditioning = {"class_labels": None, "context": None} | self.conditioning(x_t)
        output = self.net(x_t, net_t.to(x_t.dtype), **conditioning)
        return x_0_from_output(self.prediction, output.to(x_t.dtype), x_t, alpha, sigma)


def network_denoiser(
    net: Callable[..., Tensor],
    schedule: NoiseSchedule,
    prediction: Prediction,
    *,
    trained_on: NoiseSchedule | None = None,
    class_labels: Tensor | None = None,
    context: Tensor | None = None,
) -> NetworkDenoiser:
    """A trained network as a denoiser.

    Args:
        net: (x_t, t, class_labels, context) → output (B, *D). If it has an attribute `null_class`, that is
            the label which no label stands for.
        schedule: the schedule that is sampled.
        prediction: what the network outputs: "epsilon", "v" or "sample".
        trained_on: the network's own schedule, if another. Each noise level is then mapped to the
            network's own, fractional t by interpolating half_log_snr, held at its ends.
        class_labels: (B,) int64, or None for the null class.
        context: (B, L, context_dim), or (1, L, context_dim) for all alike, or None.

    Returns:
        The denoiser (x_t, t) → x_0_hat.

    Raises:
        ValueError: there is no such prediction.
    """
    check_name("prediction", prediction, PREDICTIONS)
    return NetworkDenoiser(net, schedule, prediction, trained_on or schedule, class_labels, context)


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


@dataclass(frozen=True, eq=False)
class GuidedDenoiser:
    """Guidance as a denoiser, which can also show the two predictions that it combines.

    Args:
        conditional, unconditional: any two denoisers.
        guidance_scale: as for `combine`.
    """

    conditional: Denoiser
    unconditional: Denoiser
    guidance_scale: float

    def predictions(self, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """x_0_hat of the conditional denoiser and of the unconditional one, (B, *D) each.

        One call of the network with both batches in it, if it is one network told two things.
        """
        both = _side_by_side(self.conditional, self.unconditional, x_t)
        if both is None:
            return self.conditional(x_t, t), self.unconditional(x_t, t)
        conditional, unconditional = both(torch.cat([x_t, x_t]), torch.cat([t, t])).chunk(2)
        return conditional, unconditional

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        return combine(*self.predictions(x_t, t), self.guidance_scale)


def guide(conditional: Denoiser, unconditional: Denoiser, guidance_scale: float) -> Denoiser:
    """`combine`, as a denoiser: uncond + scale · (cond − uncond), in x_0_hat.

    1.0 is off: the conditional denoiser itself, bit for bit, and the second half of the work is saved.
    x_0_hat is affine in ε̂ and v̂ with the same coefficients for both, so it makes no difference
    which of them is extrapolated.
    """
    if guidance_scale == 1.0:
        return conditional
    return GuidedDenoiser(conditional, unconditional, guidance_scale)


def _side_by_side(first: Denoiser, second: Denoiser, x_t: Tensor) -> NetworkDenoiser | None:
    """The denoiser of two batches like x_t in one, the first's and the second's; None if there is none."""
    if not isinstance(first, NetworkDenoiser) or not isinstance(second, NetworkDenoiser):
        return None
    if first.net is not second.net or first.prediction != second.prediction:
        return None
    if first.schedule is not second.schedule or first.trained_on is not second.trained_on:
        return None
    ones, others = first.conditioning(x_t), second.conditioning(x_t)
    if {name: a.shape for name, a in ones.items()} != {name: b.shape for name, b in others.items()}:
        return None
    both = {name: torch.cat([a, others[name]]) for name, a in ones.items()}
    return replace(first, class_labels=both.get("class_labels"), context=both.get("context"))


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
