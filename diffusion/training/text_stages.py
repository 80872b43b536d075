"""The second and third stage of a text-to-image model: a text encoder, and diffusion on latents.

Each reads what the one before it left in its folder.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion.data.captions import Captions, all_captions
from diffusion.data.emoji import EmojiSet
from diffusion.data.image_sets import shuffled
from diffusion.data.images import to_signed
from diffusion.films.emoji_atlas import save_atlas
from diffusion.films.samples import SAMPLES_FILE, save_samples
from diffusion.models.card import save_metrics, write_metrics
from diffusion.models.folder import load_autoencoder, load_text_encoder, save_model, save_text_encoder
from diffusion.models.model import LatentModel
from diffusion.models.weights import fingerprint
from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.text_encoder import (
    Matcher,
    TextConfig,
    TextEncoder,
    encode_prompts,
    matching_loss,
    train_tokenizer,
)
from diffusion.training.autoencoder_stage import AT_ONCE
from diffusion.training.config import MatchingSettings, TextDiffusionSettings, TrainConfig
from diffusion.training.data import held_out_emoji_of, load_all_emoji
from diffusion.training.pixel_stage import DiffusionStage
from diffusion.training.sketch import fit_sketch
from diffusion.training.stage import Forward, Metrics, Stage, Weights


@torch.no_grad()
def latents_of(autoencoder: Autoencoder, data: EmojiSet) -> Tensor:
    """(N, C, H, W): the pictures' latents, on their device."""
    return torch.cat([autoencoder.encode(part) for part in to_signed(data.images).split(AT_ONCE)])


class TextMatching(Stage[Matcher, EmojiSet]):
    """A text encoder, trained to tell which picture a caption belongs to.

    Args: as of every Stage, and its own settings.
    """

    def __init__(
        self, config: TrainConfig, settings: MatchingSettings, data: EmojiSet, device: torch.device
    ) -> None:
        self.settings = settings
        self.autoencoder = load_autoencoder(settings.autoencoder, device)
        self.latents = latents_of(self.autoencoder, data).flatten(1)
        captions = all_captions(data)
        self.tokenizer = train_tokenizer(captions, settings.vocabulary_size, settings.num_tokens)
        self.captions = Captions(data, self.tokenizer, device)
        size = self.tokenizer.get_vocab_size()
        shape = TextConfig(size, settings.text_width, settings.text_layers, settings.num_tokens)
        super().__init__(config, data, Matcher(TextEncoder(shape), self.latents.shape[1]), device)

    def fixed_settings(self) -> dict[str, Any]:
        """With which autoencoder: a run goes on with the same."""
        return super().fixed_settings() | {"autoencoder": fingerprint(self.autoencoder.state_dict())}

    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        index = shuffled(len(self.latents), positions, self.config.seed, self.device)
        tokens = self.captions.draw(index, self.settings.word_dropout, generator)
        return matching_loss(forward, tokens, self.latents, index).mean()

    def example(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Weights]:
        """As many captions as in a step, since one pass over the pictures serves all of them."""
        index = shuffled(len(self.latents), range(self.config.batch_size), self.config.seed, self.device)
        return (self.captions.draw(index, self.settings.word_dropout, generator), self.latents), {}

    def save_samples(self, file: Path, weights: Weights, images_seen: int) -> None:
        """Nothing: it draws no pictures."""

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        out, matcher = self.config.out, self.with_weights(weights)
        save_text_encoder(out, matcher.text, self.tokenizer, self.about(images_seen))
        known = self.measure(matcher, held_out_emoji_of(self.settings.data)) if metrics is None else metrics
        write_metrics(out, known)

    @torch.no_grad()
    def measure(self, matcher: Matcher, test: EmojiSet) -> Metrics:
        """How many names find their own picture: trained ones among the trained, held-out ones among all."""
        latents = torch.cat([self.latents, latents_of(self.autoencoder, test.to(self.device)).flatten(1)])
        found = {}
        for language in self.data.names:
            hits = []
            for data, known in ((self.data, self.latents), (test, latents)):
                tokens = encode_prompts(self.tokenizer, data.names[language]).to(self.device)
                nearest = matcher(tokens, known)[0].argmax(1)
                right = known[-len(nearest) :]
                hits.append(f"{(known[nearest] == right).all(1).float().mean():.1%}")  # some look the same
            found[f"names matched ({language})"] = f"{hits[0]}; {hits[1]} of {len(test.characters)} held-out"
        return found


class TextDiffusion(DiffusionStage[EmojiSet]):
    """Diffusion on latents, conditioned on captions; autoencoder and text encoder are trained, and stay.

    Args: as of every Stage, and its own settings.
    """

    def __init__(
        self, config: TrainConfig, settings: TextDiffusionSettings, data: EmojiSet, device: torch.device
    ) -> None:
        self.settings = settings
        self.autoencoder = load_autoencoder(settings.autoencoder, device)
        self.text, self.tokenizer = load_text_encoder(settings.text_encoder, device)
        self.latents = latents_of(self.autoencoder, data)
        self.captions = Captions(data, self.tokenizer, device)
        _, channels, _, side = self.latents.shape
        shape = settings.unet(channels, context_dim=self.text.config.width, sketch_side=side)
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
        tokens = self.captions.draw(index, settings.word_dropout, generator)
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
        )

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        """Without figures of its own: whether a prompt gets what it says `benchmarks.prompts` measures."""
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / SAMPLES_FILE, model)
        save_atlas(out, load_all_emoji(self.settings.data))
        save_metrics(out, model, metrics or {})
