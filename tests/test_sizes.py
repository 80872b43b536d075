"""How much of the page travels, with the checkpoints that come along: what each part of it may ask for."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import running_app

from diffusion.ui.parts.page_head import compressed

CONFIG = "window.gradio_config = "


@pytest.fixture(scope="module")
def answer(tmp_path_factory) -> Iterator[httpx.Response]:
    """The page as a browser gets it, from the real program."""
    with running_app(tmp_path_factory.mktemp("shipped")) as running:
        yield httpx.get(running.url, headers={"accept-encoding": "gzip"}, timeout=60)


@pytest.fixture(scope="module")
def messages(answer) -> dict[str, Any]:
    """By the name of the view, what the page brings for it."""
    text = answer.text
    config, _ = json.JSONDecoder().raw_decode(text, text.index(CONFIG) + len(CONFIG))
    props = [component["props"] for component in config["components"]]
    loads = {
        each["js_on_load"]: each["value"] for each in props if each.get("js_on_load") and each.get("value")
    }
    return {script.split('load("tabs/')[1].split('"')[0]: value for script, value in loads.items()}


def films_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every message of a film, wherever it stands."""
    if isinstance(value, dict) and {"film", "frames"} <= value.keys():
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from films_in(each)


def megabytes(*values: Any) -> float:
    """As they travel."""
    return sum(len(compressed(json.dumps(value, separators=(",", ":")).encode())) for value in values) / 1e6


def test_the_page_travels_compressed(answer):
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded == len(compressed(answer.content)) < 0.65 * len(answer.content)


def test_the_header_s_film_is_small(messages):
    assert next(films_in(messages["hero"]))["frames"]
    assert megabytes(messages["hero"]) <= 0.3


def test_all_films_that_come_with_the_page_are_small(messages):
    films = list(films_in(messages))
    assert len(films) == 3  # cats, and digits by each schedule
    assert megabytes(*films) <= 0.4


def test_the_history_of_a_training_is_small(messages):
    assert messages["training"]["rows"]
    assert megabytes(messages["training"]) <= 0.8
