"""The second stage of a text-to-image model: a text encoder learns what captions say."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from diffusion.data.captions import Captioned, CatCaptions, EmojiCaptions, vocabulary_of
from diffusion.data.cats import KINDS, Cats
from diffusion.data.emoji import EmojiSet
from diffusion.data.image_sets import shuffled
from diffusion.models.card import write_metrics
from diffusion.models.trained_parts import load_autoencoder, save_text_encoder
from diffusion.models.weights import fingerprint
from diffusion.nets.text_encoder import (
    Matcher,
    PartMatcher,
    TextConfig,
    TextEncoder,
    encode_prompts,
    matching_loss,
    part_matching_loss,
)
from diffusion.training.autoencoder_stage import latents_of
from diffusion.training.config import EncoderSettings, MatchingSettings, PartMatchingSettings, TrainConfig
from diffusion.training.data import held_out_emoji_of
from diffusion.training.stage import D, Forward, Metrics, Stage, Weights

M = TypeVar("M", Matcher, PartMatcher)
MEASURED = 4096  # captions of cats


class EncoderStage(Stage[M, D]):
    """What is left of it is the text encoder with its vocabulary; what taught it is not kept."""

    tokenizer: Tokenizer

    @abstractmethod
    def measure(self, matcher: M) -> Metrics:
        """How well it reads captions."""

    def save_samples(self, file: Path, weights: Weights, images_seen: int) -> None:
        """Nothing: it draws no pictures."""

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        out, matcher = self.config.out, self.with_weights(weights)
        save_text_encoder(out, matcher.text, self.tokenizer, self.about(images_seen))
        write_metrics(out, self.measure(matcher) if metrics is None else metrics)


class TextMatching(EncoderStage[Matcher, EmojiSet]):
    """It learns which picture a caption belongs to.

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

    @torch.no_grad()
    def measure(self, matcher: Matcher) -> Metrics:
        """How many names find their own picture: trained ones among the trained, held-out ones among all."""
        test = held_out_emoji_of(self.settings.data).to(self.device)
        unseen = latents_of(self.autoencoder, test, self.device).flatten(1)
        latents = torch.cat([self.latents, unseen])
        found = {}
        for language in self.data.names:
            hits = []
            for data, known in ((self.data, self.latents), (test, latents)):
                tokens = encode_prompts(self.tokenizer, data.names[language]).to(self.device)
                nearest = matcher(tokens, known)[0].argmax(1)
                right = known[-len(nearest) :]
                hits.append(f"{(known[nearest] == right).all(1).float().mean():.1%}")  # some look the same
            found[f"names matched ({language})"] = f"{hits[0]}; {hits[1]} of {len(test)} held-out"
        return found


class PartMatching(EncoderStage[PartMatcher, Cats]):
    """It learns which parts of a cat a caption names.

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

    @torch.no_grad()
    def measure(self, matcher: PartMatcher) -> Metrics:
        """In how many new captions it finds of every kind what they name, or that they name nothing."""
        generator = torch.Generator(self.device).manual_seed(0)
        index = torch.randint(len(self.data), (MEASURED,), generator=generator, device=self.device)
        tokens, named = self.captions.draw_named(index, generator)
        found = matcher(tokens).argmax(-1, keepdim=True)
        right = (named.gather(-1, found) > 0).all(1).float().mean()
        return {"captions read": f"{right:.1%} of {MEASURED}: of every kind a part that they name, or none"}


def new_encoder(settings: EncoderSettings, data: Captioned) -> tuple[TextEncoder, Tokenizer]:
    """A text encoder to be trained, and a vocabulary of the captions."""
    tokenizer = vocabulary_of(data, settings.vocabulary_size, settings.num_tokens)
    size = tokenizer.get_vocab_size()
    shape = TextConfig(size, settings.text_width, settings.text_layers, settings.num_tokens)
    return TextEncoder(shape), tokenizer
