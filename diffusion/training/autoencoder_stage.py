"""The first stage of a text-to-image model: an autoencoder."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from diffusion.data.captions import Captioned
from diffusion.data.image_sets import shuffled
from diffusion.data.images import to_signed
from diffusion.films.samples import RECONSTRUCTED, SAMPLES_FILE, save_reconstructions
from diffusion.models.card import write_metrics
from diffusion.models.trained_parts import save_autoencoder
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig, psnr, reconstruction_loss
from diffusion.training.config import AutoencoderSettings, TrainConfig
from diffusion.training.data import held_out_pictures
from diffusion.training.stage import Forward, Metrics, Stage, Weights

AT_ONCE = 128  # pictures through an autoencoder: more need more memory, and are no faster
MEASURED = 4096  # pictures of which mean and spread of the latents are taken


class AutoencoderTraining(Stage[Autoencoder, Captioned]):
    """Pictures through a narrow latent and back.

    Args: as of every Stage, and its own settings.
    """

    def __init__(
        self, config: TrainConfig, settings: AutoencoderSettings, data: Captioned, device: torch.device
    ) -> None:
        shape = AutoencoderConfig(
            data.image_shape[0],
            settings.latent_channels,
            settings.channels,
            settings.channel_mult,
            settings.blocks_per_level,
        )
        super().__init__(config, data, Autoencoder(shape), device)
        self.settings = settings

    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        return reconstruction_loss(forward, *self.batch(positions, generator)).mean()

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures, each moved a little, and noise of the shape of their latents."""
        index = shuffled(len(self.data), positions, self.config.seed, self.device)
        images = to_signed(shifted(self.data.pictures(index), self.settings.max_shift, generator))
        shape = (len(images), *self.net.latent_shape(images.shape[-1]))
        return images, torch.randn(shape, generator=generator, device=self.device)

    def example(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Weights]:
        return self.batch(range(2), generator), {}

    def save_samples(self, file: Path, weights: Weights, images_seen: int) -> None:
        save_reconstructions(file, self.with_weights(weights), next(self.spread(RECONSTRUCTED)))

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        out, autoencoder = self.config.out, self.with_weights(weights)
        autoencoder.measure_latents(map(to_signed, self.spread(MEASURED)))
        save_autoencoder(out, autoencoder, self.about(images_seen))
        save_reconstructions(out / SAMPLES_FILE, autoencoder, next(self.spread(RECONSTRUCTED)))
        write_metrics(out, self.measure(autoencoder) if metrics is None else metrics)

    def spread(self, number: int) -> Iterator[Tensor]:
        """So many pictures, if there are, evenly spread over all: (AT_ONCE, C, H, W) uint8 at a time."""
        size = len(self.data)
        index = torch.arange(min(number, size), device=self.device) * size // min(number, size)
        return map(self.data.pictures, index.split(AT_ONCE))

    @torch.no_grad()
    def measure(self, autoencoder: Autoencoder) -> Metrics:
        """How well held-out pictures come back."""
        images = held_out_pictures(self.settings.data).to(self.device)
        parts = map(to_signed, images.split(AT_ONCE))
        values = torch.cat([psnr(part, autoencoder.decode(autoencoder.encode(part))) for part in parts])
        error = values.std() / len(values) ** 0.5
        return {"PSNR": f"{values.mean():.2f} ± {error:.2f} dB; {len(values)} held-out pictures"}


@torch.no_grad()
def latents_of(autoencoder: Autoencoder, data: Captioned, device: torch.device) -> Tensor:
    """(N, C, H, W): the pictures' latents; data and autoencoder are on this device."""
    parts = torch.arange(len(data), device=device).split(AT_ONCE)
    return torch.cat([autoencoder.encode(to_signed(data.pictures(part))) for part in parts])


def shifted(images: Tensor, max_shift: int, generator: torch.Generator) -> Tensor:
    """(B, C, H, W) uint8 moved by up to `max_shift` pixels in each direction; white comes in."""
    size, device = images.shape[-1], images.device
    padded = nn.functional.pad(images, [max_shift] * 4, value=255)
    start = torch.randint(2 * max_shift + 1, (2, len(images), 1), generator=generator, device=device)
    rows, columns = start + torch.arange(size, device=device)
    batch = torch.arange(len(images), device=device)[:, None, None]
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
