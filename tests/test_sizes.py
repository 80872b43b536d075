"""How much of the page travels, with the checkpoints that come along: what each part of it may ask for."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import DRAWN, needs_browser, running_app

from diffusion.ui.parts.page_head import compressed

MOST_OF_THE_PAGE = 200_000  # bytes
MOST_UNTIL_A_PICTURE = 0.9  # megabytes
CONFIG = "window.gradio_config = "


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """Of the real program."""
    with running_app(tmp_path_factory.mktemp("shipped")) as running:
        yield running.url


def fetched(url: str, address: str = "") -> httpx.Response:
    """As a browser gets it."""
    return httpx.get(f"{url}{address.removeprefix('.')}", headers={"accept-encoding": "gzip"}, timeout=60)


@pytest.fixture(scope="module")
def messages(url) -> dict[str, Any]:
    """By the name of the view, what it opens with."""
    text = fetched(url).text
    config, _ = json.JSONDecoder().raw_decode(text, text.index(CONFIG) + len(CONFIG))
    props = [component["props"] for component in config["components"]]
    loads = {
        each["js_on_load"]: each["value"] for each in props if each.get("js_on_load") and each.get("value")
    }
    values = {script.split('load("tabs/')[1].split('"')[0]: value for script, value in loads.items()}
    files = {
        name: value["file"] for name, value in values.items() if isinstance(value, dict) and "file" in value
    }
    return values | {name: fetched(url, file).json() for name, file in files.items()}


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


@pytest.mark.parametrize("address", ["", "/ko"])
def test_the_page_itself_is_small_and_travels_compressed(url, address):
    answer = fetched(url, address)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded == len(compressed(answer.content)) < MOST_OF_THE_PAGE


def test_what_it_fetches_travels_compressed_and_is_kept(url, messages):
    film = fetched(url, messages["hero"]["film"])
    assert film.headers["content-encoding"] == "gzip" and film.num_bytes_downloaded < len(film.content)
    assert "immutable" in film.headers["cache-control"]
    assert (
        fetched(url, "./files/none.json").status_code == fetched(url, "./files/../app.py").status_code == 404
    )


def test_the_header_s_film_is_small(url, messages):
    film = fetched(url, messages["hero"]["film"]).json()
    assert film["frames"] and megabytes(film) <= 0.3


@needs_browser
def test_little_has_come_when_the_first_picture_can_be_moved(url, messages, browser):
    """The header's film is asked for after that."""
    context = browser.new_context(reduced_motion="reduce")  # which has nothing in its cache
    page = context.new_page()
    network, asked, came = context.new_cdp_session(page), {}, {}
    network.send("Network.enable")
    network.on("Network.requestWillBeSent", lambda sent: asked.update({sent["requestId"]: sent["request"]}))
    network.on("Network.loadingFinished", lambda end: came.update({end["requestId"]: end}))
    page.goto(url, wait_until="commit")
    page.wait_for_selector(DRAWN)
    film = messages["hero"]["film"].removeprefix(".")
    before = [end for id_, end in came.items() if not asked[id_]["url"].endswith(film)]
    assert 0.1 < sum(end["encodedDataLength"] for end in before) / 1e6 <= MOST_UNTIL_A_PICTURE
    context.close()


def test_all_films_that_come_with_the_page_are_small(url, messages):
    films = [fetched(url, messages["hero"]["film"]).json(), *films_in(messages)]
    assert len(films) == 3  # cats, and digits by each schedule
    assert megabytes(*films) <= 0.4


def test_the_history_of_a_training_is_small(messages):
    assert messages["training"]["rows"]
    assert megabytes(messages["training"]) <= 0.8
