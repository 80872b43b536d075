"""The autoencoder of a latent diffusion model (Rombach et al. 2022): pictures ↔ latents of unit variance.

A variational autoencoder (Kingma & Welling 2014) of residual blocks. Its first step is to fold 2×2 pixels
into channels, and its last to unfold them: nothing is computed at full resolution, which would cost most.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.checks import check_whole
from diffusion.nets.blocks import MAX_CHANNELS, Upsample, check_levels, group_norm, zero

FOLD = 2  # the side of the squares of pixels that become channels
KL_WEIGHT = 1e-4  # keeps latents from growing without end; any more, and the reconstruction would pay for it
GRADIENT_WEIGHT = 0.5  # a pixel has two slopes, so together they count as much as the pixel itself
LOG_VARIANCE_RANGE = (-20.0, 4.0)  # a spread from 0.00005, which is none, to 7; its exponential stays finite
EQUAL = 1e-10  # a mean square error of which no picture knows: 106 dB in place of ∞


@dataclass(frozen=True)
class AutoencoderConfig:
    """The shape of an Autoencoder.

    Args:
        image_channels: of the pictures.
        latent_channels: of the latents.
        channels: width of the first level, at half of full resolution; a multiple of 32.
        channel_mult: width of each level in units of `channels`; the resolution halves between levels.
        blocks_per_level: residual blocks in the encoder, and one more in the decoder.

    Raises:
        ValueError: no autoencoder has this shape; says what is out of range.
    """

    image_channels: int = 3
    latent_channels: int = 4
    channels: int = 32
    channel_mult: tuple[int, ...] = (1, 2)
    blocks_per_level: int = 1

    def __post_init__(self) -> None:
        check_whole("image_channels", self.image_channels, 1, 4)
        check_whole("latent_channels", self.latent_channels, 1, MAX_CHANNELS)
        check_levels(self.channels, self.channel_mult, self.blocks_per_level)

    @property
    def factor(self) -> int:
        """How many pixels of a picture's side become one of the latent's."""
        return FOLD * 2 ** (len(self.channel_mult) - 1)


class PlainBlock(nn.Module):
    """Two convolutions around a residual."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = group_norm(out_channels)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) → (B, C', H, W)
        h = self.conv1(F.silu(self.norm1(x)))
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Autoencoder(nn.Module):
    """Encoder and decoder; the latents' mean and spread over the training pictures travel as buffers."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels * mult for mult in config.channel_mult]
        folded = config.image_channels * FOLD**2
        down: list[nn.Module] = [nn.PixelUnshuffle(FOLD), nn.Conv2d(folded, widths[0], 3, padding=1)]
        x = widths[0]
        for i, width in enumerate(widths):
            if i > 0:
                down.append(nn.Conv2d(x, x, 3, stride=2, padding=1))
            for _ in range(config.blocks_per_level):
                down.append(PlainBlock(x, width))
                x = width
        down += [group_norm(x), nn.SiLU(), nn.Conv2d(x, 2 * config.latent_channels, 3, padding=1)]
        up: list[nn.Module] = [nn.Conv2d(config.latent_channels, x, 3, padding=1)]
        for i, width in reversed(list(enumerate(widths))):
            for _ in range(config.blocks_per_level + 1):
                up.append(PlainBlock(x, width))
                x = width
            if i > 0:
                up.append(Upsample(x))
        up += [group_norm(x), nn.SiLU(), nn.Conv2d(x, folded, 3, padding=1), nn.PixelShuffle(FOLD)]
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up)
        self.register_buffer("latent_mean", torch.zeros(config.latent_channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(config.latent_channels, 1, 1))

    def distribution(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | picture): mean and log-variance, each (B, C, H/f, W/f), before they are scaled."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def encode(self, images: Tensor) -> Tensor:
        """(B, C, H, W) pictures in [−1, 1] → (B, latent_channels, H/f, W/f) latents of unit variance."""
        return (self.distribution(images)[0] - self.latent_mean) / self.latent_std

    def decode(self, latents: Tensor) -> Tensor:
        """The way back."""
        return self.decoder(latents * self.latent_std + self.latent_mean)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Training: through a latent drawn with `noise`.

        Args:
            images: (B, C, H, W) in [−1, 1].
            noise: (B, latent_channels, H/f, W/f) standard normal.

        Returns:
            The reconstruction, and KL(q(z | picture) ‖ N(0, 1)) as a mean over the latent's numbers, (B,).
        """
        mean, log_variance = (x.float() for x in self.distribution(images))
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).mean(1)
        return self.decoder(mean + (0.5 * log_variance).exp() * noise).float(), kl

    def residual_blocks(self) -> list[PlainBlock]:
        """All of them: where most of the time goes."""
        return [module for module in self.modules() if isinstance(module, PlainBlock)]

    def latent_shape(self, size: int) -> tuple[int, int, int]:
        """(C, H, W) of the latent of a picture of size × size."""
        return (self.config.latent_channels, size // self.config.factor, size // self.config.factor)

    @torch.no_grad()
    def measure_latents(self, batches: Iterable[Tensor]) -> None:
        """Set the buffers so that these pictures' latents have mean 0 and variance 1 in each channel."""
        raw = torch.cat([self.distribution(images)[0] for images in batches])
        self.latent_mean.copy_(raw.mean((0, 2, 3))[:, None, None])
        self.latent_std.copy_(raw.std((0, 2, 3))[:, None, None])


def reconstruction_loss(net: Callable[..., tuple[Tensor, Tensor]], images: Tensor, noise: Tensor) -> Tensor:
    """What the autoencoder is trained on, (B,): |x − x̂|, the same of neighbouring pixels' differences, KL.

    The second term is what keeps edges sharp: an error there counts at its place and as a slope.

    Args:
        net: called as `Autoencoder.forward`.
        images, noise: as there.
    """
    reconstruction, kl = net(images, noise)
    error = reconstruction - images
    slopes = error.diff(dim=2).abs().flatten(1).mean(1) + error.diff(dim=3).abs().flatten(1).mean(1)
    return error.abs().flatten(1).mean(1) + GRADIENT_WEIGHT * slopes + KL_WEIGHT * kl


def psnr(images: Tensor, others: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of (B, C, H, W) pictures in [−1, 1], clamped to that range: (B,)."""
    error = (images - others.clamp(-1, 1)).square().flatten(1).mean(1)
    return 10 * (4 / error.clamp(min=EQUAL)).log10()
