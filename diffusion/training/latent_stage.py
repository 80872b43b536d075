"""The last stage of a text-to-image model: diffusion on latents, told by text."""

from typing import Any

import torch
from torch import Tensor

from diffusion.data.captions import Captioned, captions_of
from diffusion.data.cats import Cats
from diffusion.data.image_sets import shuffled
from diffusion.films.emoji_atlas import save_atlas
from diffusion.films.samples import SAMPLES_FILE, save_samples
from diffusion.models.card import save_metrics
from diffusion.models.folder import save_model
from diffusion.models.model import LatentModel
from diffusion.models.trained_parts import load_autoencoder, load_text_encoder
from diffusion.models.weights import fingerprint
from diffusion.training.autoencoder_stage import latents_of
from diffusion.training.config import EmojiData, TextDiffusionSettings, TrainConfig
from diffusion.training.data import load_all_emoji
from diffusion.training.pixel_stage import DiffusionStage
from diffusion.training.sketch import fit_sketch
from diffusion.training.stage import Metrics, Weights


class TextDiffusion(DiffusionStage[Captioned]):
    """Diffusion on latents, conditioned on captions; autoencoder and text encoder are trained, and stay.

    Args: as of every Stage, and its own settings.
    """

    def __init__(
        self, config: TrainConfig, settings: TextDiffusionSettings, data: Captioned, device: torch.device
    ) -> None:
        self.settings = settings
        self.autoencoder = load_autoencoder(settings.autoencoder, device)
        self.text, self.tokenizer = load_text_encoder(settings.text_encoder, device)
        self.latents = latents_of(self.autoencoder, data, device)
        self.captions = captions_of(data, self.tokenizer, device, settings.word_dropout)
        _, channels, _, side = self.latents.shape
        width = self.text.config.width
        shape = settings.unet(channels, context_dim=width, sketch_side=side if settings.sketch else None)
        super().__init__(config, settings, data, shape, device)
        if self.net.sketch is not None:
            fit_sketch(self.net.sketch.linear, self.text, self.captions, self.latents, settings.class_dropout)

    def fixed_settings(self) -> dict[str, Any]:
        """With which autoencoder and text encoder: a run goes on with the same."""
        parts = {"autoencoder": self.autoencoder, "text_encoder": self.text}
        return super().fixed_settings() | {k: fingerprint(part.state_dict()) for k, part in parts.items()}

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, Weights]:
        """Latents and what the text encoder makes of their captions, some of which are left out whole."""
        settings, number = self.settings, len(positions)
        index = shuffled(len(self.latents), positions, self.config.seed, self.device)
        tokens = self.captions.draw(index, generator)
        silent = torch.rand(number, 1, generator=generator, device=self.device) < settings.class_dropout
        tokens = torch.where(silent, self.captions.nothing, tokens)
        with torch.no_grad():
            return self.latents[index], {"context": self.text(tokens)}

    def model(self, weights: Weights | None, images_seen: int) -> LatentModel:
        return LatentModel(
            self.config.out.resolve().name,
            self.with_weights(weights),
            self.settings.schedule,
            self.schedule.to("cpu"),
            self.settings.prediction,
            tuple(self.latents.shape[1:]),
            about=self.about(images_seen),
            text=self.text,
            tokenizer=self.tokenizer,
            autoencoder=self.autoencoder,
            cats=self.data.to("cpu") if isinstance(self.data, Cats) else None,
        )

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        """Without figures of its own: whether a prompt gets what it says `benchmarks` measures."""
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / SAMPLES_FILE, model)
        if isinstance(self.settings.data, EmojiData):
            save_atlas(out, load_all_emoji(self.settings.data))
        save_metrics(out, model, metrics or {})
