"""Text about cats taken apart into names, grammar, and words that are neither.

Korean is written with spaces or without, so of all ways to take a text apart the cheapest is taken: few
pieces, and no unknown one if it can be.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from diffusion.data.cat_forms import BOTH, GRAMMAR, HANGUL, PARTICLES, texts_by_word, written
from diffusion.data.cat_words import Name, cat_names
from diffusion.data.cats import BODY

Span = tuple[int, int]

ENDINGS = ("은", "는")  # of verbs too
LATIN = "[^\\W가-힣]"  # letters and digits of all that puts words apart
SOFT = re.compile(r"[\s\-]")  # between words of one name
LETTER = re.compile(LATIN)
UNKNOWN = re.compile(f"{LATIN}+(?:'{LATIN}+)*")
SYLLABLES = 16  # of an unknown piece at most; longer ones are several
# What pieces cost. No one syllable is worth being split off an unknown word, unless it is a particle.
KNOWN_COST, PARTICLE_COST, WORD_COST, UNKNOWN_COST, SYLLABLE_COST = 2.1, 0.5, 4.0, 20.0, 1.2
PLAIN = str.maketrans("_’", " '")
# A syllable that was typed as its letters, and a letter with its marks.
CHARACTER = re.compile("[\u1100-\u115f][\u1160-\u11a7][\u11a8-\u11ff]?|.[\u0300-\u036f\ufe0f]*", re.DOTALL)


class Piece(NamedTuple):
    """A stretch of a text.

    Args:
        role: "name", "word" (of names, but none by itself), "unknown", "particle", "both", or of GRAMMAR.
        span: where it is.
        text: how it is written, in lower case.
        name: what is named.
        noun: where the last word of a named thing is, or a "word" itself.
        noun_text: how that is written, in lower case.
    """

    role: str
    span: Span
    text: str
    name: Name | None = None
    noun: Span | None = None
    noun_text: str = ""

    @property
    def is_colour(self) -> bool:
        """Of a cat."""
        return self.name is not None and self.name.kind == BODY

    @property
    def first_word(self) -> str:
        """As it is written."""
        return self.text.replace("-", " ").split()[0]


class Form(NamedTuple):
    """A way to write something: a piece to be, what it looks like, and whether it stands "inside" a word."""

    role: str
    pattern: str
    cost: float
    name: Name | None = None
    inside: bool = False


_compiled = cache(re.compile)  # those that are needed: a text begins with few of all letters


def _pattern(words: Iterable[str], noun: bool = False) -> str:
    """Of these words: Latin ones with spaces or hyphens between, Korean ones with or without."""
    written, latin = "", False
    words = " ".join(words).split()
    for i, word in enumerate(words):
        is_latin = re.match(HANGUL, word) is None
        between = "" if not i else r"[\s\-]+" if latin and is_latin else r"[\s\-]*"
        spelt = r"[\s\-]*".join(map(re.escape, word.split("-")))
        written += between + (f"(?P<noun>{spelt})" if noun and i == len(words) - 1 else spelt)
        latin = is_latin
    return written


def _stands(form: Form, plain: str, start: int, end: int) -> bool:
    """Whether a form found here stands as it may: Latin words whole, and particles after a syllable."""
    before, after = (bool(LETTER.match(plain, at)) if at >= 0 else False for at in (start - 1, end))
    if re.match(HANGUL, plain[start]) is None:
        if before:
            return False
    elif form.inside and not (start and re.match(HANGUL, plain[start - 1])):
        return False
    return not after or re.match(HANGUL, plain[end - 1]) is not None


@lru_cache(maxsize=1)
def _forms() -> dict[str, list[Form]]:
    """By their first letter all forms that there are."""
    forms: dict[str, list[Form]] = {}

    def add(words: Iterable[str], form: Form) -> None:
        forms.setdefault(next(iter(words))[0], []).append(form)

    for name in cat_names():
        for words, is_thing in dict.fromkeys((each.words, each.is_thing) for each in written(name)):
            add(words, Form("name", _pattern(words, is_thing), KNOWN_COST, name))
    for role, spelt in GRAMMAR.items():
        for word in spelt.split():
            add([word], Form(role, _pattern([word]), KNOWN_COST))
    for role, particles in {"particle": PARTICLES, "both": BOTH}.items():
        for word in particles:
            add([word], Form(role, _pattern([word]), PARTICLE_COST, inside=True))
    for word in texts_by_word():
        add([word], Form("word", _pattern([word], noun=True), WORD_COST))
    return forms


def pieces(text: str) -> list[Piece]:
    """A text taken apart; what is no word and does not part words is a "break"."""
    plain, spans = _plain(text)
    best: list[tuple[float, Piece | None, int]] = [(0.0, None, 0)]
    best += [(float("inf"), None, 0)] * len(plain)
    for start in range(len(plain)):
        for cost, piece in _candidates(plain, start):
            end = piece.span[1]
            if best[start][0] + cost < best[end][0]:
                best[end] = (best[start][0] + cost, piece, start)
    found, end = [], len(plain)
    while end:
        _, last, end = best[end]
        if last is not None and last.role != "soft":
            found.append(last)
    return [_placed(piece, spans) for piece in _merged(found[::-1])]


def _plain(text: str) -> tuple[str, list[Span]]:
    """Composed and in lower case, and where each character of it comes from."""
    plain, spans = "", []
    for found in CHARACTER.finditer(text):
        written = unicodedata.normalize("NFKC", found[0]).lower().translate(PLAIN)
        plain += written
        spans += [found.span()] * len(written)
    return plain, spans


def _candidates(plain: str, start: int) -> Iterator[tuple[float, Piece]]:
    """What may begin here, and its cost."""
    character = plain[start]
    for form in _forms().get(character, ()):
        found = _compiled(form.pattern).match(plain, start)
        if found and _stands(form, plain, start, found.end()):
            noun = (found.span("noun"), found["noun"]) if found.re.groups else (None, "")
            yield form.cost, Piece(form.role, found.span(), found[0], form.name, *noun)
    if re.match(HANGUL, character):
        for end in range(start + 1, min(len(plain), start + SYLLABLES) + 1):
            if not re.match(HANGUL, plain[end - 1]):
                break
            cost = UNKNOWN_COST + SYLLABLE_COST * (end - start)
            yield cost, Piece("unknown", (start, end), plain[start:end])
    elif found := UNKNOWN.match(plain, start):
        yield UNKNOWN_COST, Piece("unknown", found.span(), found[0])
    else:
        yield 0.0, Piece("soft" if SOFT.match(character) else "break", (start, start + 1), character)


def _merged(found: list[Piece]) -> list[Piece]:
    """Unknown pieces without anything between them are one, with what may be the ending of a verb."""
    merged: list[Piece] = []
    for piece in found:
        last = merged[-1] if merged else None
        goes_on = piece.role == "unknown" or piece.text in ENDINGS
        if last is not None and last.role == "unknown" and goes_on and last.span[1] == piece.span[0]:
            merged[-1] = Piece("unknown", (last.span[0], piece.span[1]), last.text + piece.text)
        else:
            merged.append(piece)
    return merged


def _placed(piece: Piece, spans: list[Span]) -> Piece:
    """With its places in the text as it was typed."""

    def typed(span: Span) -> Span:
        return spans[span[0]][0], spans[span[1] - 1][1]

    return piece._replace(span=typed(piece.span), noun=piece.noun and typed(piece.noun))
