"""Noise schedules: how much of the picture is left at every timestep.

Time runs t = 0..T and t = 0 is the data. Everything follows from one array, ᾱ_t = Π_{i≤t} (1 − β_i),
kept in float64, because bf16 or even float32 would round the first and last steps away.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """An immutable noise schedule.

    Args:
        alphas_cumprod: (T + 1,) float64, ᾱ_t for t = 0..T; the first entry is 1, then strictly decreasing
            and positive.

    Raises:
        ValueError: the array is not a schedule.
    """

    alphas_cumprod: Tensor

    def __post_init__(self) -> None:
        a = self.alphas_cumprod
        if a.ndim != 1 or len(a) < 2 or a.dtype != torch.float64:
            raise ValueError("alphas_cumprod must be one float64 row of at least two entries.")
        if a[0] != 1 or a[-1] <= 0 or not (a.diff() < 0).all():
            raise ValueError("alphas_cumprod must start at 1 and decrease, staying above 0.")

    @property
    def num_timesteps(self) -> int:
        """T, the number of noising steps."""
        return len(self.alphas_cumprod) - 1

    @property
    def betas(self) -> Tensor:
        """(T,) float64: β_t = 1 − ᾱ_t / ᾱ_{t−1} for t = 1..T."""
        return 1 - self.alphas_cumprod[1:] / self.alphas_cumprod[:-1]

    def to(self, device: torch.device | str) -> "NoiseSchedule":
        """The same schedule on another device, where looking t up then needs no copy."""
        return NoiseSchedule(self.alphas_cumprod.to(device))

    def alpha_sigma(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ_t and √(1 − ᾱ_t), ready to multiply a batch.

        Args:
            t: (B,) integers in 0..T.
            like: (B, *D) whose dtype, device and number of dimensions the results take.

        Returns:
            Two tensors of shape (B, 1, …, 1).
        """
        a = self.alphas_cumprod.to(t.device)[t].view(-1, *[1] * (like.ndim - 1))
        return a.sqrt().to(like), (1 - a).sqrt().to(like)

    def snr(self, t: Tensor) -> Tensor:
        """(B,) integers in 0..T → (B,) float64 signal-to-noise ratio ᾱ_t / (1 − ᾱ_t); ∞ at t = 0."""
        a = self.alphas_cumprod.to(t.device)[t]
        return a / (1 - a)

    def half_log_snr(self, t: Tensor) -> Tensor:
        """(B,) integers in 0..T → (B,) float64 λ_t = log(√ᾱ_t / √(1 − ᾱ_t)); ∞ at t = 0."""
        return self.snr(t).log() / 2

    def timestep_at(self, half_log_snr: Tensor) -> Tensor:
        """The inverse of `half_log_snr`: the fractional t in 1..T that is equally noisy.

        Linear between neighbouring timesteps and held at 1 and T where this schedule has no partner.

        Args:
            half_log_snr: (B,) float64.

        Returns:
            (B,) float64 in [1, T].
        """
        ascending = self.half_log_snr(torch.arange(self.num_timesteps, 0, -1)).to(half_log_snr.device)
        value = half_log_snr.clamp(ascending[0], ascending[-1])
        right = torch.searchsorted(ascending, value).clamp(1, len(ascending) - 1)
        low, high = ascending[right - 1], ascending[right]
        return self.num_timesteps - (right - 1 + (value - low) / (high - low))


def _from_betas(betas: Tensor) -> NoiseSchedule:
    return NoiseSchedule(torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)]))


def linear_schedule(
    num_timesteps: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02
) -> NoiseSchedule:
    """β_t grows linearly (Ho et al. 2020).

    The published end points belong to T = 1000. Other lengths scale them by 1000 / T, as Improved DDPM
    does (Nichol & Dhariwal 2021), so that a short chain ends in noise too; β stays at most 0.999.
    """
    _check_length(num_timesteps)
    betas = torch.linspace(beta_start, beta_end, num_timesteps, dtype=torch.float64)
    return _from_betas((betas * 1000 / num_timesteps).clamp(max=0.999))


def cosine_schedule(num_timesteps: int = 1000, s: float = 0.008, max_beta: float = 0.999) -> NoiseSchedule:
    """ᾱ_t follows a squared cosine (Nichol & Dhariwal 2021, Eq. 17), with β at most `max_beta`."""
    _check_length(num_timesteps)
    squares = [cos((t / num_timesteps + s) / (1 + s) * pi / 2) ** 2 for t in range(num_timesteps + 1)]
    f = torch.tensor(squares, dtype=torch.float64)
    return _from_betas((1 - f[1:] / f[:-1]).clamp(max=max_beta))


def named_schedule(name: str, num_timesteps: int = 1000) -> NoiseSchedule:
    """The schedule that SCHEDULES has under this name. Raises ValueError: it has none, or T is too small."""
    check_name("schedule", name, SCHEDULES)
    return SCHEDULES[name](num_timesteps)


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Raises ValueError, saying which there are, unless `name` is one of the known ones."""
    names = tuple(known)
    if name not in names:
        raise ValueError(f"The {kind} must be one of {', '.join(names)}, not {name!r}.")


def _check_length(num_timesteps: int) -> None:
    if num_timesteps < 2:
        raise ValueError(f"A schedule needs at least 2 timesteps, not {num_timesteps}.")


SCHEDULES: dict[str, Callable[[int], NoiseSchedule]] = {"linear": linear_schedule, "cosine": cosine_schedule}
