"""The page's words, in files per language: labels.json for short ones, Markdown for prose, lessons.json
for the course, questions.json for what learners ask, symbols.json for what symbols say of themselves, and
names.json for what checkpoints call their classes, their data and themselves.

Each language has a page of its own, which is laid out, and answers, while that language is spoken here.

In a short one {name} is the place of a value, and {name:image|images} that of a word for so many. The browser
fills them in likewise (static/lib/dom.js).
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, TypeVar

FOLDER = Path(__file__).parent
LANGUAGES = {"en": "English", "ko": "한국어"}  # by code, as each calls itself
WORD_JOINER = "\u2060"
DEFAULT = "en"  # for programs, and whoever wants another one that is not there

Said = TypeVar("Said")

_spoken: ContextVar[str] = ContextVar("language", default=DEFAULT)


class _Counting(Formatter):
    """Formats "one|many" as the word for so many."""

    def format_field(self, value: Any, spec: str) -> str:
        one, bar, many = spec.partition("|")
        if not bar:
            return str(super().format_field(value, spec))
        return one if str(value) == "1" else many


class Phrase(str):
    """A short text."""

    def format(self, *values: object, **named: object) -> str:
        """The text with values in their places, and words for so many."""
        return _Counting().vformat(self, values, named)


def language() -> str:
    """The code of the one that is spoken: of the page that is laid out, or that has asked."""
    return _spoken.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language of LANGUAGES."""
    before = _spoken.set(code)
    try:
        yield
    finally:
        _spoken.reset(before)


def in_each_language(say: Callable[[], Said]) -> dict[str, Said]:
    """What `say` gives while a language is spoken, by its code: for what outlives a change of language."""
    found = {}
    for code in LANGUAGES:
        with speaking(code):
            found[code] = say()
    return found


def labels() -> dict[str, Phrase]:
    """Short texts by key, in the language that is spoken."""
    return _labels(language())


@cache
def _labels(code: str) -> dict[str, Phrase]:
    return {key: Phrase(text) for key, text in _read(code, "labels").items()}


@cache
def _read(code: str, name: str) -> Any:
    """A file of texts in a language, read once."""
    return json.loads(_content(code, f"{name}.json"))


def _content(code: str, name: str) -> str:
    """A file's text, in which a Korean particle stays with the quote or bracket that it follows: browsers
    would break lines there."""
    return re.sub(r"(?<=[”’)])(?=[가-힣])", WORD_JOINER, (FOLDER / code / name).read_text("utf-8"))


def shown_name(name: str) -> str:
    """What a model, its data, a class or a part of a cat is called in the language that is spoken."""
    names: dict[str, str] = _read(language(), "names")
    return names.get(name, name)


def lessons() -> list[dict[str, Any]]:
    """The course, in the language that is spoken: of each lesson a "title", an "analogy", a "formula", a
    "question" with "options", of which that of number "right" is, the "tasks", and what was "seen" then."""
    read: list[dict[str, Any]] = _read(language(), "lessons")
    return read


def symbols() -> dict[str, dict[str, str]]:
    """What symbols say of themselves, in the language that is spoken: of each its "name" with what it is,
    what it follows "from", and the "unit" of its value if it has one."""
    read: dict[str, dict[str, str]] = _read(language(), "symbols")
    return read


def questions() -> dict[str, dict[str, str]]:
    """What learners ask, by name, in the language that is spoken: of each the "question", its "answer", what
    there is to "try", and the "source", in which "arXiv" and a number are a paper's."""
    read: dict[str, dict[str, str]] = _read(language(), "questions")
    return read


def prose(name: str) -> str:
    """A Markdown text, in the language that is spoken."""
    return _content(language(), f"{name}.md").strip()
