"""The examples of docs/api.md in other languages than Python, run as they stand there."""

import os
import re
import shutil
import subprocess
import urllib.request

import numpy as np
import pytest
from conftest import ROOT, needs_browser, running_app
from pages import until
from PIL import Image

HERE = "http://127.0.0.1:7860"
CDN = "https://cdn.jsdelivr.net/npm/@gradio/client/dist/index.min.js"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program as it is, with the model that the examples name."""
    with running_app(tmp_path_factory.mktemp("clients"), ROOT / "checkpoints/cats") as running:
        yield running
        assert not running.logged_traceback()


def example(kind: str, url: str) -> str:
    """The first block of code of a kind, for the program at this address."""
    text = (ROOT / "docs/api.md").read_text("utf-8")
    code = text.split(f"```{kind}\n")[1].split("```")[0]
    assert HERE in code
    return code.replace(HERE, url)


def test_curl_runs_as_it_is_shown(program, tmp_path):
    assert shutil.which("curl"), "curl is missing: install it with `apt-get install curl`"
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/screenshot.png", tmp_path / "docs")
    command = ["bash", "-euo", "pipefail", "-c", example("sh", program.url)]
    environment = os.environ | {"no_proxy": "127.0.0.1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("event: complete\ndata: ")[1]
    assert table.startswith('[{"t": [0, 1, 2,') and table.count(",") > 4 * 50
    noised = np.asarray(Image.open(tmp_path / "noised.png"))
    assert noised.shape == (256, 256, 3) and noised.std() > 30


@needs_browser
def test_javascript_runs_as_it_is_shown(browser, site, program):
    """On a page of another address, with the client of which Gradio makes its own page."""
    page = browser.new_page()
    said, errors = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    (entry,) = re.findall(r"assets/index-[\w-]+\.js", urllib.request.urlopen(program.url).read().decode())
    source = urllib.request.urlopen(f"{program.url}/{entry}").read().decode()
    (client,) = set(re.findall(r"\bClient:(\w+)", source))  # as the minifier calls it

    def answer(route, body):
        route.fulfill(body=body, content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})

    page.route(CDN, lambda route: answer(route, f'export {{ Client }} from "{program.url}/{entry}";'))
    page.route(f"{program.url}/{entry}", lambda r: answer(r, f"{source}\nexport {{ {client} as Client }};"))
    page.goto(site)
    page.add_script_tag(content=example("js", program.url), type="module")
    until(page, lambda: errors or len(said) == 2, seconds=120)
    assert errors == []
    address, steps = said[0].split(" ", 1)
    assert steps == str(list(range(1000, 0, -50)))
    assert Image.open(urllib.request.urlopen(address)).size == (64, 64)
    assert Image.open(urllib.request.urlopen(said[1])).size == (256, 256)
    page.close()
