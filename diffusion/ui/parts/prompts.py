"""Prompts as people type them: cleaned, cut, and taken apart into the tokens that the network is told."""

import re
import string
import unicodedata
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import Encoding, Tokenizer

from diffusion.data.emoji import TEMPLATES
from diffusion.films.emoji_atlas import Atlas, load_atlas
from diffusion.models.model import LatentModel
from diffusion.nets.text_encoder import UNKNOWN_ID
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.text import labels

MAX_CHARACTERS = 500
WORD_START = "▁"  # as a token of its own: nothing but the start of a word
JOINERS = "\u200c\u200d"  # invisible, but Persian words and emoji are spelt with them
PUNCTUATION = string.punctuation + "“”‘’«»…、。，؟،！？"
SPACELESS = re.compile("[\u3040-\u30ff\u3400-\u9fff]")  # scripts that put no spaces between words


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
    """

    text: str
    tokens: tuple[Token, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PromptReader:
    """Reads prompts as a model does.

    Args:
        tokenizer: the model's.
        atlas: what it was trained on, and what was held out; None if that is not known.
    """

    tokenizer: Tokenizer
    atlas: Atlas | None

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the captions that were trained on, with and without punctuation."""
        if self.atlas is None:
            return frozenset()
        kept = ~self.atlas.held_out
        names = {
            language: tuple(name for name, is_kept in zip(all_, kept) if is_kept)
            for language, all_ in self.atlas.names.items()
        }
        around = {word for templates in TEMPLATES.values() for t in templates for word in t.split()}
        words = replace(self.atlas, names=names).words() | around
        return frozenset(words | {word.strip(PUNCTUATION) for word in words}) - {""}

    @cached_property
    def held_out_names(self) -> frozenset[str]:
        """The names, in lower case, of the combinations that were not trained on."""
        if self.atlas is None:
            return frozenset()
        out = self.atlas.held_out
        return frozenset(
            name.lower() for all_ in self.atlas.names.values() for name, is_out in zip(all_, out) if is_out
        )

    def read(self, text: Any) -> Prompt:
        """Clean a prompt and take it apart.

        Raises:
            InputError: it is no text.
        """
        if not isinstance(text, str):
            raise refusal("must_be_text")
        cleaned = clean(text)
        encoding = self.tokenizer.encode(cleaned)
        tokens = self._tokens(cleaned, encoding)
        return Prompt(cleaned, tokens, tuple(self._notes(text, cleaned, tokens, encoding)))

    def _tokens(self, text: str, encoding: Encoding) -> tuple[Token, ...]:
        starts: dict[int, int] = {}
        for word, (start, _) in zip(encoding.word_ids, encoding.offsets):
            if word is not None:
                starts.setdefault(word, start)
        seen = {word: self._is_seen(text[start:].split()[0]) for word, start in starts.items()}
        pieces = enumerate(zip(encoding.ids, encoding.tokens, encoding.word_ids, encoding.offsets))
        return tuple(
            Token(
                token if token == WORD_START else text[start:end].strip(),
                position,
                word,
                known=number != UNKNOWN_ID,
                seen=seen[word],
            )
            for position, (number, token, word, (start, end)) in pieces
            if word is not None
        )

    def _is_seen(self, word: str) -> bool:
        if self.atlas is None or SPACELESS.search(word):  # then its tokens tell
            return True
        plain = unicodedata.normalize("NFKC", word).lower()
        return plain in self.words or plain.strip(PUNCTUATION) in self.words

    def _notes(self, typed: str, text: str, tokens: tuple[Token, ...], encoding: Encoding) -> list[str]:
        found = {
            "note_empty": not text,
            "note_cut_characters": len(typed) > MAX_CHARACTERS,
            "note_cut_tokens": bool(encoding.overflowing),
            "note_nothing_seen": bool(tokens) and not any(t.known and t.seen for t in tokens),
            "note_held_out": text.lower() in self.held_out_names,
        }
        limits = {"characters": MAX_CHARACTERS, "tokens": len(tokens)}
        return [labels()[key].format(**limits) for key, holds in found.items() if holds]


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
    """The model's reader, with the atlas from its folder."""
    return PromptReader(model.tokenizer, load_atlas(model.folder) if model.folder else None)
