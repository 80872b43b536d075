"""Walks as a lesson changes them, to show what a part of the step is for: without z, or with x̂_0 clipped.

No sampler does this by itself, and no denoiser: it is put around them here.
"""

from dataclasses import dataclass

from torch import Tensor

from diffusion.denoiser import Denoiser

WITHOUT_Z, CLIPPED = "without_z", "clipped"
VARIANTS = ("", WITHOUT_Z, CLIPPED)  # the first is the walk as it is


@dataclass(frozen=True)
class ClippedDenoiser:
    """A denoiser whose x̂_0 is cut off at −1 and 1, where pixels end."""

    denoise: Denoiser

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.denoise(x_t, t).clamp(-1, 1)


def adds_noise(sampler: str, eta: float) -> bool:
    """Whether a sampler has a z that could be left out."""
    return sampler == "ddpm" or (sampler == "ddim" and eta > 0)
