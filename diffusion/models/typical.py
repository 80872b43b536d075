"""Whether a picture is like those that a network knows: its loss on it, beside that on held-out pictures.

The file typical.json beside the weights has what `python -m benchmarks.typical` measured.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from diffusion.files import to_json, write_atomically
from diffusion.models.model import Model
from diffusion.noise import draw_noise
from diffusion.process import eps_from_x_0, q_sample

TYPICAL_FILE = "typical.json"
SHARES = (0.05, 0.1, 0.15, 0.2)  # of T: there pictures of another kind are told apart best
NUM_NOISES = 2  # of seed 0, the same for every picture
PREDICTIONS = len(SHARES) * NUM_NOISES  # that a loss takes

Likeness = Literal["easy", "usual", "unlike"]


@dataclass(frozen=True)
class Typical:
    """The losses that a network has on held-out pictures.

    Args:
        low, high: the least and the most of them: of others of the kind one in (N + 1) / 2 is outside,
            however losses are spread.
        median: of them.
        num_pictures: N, that were measured.
    """

    low: float
    median: float
    high: float
    num_pictures: int

    def likeness(self, loss: float) -> Likeness:
        """Which way a picture with this loss differs, if it does: what is too easy is another kind too."""
        if loss < self.low:
            return "easy"
        return "unlike" if loss > self.high else "usual"


def timesteps_judged(num_timesteps: int) -> list[int]:
    """The timesteps at which the loss is taken."""
    return [max(1, round(share * num_timesteps)) for share in SHARES]


@torch.no_grad()
def picture_losses(model: Model, x_0: Tensor) -> Tensor:
    """‖ε − ε̂‖² / d of each picture, without a class: a mean over `timesteps_judged` and NUM_NOISES.

    Args:
        x_0: (B, C, H, W) in [−1, 1], on any device.

    Returns:
        (B,) float32 on the CPU; the same for a picture in whatever company, up to rounding.
    """
    noises = draw_noise((NUM_NOISES, *model.sample_shape), torch.Generator().manual_seed(0)).to(model.device)
    noise = noises.repeat(len(x_0), 1, 1, 1)
    x_0 = x_0.to(model.device).repeat_interleave(NUM_NOISES, 0)
    denoise, losses = model.denoiser(), []
    for timestep in timesteps_judged(model.schedule.num_timesteps):
        t = torch.full((len(x_0),), timestep, device=model.device)
        x_t = q_sample(model.schedule, x_0, t, noise)
        eps_hat = eps_from_x_0(denoise(x_t, t), x_t, *model.schedule.alpha_sigma(t, x_t))
        losses.append((noise - eps_hat).square().flatten(1).mean(1))
    return torch.stack(losses).mean(0).view(-1, NUM_NOISES).mean(1).float().cpu()


def measured(losses: Tensor) -> Typical:
    """What (N,) losses on held-out pictures say."""
    numbers = (losses.min().item(), losses.median().item(), losses.max().item())
    low, median, high = (float(f"{number:.4g}") for number in numbers)
    return Typical(low, median, high, len(losses))


def save_typical(folder: Path, typical: Typical) -> None:
    """Write the file."""
    write_atomically(folder / TYPICAL_FILE, to_json(asdict(typical), indent=1).encode())


def load_typical(folder: Path | None) -> Typical | None:
    """Read it; None if there is none, or a broken one."""
    try:
        read = json.loads((folder / TYPICAL_FILE).read_text("utf-8")) if folder else {}
        typical = Typical(**read)
        numbers = (typical.low, typical.median, typical.high)
        ordered = 0 <= typical.low <= typical.median <= typical.high
        return typical if ordered and all(map(math.isfinite, numbers)) else None
    except (OSError, ValueError, TypeError):
        return None
