"""What guidance combines, kept to be shown."""

from torch import Tensor

from diffusion.denoiser import Denoiser, GuidedDenoiser, combine

PREDICTIONS = ("with", "without")  # what guidance leads towards, and away from


class WatchedDenoiser:
    """A denoiser that keeps the predictions of its last call.

    Attributes:
        predictions: x̂_0, (B, *D) each, by the names in PREDICTIONS; empty if there is no guidance.
    """

    def __init__(self, denoise: Denoiser) -> None:
        self.denoise = denoise
        self.predictions: dict[str, Tensor] = {}

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        if not isinstance(self.denoise, GuidedDenoiser):
            return self.denoise(x_t, t)
        both = self.denoise.predictions(x_t, t)
        self.predictions = dict(zip(PREDICTIONS, both))
        return combine(*both, self.denoise.guidance_scale)
