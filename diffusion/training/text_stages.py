"""The second and third stage of a text-to-image model: a text encoder, and diffusion on latents.

Each reads what the one before it left in its folder.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from diffusion.data.captions import Captioned, Captions, CatCaptions, EmojiCaptions, texts_of
from diffusion.data.cats import KINDS, Cats
from diffusion.data.emoji import EmojiSet
from diffusion.data.image_sets import shuffled
from diffusion.data.images import to_signed
from diffusion.films.emoji_atlas import save_atlas
from diffusion.films.samples import SAMPLES_FILE, save_samples
from diffusion.models.card import save_metrics, write_metrics
from diffusion.models.folder import save_model
from diffusion.models.model import LatentModel
from diffusion.models.trained_parts import load_autoencoder, load_text_encoder, save_text_encoder
from diffusion.models.weights import fingerprint
from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.text_encoder import (
    Matcher,
    PartMatcher,
    TextConfig,
    TextEncoder,
    encode_prompts,
    matching_loss,
    part_matching_loss,
    train_tokenizer,
)
from diffusion.training.autoencoder_stage import AT_ONCE
from diffusion.training.config import (
    EmojiData,
    EncoderSettings,
    MatchingSettings,
    PartMatchingSettings,
    TextDiffusionSettings,
    TrainConfig,
)
from diffusion.training.data import held_out_emoji_of, load_all_emoji
from diffusion.training.pixel_stage import DiffusionStage
from diffusion.training.sketch import fit_sketch
from diffusion.training.stage import Forward, Metrics, Stage, Weights

MEASURED, UNSEEN = 4096, 2**31  # captions, drawn from a seed that no run has


@torch.no_grad()
def latents_of(autoencoder: Autoencoder, data: Captioned, device: torch.device) -> Tensor:
    """(N, C, H, W): the pictures' latents; data and autoencoder are on this device."""
    parts = torch.arange(len(data), device=device).split(AT_ONCE)
    return torch.cat([autoencoder.encode(to_signed(data.pictures(part))) for part in parts])


def new_encoder(settings: EncoderSettings, data: Captioned) -> tuple[TextEncoder, Tokenizer]:
    """A text encoder to be trained, and a vocabulary of the captions."""
    tokenizer = train_tokenizer(texts_of(data), settings.vocabulary_size, settings.num_tokens)
    size = tokenizer.get_vocab_size()
    shape = TextConfig(size, settings.text_width, settings.text_layers, settings.num_tokens)
    return TextEncoder(shape), tokenizer


class TextMatching(Stage[Matcher, EmojiSet]):
    """A text encoder, trained to tell which picture a caption belongs to.

    Args: as of every Stage, and its own settings.
    """

    def __init__(
        self, config: TrainConfig, settings: MatchingSettings, data: EmojiSet, device: torch.device
    ) -> None:
        self.settings = settings
        self.autoencoder = load_autoencoder(settings.autoencoder, device)
        self.latents = latents_of(self.autoencoder, data, device).flatten(1)
        encoder, self.tokenizer = new_encoder(settings, data)
        self.captions = EmojiCaptions(data, self.tokenizer, device, settings.word_dropout)
        super().__init__(config, data, Matcher(encoder, self.latents.shape[1]), device)

    def fixed_settings(self) -> dict[str, Any]:
        """With which autoencoder: a run goes on with the same."""
        return super().fixed_settings() | {"autoencoder": fingerprint(self.autoencoder.state_dict())}

    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        index = shuffled(len(self.latents), positions, self.config.seed, self.device)
        tokens = self.captions.draw(index, generator)
        return matching_loss(forward, tokens, self.latents, index).mean()

    def example(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Weights]:
        """As many captions as in a step, since one pass over the pictures serves all of them."""
        index = shuffled(len(self.latents), range(self.config.batch_size), self.config.seed, self.device)
        return (self.captions.draw(index, generator), self.latents), {}

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
        latents = torch.cat(
            [self.latents, latents_of(self.autoencoder, test.to(self.device), self.device).flatten(1)]
        )
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


class PartMatching(Stage[PartMatcher, Cats]):
    """A text encoder, trained to tell which parts of a cat a caption names.

    Args: as of every Stage, and its own settings.
    """

    def __init__(
        self, config: TrainConfig, settings: PartMatchingSettings, data: Cats, device: torch.device
    ) -> None:
        encoder, self.tokenizer = new_encoder(settings, data)
        self.captions = CatCaptions(data, self.tokenizer, device)
        super().__init__(config, data, PartMatcher(encoder, len(KINDS), max(data.counts) + 1), device)

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Captions, and which parts they name."""
        index = shuffled(len(self.data), positions, self.config.seed, self.device)
        return self.captions.draw_named(index, generator)

    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        return part_matching_loss(forward, *self.batch(positions, generator)).mean()

    def example(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Weights]:
        return self.batch(range(2), generator)[:1], {}

    def save_samples(self, file: Path, weights: Weights, images_seen: int) -> None:
        """Nothing: it draws no pictures."""

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        out, matcher = self.config.out, self.with_weights(weights)
        save_text_encoder(out, matcher.text, self.tokenizer, self.about(images_seen))
        write_metrics(out, self.measure(matcher) if metrics is None else metrics)

    @torch.no_grad()
    def measure(self, matcher: PartMatcher) -> Metrics:
        """In how many captions that it was not trained on it finds for each kind what they name of it."""
        generator = torch.Generator(self.device).manual_seed(UNSEEN)
        tokens, named = self.captions.draw_named(torch.arange(MEASURED, device=self.device), generator)
        found = matcher(tokens).argmax(-1, keepdim=True)
        right = (named.gather(-1, found) > 0).all(1).float().mean()
        return {"all parts found": f"{right:.1%} of {MEASURED} captions"}


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
        self.captions: Captions
        if isinstance(data, Cats):
            self.captions = CatCaptions(data, self.tokenizer, device)
        else:
            self.captions = EmojiCaptions(data, self.tokenizer, device, settings.word_dropout)
        _, channels, _, side = self.latents.shape
        width = self.text.config.width
        shape = settings.unet(channels, context_dim=width, sketch_side=side if settings.sketch else None)
        super().__init__(config, settings, data, shape, device)
        if self.net.sketch is not None and isinstance(self.captions, EmojiCaptions):
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
        """Without figures of its own: whether a prompt gets what it says `benchmarks.prompts` measures."""
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / SAMPLES_FILE, model)
        if isinstance(self.settings.data, EmojiData):
            save_atlas(out, load_all_emoji(self.settings.data))
        save_metrics(out, model, metrics or {})
