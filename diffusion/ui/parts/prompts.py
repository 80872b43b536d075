"""Prompts as people type them: cleaned, cut, and taken apart into the tokens that the network is told."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tokenizers import Encoding, Tokenizer

from diffusion.films.emoji_atlas import Atlas, load_atlas
from diffusion.models.model import LatentModel
from diffusion.nets.text_encoder import UNKNOWN_ID
from diffusion.ui.parts.cat_remarks import CatWords
from diffusion.ui.parts.emoji_names import listed
from diffusion.ui.parts.emoji_words import EmojiWords
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.parts.known_words import PUNCTUATION, KnownWords, Span
from diffusion.ui.text import labels

MAX_CHARACTERS = 500
WORD_START = "▁"  # as a token of its own: nothing but the start of a word
JOINERS = "\u200c\u200d"  # invisible, but Persian words and emoji are spelt with them


@dataclass(frozen=True)
class Token:
    """A piece of a prompt.

    Args:
        text: as it was typed.
        position: in the L tokens that the network is told.
        word: the number of the word that it belongs to, from 0.
        known: the vocabulary has it; otherwise it is [unknown].
        seen: its word is in a caption that was trained on.
    """

    text: str
    position: int
    word: int
    known: bool
    seen: bool


@dataclass(frozen=True)
class Prompt:
    """What the network is told.

    Args:
        text: cleaned, and cut to MAX_CHARACTERS.
        tokens: without start, end and padding.
        notes: sentences about what was done with it, and how well it is known.
        unknown: words that no caption has, and emoji that no word stands for.
    """

    text: str
    tokens: tuple[Token, ...]
    notes: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PromptReader:
    """Reads prompts as a model does.

    Args:
        tokenizer: the model's.
        words: those of the captions that it was trained on.
    """

    tokenizer: Tokenizer
    words: KnownWords = KnownWords()

    @property
    def atlas(self) -> Atlas | None:
        """The emoji that the model was trained on, and those held out; None if there are none."""
        return self.words.atlas if isinstance(self.words, EmojiWords) else None

    @property
    def held_out_names(self) -> frozenset[str]:
        """The names, in lower case, of the combinations of words that were not trained on."""
        return self.words.held_out_names if isinstance(self.words, EmojiWords) else frozenset()

    def read(self, text: Any, unfinished: bool = False) -> Prompt:
        """Clean a prompt and take it apart.

        Args:
            text: as it was typed.
            unfinished: it is being typed: a last word that may become a known one counts as such.

        Raises:
            InputError: it is no text.
        """
        if not isinstance(text, str):
            raise refusal("must_be_text")
        read = self.words.read(text[:MAX_CHARACTERS])
        cleaned = clean(read.text)
        encoding = self.tokenizer.encode(cleaned)
        unfinished = unfinished and text == text.rstrip()
        never = self.words.never_seen(cleaned, encoding, unfinished)
        tokens = tuple(self._tokens(cleaned, encoding, never))
        unknown = tuple(dict.fromkeys(cleaned[start:end].strip(PUNCTUATION) for start, end in never))
        notes = [*read.notes, *self._notes(text, cleaned, tokens, encoding, unknown)]
        notes += self.words.remarks(cleaned, unfinished)
        return Prompt(cleaned, tokens, tuple(notes), (*unknown, *read.unknown))

    def _tokens(self, text: str, encoding: Encoding, never: Sequence[Span]) -> Iterator[Token]:
        pieces = enumerate(zip(encoding.ids, encoding.tokens, encoding.word_ids, encoding.offsets))
        for position, (number, token, word, (start, end)) in pieces:
            if word is not None:
                begins = token == WORD_START
                yield Token(
                    token if begins else text[start:end].strip(),
                    position,
                    word,
                    known=number != UNKNOWN_ID,
                    seen=not any(start < last and first < end + begins for first, last in never),
                )

    def _notes(
        self, typed: str, text: str, tokens: tuple[Token, ...], encoding: Encoding, unknown: Sequence[str]
    ) -> list[str]:
        found = {
            "note_empty": not text,
            "note_cut_characters": len(typed) > MAX_CHARACTERS,
            "note_cut_tokens": bool(encoding.overflowing),
            "note_never_seen": bool(unknown),
            "note_nothing_seen": bool(tokens) and not any(t.known and t.seen for t in tokens),
        }
        words = listed(map(self.words.quoted, unknown))
        told = {"characters": MAX_CHARACTERS, "tokens": len(tokens), "words": words}
        return [labels()[key].format(**told) for key, holds in found.items() if holds]


def clean(text: str) -> str:
    """At most MAX_CHARACTERS of it, spaces single, without characters that control instead of writing."""
    shown = (
        " " if c.isspace() else c
        for c in text[:MAX_CHARACTERS]
        if c.isspace() or c in JOINERS or not unicodedata.category(c).startswith("C")
    )
    return " ".join("".join(shown).split())


@lru_cache(maxsize=8)
def reader(model: LatentModel) -> PromptReader:
    """The model's reader, which knows the captions of cats, or those of the emoji in the model's folder."""
    if model.cats is not None:
        return PromptReader(model.tokenizer, CatWords())
    atlas = load_atlas(model.folder) if model.folder else None
    return PromptReader(model.tokenizer, KnownWords() if atlas is None else EmojiWords(atlas))


def known_to_other(model: LatentModel, other: LatentModel, typed: Any) -> tuple[str, ...]:
    """Words of a prompt that are in no caption of a model, but in those of another, which can be offered.

    Such as "pizza" and 🍕, if the first draws cats and the other emoji.

    Raises:
        InputError: it is no text.
    """
    knows = reader(other).words.knows
    return tuple(word for word in reader(model).read(typed, unfinished=True).unknown if knows(word))
