"""What the captions of emoji say: their names in many languages, in sentences that are always the same."""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cached_property

from tokenizers import Encoding

from diffusion.data.emoji import TEMPLATES
from diffusion.films.emoji_atlas import Atlas
from diffusion.nets.text_encoder import UNKNOWN_ID
from diffusion.ui.parts.emoji_names import EmojiNames, Read
from diffusion.ui.parts.known_words import PUNCTUATION, KnownWords, Span
from diffusion.ui.text import LANGUAGES, labels, language

# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters.
SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f"
)
WORD = re.compile(f"[{SPACELESS}]+|[^\\s{SPACELESS}]+")


@dataclass(frozen=True, eq=False)
class EmojiWords(KnownWords):
    """The words of a model of emoji.

    Args:
        atlas: what it was trained on, and what was held out.
    """

    atlas: Atlas

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word of the captions that were trained on, with and without punctuation."""
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
        out = self.atlas.held_out
        return frozenset(
            name.lower() for all_ in self.atlas.names.values() for name, is_out in zip(all_, out) if is_out
        )

    @cached_property
    def emoji(self) -> dict[str, EmojiNames]:
        """The names of emoji in the page's languages, or in the first that there is."""
        all_ = self.atlas.names
        codes = [code for code in LANGUAGES if code in all_] or [next(iter(all_))]
        return {code: EmojiNames(dict(zip(self.atlas.characters, all_[code]))) for code in codes}

    def read(self, text: str) -> Read:
        """With names in the language that is spoken, or in the first that there is."""
        return self.emoji.get(language(), next(iter(self.emoji.values()))).read(text)

    def never_seen(self, text: str, encoding: Encoding, unfinished: bool) -> list[Span]:
        """Where there are no spaces between words, it is the characters that the vocabulary has not."""
        never: list[Span] = []
        for word in WORD.finditer(text):
            if re.match(f"[{SPACELESS}]", word[0]):
                never += _unknown(encoding, *word.span())
            elif not self._is_seen(word[0], unfinished and word.end() == len(text)):
                never.append(word.span())
        return never

    def knows(self, word: str) -> bool:
        return bool(self.read(word).names) or plain(word) in self.words

    def remarks(self, text: str, unfinished: bool) -> list[str]:
        return [labels()["note_held_out"]] if text.lower() in self.held_out_names else []

    def _is_seen(self, word: str, unfinished: bool) -> bool:
        written = plain(word)
        if not any(map(str.isalnum, written)):  # no word at all
            return True
        if written in self.words or written.strip(PUNCTUATION) in self.words:
            return True
        return unfinished and any(known.startswith(written) for known in self.words)


def plain(word: str) -> str:
    """As the vocabulary has it."""
    return unicodedata.normalize("NFKC", word).lower()


def _unknown(encoding: Encoding, start: int, end: int) -> list[Span]:
    """Stretches from `start` to `end` of characters that the vocabulary has not."""
    known = [True] * (end - start)
    for number, (first, last) in zip(encoding.ids, encoding.offsets):
        for i in range(max(first, start), min(last, end)):
            known[i - start] &= number != UNKNOWN_ID
    marks = "".join("-x"[not each] for each in known)
    return [(start + found.start(), start + found.end()) for found in re.finditer("x+", marks)]
