"""How long an upload stays: until the cache's clock deletes it, whatever others do with equal bytes."""

import json
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import needs_browser, open_page, running_app
from gradio.route_utils import delete_files_created_by_app
from gradio_client import handle_file
from pages import distance, pixels, until, upload
from PIL import Image
from test_api import raw
from web import client_of

from diffusion.data.images import centre_crop, letterbox
from diffusion.ui import page as whole_page


@pytest.fixture
def photo(tmp_path) -> Path:
    Image.effect_mandelbrot((500, 300), (-2, -1, 1, 1), 60).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def broken(tmp_path) -> Path:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    return tmp_path / "broken.png"


def sent(url: str, path: Path) -> str:
    """Upload a file as a visitor's browser does; returns where it is on the server."""
    files = {"files": (path.name, path.read_bytes())}
    (place,) = httpx.post(f"{url}/gradio_api/upload", files=files, timeout=60).json()
    return place


def corrupted(server, place: str) -> str:
    """What /corrupt answers about an upload."""
    file = {"path": place, "meta": {"_type": "gradio.FileData"}}
    return raw(server, "corrupt", json.dumps({"data": [file, 5, "linear", 0]}))


def test_two_visitors_with_the_same_picture_both_get_an_answer(server, photo):
    places = [sent(server.url, photo) for _ in range(2)]
    assert places[0] == places[1]  # Gradio keeps one file for equal content
    for place in places * 2:
        assert "event: complete" in corrupted(server, place)


def test_two_visitors_with_the_same_bad_file_both_get_the_reason(server, broken):
    places = [sent(server.url, broken) for _ in range(2)]
    for place in places * 2:
        assert "not a readable picture" in corrupted(server, place)
    assert not server.logged_traceback()


@needs_browser
def test_a_picture_is_fitted_anew_after_another_visitors_call(page, server, photo):
    upload(page, photo)

    def shows(fit):
        return distance(pixels(page, "[data-c=x_0]"), np.asarray(fit(Image.open(photo), 256))) == 0

    until(page, lambda: shows(centre_crop))
    client_of(server.url).predict(handle_file(photo), 5, "linear", 0, api_name="/corrupt")
    page.get_by_role("radio", name="all of it").check()
    until(page, lambda: shows(letterbox))


@pytest.fixture(scope="module")
def blocks(tiny_model, tmp_path_factory):
    """The real page, served from this process, so that its clock can be turned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("cache")))
        page = whole_page.build_page({"tiny": tiny_model})
        page.launch(prevent_thread_lock=True, quiet=True, **whole_page.launch_options())
        page.url = page.local_url.rstrip("/")
        yield page
        page.close()


def test_the_clock_starts_anew_with_each_upload_and_then_deletes(blocks, photo, broken):
    for path in (photo, broken):
        place = Path(sent(blocks.url, path))
        corrupted(blocks, str(place))
        time.sleep(0.05)  # more than the tick of a file system's clock
        between = time.time()
        time.sleep(0.05)
        assert sent(blocks.url, path) == str(place)
        delete_files_created_by_app(blocks, age=time.time() - between)
        assert place.exists()
        delete_files_created_by_app(blocks, age=0)
        assert not place.exists()
        assert "choose the file again" in corrupted(blocks, str(place))


def test_the_clock_keeps_what_is_promised(blocks):
    assert sum(blocks.delete_cache) <= 7 * 60


@needs_browser
def test_nothing_stays_when_the_program_is_ended(browser, trained_pair, tmp_path, photo):
    with running_app(tmp_path, *trained_pair) as server:
        page = open_page(browser, server)  # and stays open
        place = Path(sent(server.url, photo))
        corrupted(server, str(place))
        assert place.exists()
    page.close()
    assert not [path for path in server.cache.rglob("*") if path.is_file()]
