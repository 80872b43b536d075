"""The page's texts and markup."""

import re

from diffusion.ui.parts.own_picture import picture_row
from diffusion.ui.parts.scrubber import STATIC, fill
from diffusion.ui.text import FOLDER, labels


def test_every_text_that_the_markup_names_exists():
    parts = {"panels", "fact", "name", "title", "id", "choices", "most", *picture_row("")}
    parts |= {path.stem for path in STATIC.glob("lib/*.html")}
    for path in STATIC.rglob("*.html"):
        names = set(re.findall(r"\[\[(\w+)\]\]", path.read_text("utf-8")))
        assert names - parts <= set(labels()), path.name
    for path in STATIC.rglob("*.js"):
        used = set(re.findall(r"\b(?:strings|text)\.([a-z_]+)\b", path.read_text("utf-8")))
        assert used - {"length"} <= set(labels()), path.name


def test_templates_hold_nothing_that_gradio_would_fill_in():
    for path in STATIC.rglob("*.html"):
        assert "${" not in path.read_text("utf-8") and "{{" not in path.read_text("utf-8")
    assert fill("<p>[[seed]] [[other]]</p>", {"other": "[[stop]]"}) == "<p>Seed Stop</p>"


def test_every_language_has_the_same_texts():
    english = FOLDER / "en"
    for language in (p for p in FOLDER.iterdir() if p.is_dir() and p.name != "__pycache__"):
        assert set(labels(language.name)) == set(labels())
        assert {p.name for p in language.iterdir()} == {p.name for p in english.iterdir()}
