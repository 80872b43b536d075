"""The page's texts and markup."""

import json
import re
from string import Formatter

import pytest
from conftest import CHECKPOINTS

from app import SHIPPED
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.parts.own_picture import picture_row
from diffusion.ui.parts.scrubber import STATIC, fill
from diffusion.ui.text import FOLDER, LANGUAGES, labels, language, prose, shown_name, speaking

# Symbols, units, marks, and a prompt for pipelines that read English.
SAME = {
    "position",
    "histogram_x_t",
    "length",
    "of",
    "with_eta",
    "decided_part",
    "never_together",
    "emoji_as",
    "asked_of_kind",
    "pipeline_prompt",
    "psnr_value",
    "name_t",
    "name_T",
    "name_eta",
    *("race_ddpm", "race_ddim", "race_dpm", "race_made_eta"),
}


def test_every_text_that_the_markup_names_exists():
    parts = {
        "panels",
        "fact",
        "name",
        "title",
        "id",
        "choices",
        "most",
        "view",
        "languages",
        *("tiles", "keys", "lane", "with_student", "fields", "presets"),  # of Race
        "seeds",
        *picture_row(""),
    }
    parts |= {path.stem for path in STATIC.glob("lib/*.html")}
    for path in STATIC.rglob("*.html"):
        names = set(re.findall(r"\[\[(\w+)\]\]", path.read_text("utf-8")))
        assert names - parts <= set(labels()), path.name
    for path in STATIC.rglob("*.js"):
        used = set(re.findall(r"\btext\.(?!js\")([a-z_]+)\b", path.read_text("utf-8")))
        assert used - {"length"} <= set(labels()), path.name


def test_templates_hold_nothing_that_gradio_would_fill_in():
    for path in STATIC.rglob("*.html"):
        assert "${" not in path.read_text("utf-8") and "{{" not in path.read_text("utf-8")
    assert fill("<p>[[seed]] [[other]]</p>", {"other": "[[stop]]"}) == "<p>Seed Stop</p>"


def texts_in(code: str) -> dict[str, str]:
    with speaking(code):
        return labels()


def places(text: str) -> set[str]:
    """The names of the values that a text has places for."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_language_has_the_same_texts():
    assert {path.parent.name for path in FOLDER.glob("*/labels.json")} == set(LANGUAGES)
    assert len({frozenset(path.name for path in (FOLDER / code).iterdir()) for code in LANGUAGES}) == 1
    for code in LANGUAGES:
        assert list(texts_in(code)) == list(texts_in("en"))


@pytest.mark.parametrize("key", texts_in("en"))
def test_a_text_is_translated_and_mentions_the_same_values(key):
    english, korean = texts_in("en")[key], texts_in("ko")[key]
    assert places(korean) == places(english)
    assert len({re.sub(r"\{[^}]*\}", "", text).count("|") for text in (english, korean)}) == 1  # of lists
    assert re.search("[가-힣]", korean) or key in SAME


def test_prose_is_translated():
    for path in (FOLDER / "ko").glob("*.md"):
        with speaking("ko"):
            assert re.search("[가-힣]", prose(path.stem))


def test_who_speaks_a_language_is_answered_in_it():
    assert labels()["stop"] == "Stop" and shown_name("red hat") == "red hat"
    with speaking("ko"):
        assert labels()["stop"] == "멈춤" and shown_name("red hat") == "빨간 모자"
        assert str(refusal("must_be_whole", name="t", low="1", high="9")) == texts_in("ko")[
            "must_be_whole"
        ].format(name="t", low="1", high="9")
    assert language() == "en"


def test_all_that_shipped_checkpoints_call_something_has_a_korean_name():
    with speaking("ko"):
        for path in CHECKPOINTS.glob("*/config.json"):
            config = json.loads(path.read_text("utf-8"))
            names = [name for name in config.get("classes") or [] if not name.isdigit()]
            if (path.parent / "model.safetensors").exists() and path.parent.name in SHIPPED:
                names += [path.parent.name, config["about"]["data"], config["schedule"]["name"]]
            if (path.parent / "parts.json").exists():
                kinds = json.loads((path.parent / "parts.json").read_text("utf-8"))["names"]
                names += [name for kind in kinds.values() for name in kind]
            for name in names:
                assert re.search("[가-힣]", shown_name(name)), name
