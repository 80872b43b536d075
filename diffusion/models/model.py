"""A model: a network with everything that is needed to sample it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from diffusion.denoiser import Denoiser, guide, network_denoiser
from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.text_encoder import TextEncoder, encode_prompts
from diffusion.nets.unet import UNet
from diffusion.schedules import NoiseSchedule


@dataclass(frozen=True, eq=False)
class Model:
    """A network with everything that is needed to sample it.

    Args:
        name: the checkpoint folder's name.
        net: the network, in evaluation mode.
        schedule_name: a key of SCHEDULES.
        schedule: what it was trained on.
        prediction: what it outputs: "epsilon", "v" or "sample".
        sample_shape: (C, H, W) of x_T.
        classes: class names, if it was trained with labels.
        about: data, licence, settings: what the model card tells.
        text, tokenizer, autoencoder: of a latent model that is told by text; None for one of pixels.
        folder: where it was loaded from, with the small files beside the weights; None if it was not.
    """

    name: str
    net: UNet
    schedule_name: str
    schedule: NoiseSchedule
    prediction: str
    sample_shape: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    text: TextEncoder | None = None
    tokenizer: Tokenizer | None = None
    autoencoder: Autoencoder | None = None
    folder: Path | None = None

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures: of `decode`'s result for a sample."""
        if self.autoencoder is None:
            return self.sample_shape
        config, (_, height, width) = self.autoencoder.config, self.sample_shape
        return (config.image_channels, height * config.factor, width * config.factor)

    def parts(self) -> dict[str, nn.Module]:
        """The networks, by the prefix of their weights' names in a file."""
        parts = {"": self.net, "text.": self.text, "autoencoder.": self.autoencoder}
        return {prefix: part for prefix, part in parts.items() if part is not None}

    def to(self, device: torch.device | str) -> "Model":
        """Move all networks there, in place."""
        for part in self.parts().values():
            part.to(device)
        return self

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """(B, C, H, W) pictures in [−1, 1] → x_0: their latents; without an autoencoder the pictures."""
        return images if self.autoencoder is None else self.autoencoder.encode(images)

    @torch.no_grad()
    def decode(self, x_0: Tensor) -> Tensor:
        """x_0 → (B, C, H, W) pictures; not clamped."""
        return x_0 if self.autoencoder is None else self.autoencoder.decode(x_0)

    @torch.no_grad()
    def context(self, prompts: Sequence[str]) -> Tensor:
        """(B,) prompts → (B, L, D): what the network is told."""
        return self.text(encode_prompts(self.tokenizer, prompts).to(self.device))

    def denoiser(
        self,
        *,
        class_labels: Tensor | None = None,
        prompts: Sequence[str] | None = None,
        negative_prompts: Sequence[str] | None = None,
        context: Tensor | None = None,
        guidance_scale: float = 1.0,
        schedule: NoiseSchedule | None = None,
    ) -> Denoiser:
        """The denoiser (x_t, t) → x_0_hat.

        Args:
            class_labels: (B,) int64, or None for no class.
            prompts: B texts, for a model that is told by text; None for no text.
            negative_prompts: B texts that guidance leads away from; None for the empty text.
            context: (B, L, D) in place of prompts: what `context` gives for texts, or vectors between such.
            guidance_scale: 1.0 is off; without a class or a prompt it has nothing to guide towards.
            schedule: the schedule that is sampled, if not the model's own.
        """

        def conditioned_on(**told: Tensor | None) -> Denoiser:
            own = {"trained_on": self.schedule}
            return network_denoiser(self.net, schedule or self.schedule, self.prediction, **own, **told)

        if self.text is not None:
            told = context if prompts is None else self.context(prompts)
            if told is None:
                return conditioned_on(context=self.context([""]))
            without = conditioned_on(context=self.context(negative_prompts or [""]))
            return guide(conditioned_on(context=told), without, guidance_scale)
        if class_labels is None:
            return conditioned_on()
        return guide(conditioned_on(class_labels=class_labels), conditioned_on(), guidance_scale)
