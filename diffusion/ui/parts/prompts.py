"""Prompts as people type them: cleaned, cut, and taken apart into the tokens that the network is told."""

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import Encoding, Tokenizer

from diffusion.data.emoji import TEMPLATES
from diffusion.films.emoji_atlas import Atlas, load_atlas
from diffusion.models.model import LatentModel
from diffusion.nets.text_encoder import UNKNOWN_ID
from diffusion.ui.parts.emoji_names import EmojiNames, Read, listed
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.text import LANGUAGE, labels

MAX_CHARACTERS = 500
WORD_START = "▁"  # as a token of its own: nothing but the start of a word
JOINERS = "\u200c\u200d"  # invisible, but Persian words and emoji are spelt with them
PUNCTUATION = string.punctuation + "“”‘’«»…、。，؟،！？"
# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f"
)
WORD = re.compile(f"[{SPACELESS}]+|[^\\s{SPACELESS}]+")

Span = tuple[int, int]


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

    @cached_property
    def emoji(self) -> EmojiNames | None:
        """The names of emoji in the page's language, or in the first that there is."""
        if self.atlas is None:
            return None
        names = self.atlas.names
        return EmojiNames(dict(zip(self.atlas.characters, names.get(LANGUAGE, next(iter(names.values()))))))

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
        read = Read(text[:MAX_CHARACTERS], {}, ())
        if self.emoji is not None:
            read = self.emoji.read(read.text)
        cleaned = clean(read.text)
        encoding = self.tokenizer.encode(cleaned)
        never = self._never_seen(cleaned, encoding, unfinished and text == text.rstrip())
        tokens = tuple(self._tokens(cleaned, encoding, never))
        notes = [*read.notes, *self._notes(text, cleaned, tokens, encoding, never)]
        return Prompt(cleaned, tokens, tuple(notes))

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

    def _never_seen(self, text: str, encoding: Encoding, unfinished: bool) -> list[Span]:
        """Where words stand that no caption has: their first place in the text, and the one after the last.

        Where there are no spaces between words, it is the characters that the vocabulary has not.
        """
        if self.atlas is None:
            return []
        never: list[Span] = []
        for word in WORD.finditer(text):
            if re.match(f"[{SPACELESS}]", word[0]):
                never += self._unknown(encoding, *word.span())
            elif not self._is_seen(word[0], unfinished and word.end() == len(text)):
                never.append(word.span())
        return never

    def _unknown(self, encoding: Encoding, start: int, end: int) -> list[Span]:
        """Stretches from `start` to `end` of characters that the vocabulary has not."""
        known = [True] * (end - start)
        for number, (first, last) in zip(encoding.ids, encoding.offsets):
            for i in range(max(first, start), min(last, end)):
                known[i - start] &= number != UNKNOWN_ID
        marks = "".join("-x"[not each] for each in known)
        return [(start + found.start(), start + found.end()) for found in re.finditer("x+", marks)]

    def _is_seen(self, word: str, unfinished: bool) -> bool:
        plain = unicodedata.normalize("NFKC", word).lower()
        if not any(map(str.isalnum, plain)):  # no word at all
            return True
        if plain in self.words or plain.strip(PUNCTUATION) in self.words:
            return True
        return unfinished and any(known.startswith(plain) for known in self.words)

    def _notes(
        self, typed: str, text: str, tokens: tuple[Token, ...], encoding: Encoding, never: Sequence[Span]
    ) -> list[str]:
        words = dict.fromkeys(text[start:end].strip(PUNCTUATION) for start, end in never)
        found = {
            "note_empty": not text,
            "note_cut_characters": len(typed) > MAX_CHARACTERS,
            "note_cut_tokens": bool(encoding.overflowing),
            "note_never_seen": bool(words),
            "note_nothing_seen": bool(tokens) and not any(t.known and t.seen for t in tokens),
            "note_held_out": text.lower() in self.held_out_names,
        }
        told = {"characters": MAX_CHARACTERS, "tokens": len(tokens), "words": listed(f"“{w}”" for w in words)}
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
    """The model's reader, with the atlas from its folder."""
    return PromptReader(model.tokenizer, load_atlas(model.folder) if model.folder else None)
