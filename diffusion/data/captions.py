"""Captioned sets, emoji and cats: a random caption as tokens for each picture of a batch."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from random import Random
from typing import TypeAlias

import torch
from tokenizers import Tokenizer
from torch import Tensor

from diffusion.data.cat_words import LANGUAGES, Name, caption, names_of
from diffusion.data.cats import KINDS, Cats
from diffusion.data.emoji import LANGUAGE_SHARES, EmojiSet, captions
from diffusion.nets.text_encoder import drop_words, encode_prompts, encode_words, train_tokenizer

Captioned: TypeAlias = EmojiSet | Cats
NAMED_SHARES = (1, 3, 4, 4, 4, 5)  # how often a cat's caption names none of its parts, one, … five
CAPTIONS_READ = 20_000  # of cats, from which their vocabulary is made


class Captions(ABC):
    """Captions of a set's pictures.

    Args:
        tokenizer: what turns captions into tokens.
        device: where the tokens are to be.
        shares: how often each language is drawn, in any unit.
    """

    def __init__(self, tokenizer: Tokenizer, device: torch.device, shares: Iterable[float]) -> None:
        self.tokenizer, self.device = tokenizer, device
        self.shares = torch.tensor([*shares], device=device)
        self.nothing = encode_prompts(tokenizer, [""]).to(device)

    @abstractmethod
    def draw(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """(B,) which pictures → (B, L) tokens of one caption each."""

    @property
    @abstractmethod
    def names(self) -> Tensor:
        """(languages, N, L): tokens of what each picture is called when all is said that can be."""


class EmojiCaptions(Captions):
    """Every caption of every emoji: a language, a template, sometimes with words left out.

    Args:
        data: N emoji.
        tokenizer, device: as of all captions.
        word_dropout: the probability of each word to be left out.
    """

    def __init__(
        self, data: EmojiSet, tokenizer: Tokenizer, device: torch.device, word_dropout: float
    ) -> None:
        shares = (LANGUAGE_SHARES.get(language, LANGUAGE_SHARES["else"]) for language in data.names)
        super().__init__(tokenizer, device, shares)
        tokens, words = encode_words(tokenizer, list(emoji_texts(data)))
        shape = (len(data.names), len(data.characters), -1, tokens.shape[1])  # language, emoji, template
        self.tokens, self.words = tokens.view(shape).to(device), words.view(shape).to(device)
        self.word_dropout = word_dropout

    @property
    def names(self) -> Tensor:
        return self.tokens[:, :, 0]  # the first template is the bare name

    def draw(self, index: Tensor, generator: torch.Generator) -> Tensor:
        device, how_many = self.device, self.tokens.shape[2]
        language = self.shares.multinomial(len(index), replacement=True, generator=generator)
        template = torch.randint(how_many, (len(index),), generator=generator, device=device)
        tokens, words = self.tokens[language, index, template], self.words[language, index, template]
        return drop_words(tokens, words, self.word_dropout, generator)


class CatCaptions(Captions):
    """Captions that name some of a cat's parts, in one of two languages.

    Args:
        data: the cats.
        tokenizer, device: as of all captions.
    """

    def __init__(self, data: Cats, tokenizer: Tokenizer, device: torch.device) -> None:
        super().__init__(tokenizer, device, [1.0] * len(LANGUAGES))
        self.data = data

    @cached_property
    def names(self) -> Tensor:
        random, cats = Random(0), [exact_names(cat) for cat in self.data.trained_on.tolist()]
        texts = ([caption(names, language, random) for names in cats] for language in LANGUAGES)
        return torch.stack([encode_prompts(self.tokenizer, each) for each in texts]).to(self.device)

    def draw(self, index: Tensor, generator: torch.Generator) -> Tensor:
        return self._draw(index, generator)[0]

    def draw_named(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The same, and which parts they name, as `named` tells it."""
        tokens, chosen = self._draw(index, generator)
        return tokens, self.named(chosen)

    def _draw(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, list[list[Name]]]:
        seed = torch.randint(2**31, (), generator=generator, device=generator.device)
        random = Random(int(seed))
        chosen = [some_names(cat, random) for cat in self.data.trained_on[index].tolist()]
        texts = [caption(names, random.choice(LANGUAGES), random) for names in chosen]
        return encode_prompts(self.tokenizer, texts).to(self.device), chosen

    def named(self, captions: Iterable[Iterable[Name]]) -> Tensor:
        """(B, 5, K + 1): what captions with these names say of each kind, K being the most parts of one:
        each part's share of the name, or 1 in the last place if there is none."""
        most = max(self.data.counts)
        rows = []
        for names in captions:
            said = torch.zeros(len(KINDS), most + 1)
            said[:, -1] = 1
            for name in names:
                said[name.kind, -1] = 0
                said[name.kind, list(name.parts)] = 1 / len(name.parts)
            rows.append(said)
        return torch.stack(rows).to(self.device)


def some_names(cat: list[int], random: Random) -> list[Name]:
    """A name for each of none to five of a cat's parts."""
    (number,) = random.choices(range(len(KINDS) + 1), NAMED_SHARES)
    return [random.choice(names_of(kind, cat[kind])) for kind in random.sample(range(len(KINDS)), number)]


def exact_names(cat: list[int]) -> list[Name]:
    """Of each part the name that it shares with the fewest others."""
    return [min(names_of(*part), key=lambda name: len(name.parts)) for part in enumerate(cat)]


def captions_of(data: Captioned, tokenizer: Tokenizer, device: torch.device, word_dropout: float) -> Captions:
    """Captions of whichever set it is; words are left out of emoji's alone."""
    if isinstance(data, Cats):
        return CatCaptions(data, tokenizer, device)
    return EmojiCaptions(data, tokenizer, device, word_dropout)


def vocabulary_of(data: Captioned, size: int, num_tokens: int) -> Tokenizer:
    """A vocabulary made from a set's captions; arguments as of `train_tokenizer`."""
    if isinstance(data, Cats):  # of which a caption can be a list, with commas
        return train_tokenizer(cat_texts(data), size, num_tokens, split_punctuation=True)
    return train_tokenizer(emoji_texts(data), size, num_tokens)


def emoji_texts(data: EmojiSet) -> Iterable[str]:
    """All captions, language by language."""
    return (text for language in data.names for each in captions(data, language) for text in each)


def cat_texts(data: Cats) -> Iterable[str]:
    """Some CAPTIONS_READ captions, of which there are too many to be listed."""
    random = Random(0)
    cats = random.choices(data.trained_on.tolist(), k=CAPTIONS_READ)
    return (caption(some_names(cat, random), random.choice(LANGUAGES), random) for cat in cats)
