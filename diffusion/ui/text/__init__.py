"""The page's words, in files per language: labels.json for short ones, Markdown for prose.

In a short one {name} is the place of a value, and {name:image|images} that of a word for so many. The browser
fills them in likewise (static/lib/dom.js).
"""

import json
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

FOLDER = Path(__file__).parent
LANGUAGE = "en"  # the page's, and that of Gradio's own words on it


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


@lru_cache
def labels(language: str = LANGUAGE) -> dict[str, Phrase]:
    """Short texts by key."""
    texts = json.loads((FOLDER / language / "labels.json").read_text("utf-8"))
    return {key: Phrase(text) for key, text in texts.items()}


def prose(name: str, language: str = LANGUAGE) -> str:
    """A Markdown text."""
    return (FOLDER / language / f"{name}.md").read_text("utf-8").strip()
