"""The page's words, in files per language: labels.json for short ones, Markdown for prose."""

import json
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGE = "en"  # the page's, and that of Gradio's own words on it


@lru_cache
def labels(language: str = LANGUAGE) -> dict[str, str]:
    """Short texts by key."""
    return json.loads((FOLDER / language / "labels.json").read_text("utf-8"))


def prose(name: str, language: str = LANGUAGE) -> str:
    """A Markdown text."""
    return (FOLDER / language / f"{name}.md").read_text("utf-8").strip()
