"""What several tests share: schedules, a small random network, and the folder of the program."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

# In all processes: on busy cores, threads that share the little work of small networks wait for one another.
os.environ["OMP_NUM_THREADS"] = "1"

import torch
from cat_models import model_of, shipped_cats
from kept_pages import KeptPages
from pages import built
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from web import serving

import diffusion.data.emoji
from diffusion import UNet, UNetConfig, cosine_schedule, linear_schedule, make_film, save_film, save_model
from diffusion.data.emoji import load_emoji
from diffusion.data.image_sets import ImageData
from diffusion.films.training_history import Recorder
from diffusion.models.model import Model
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.modules import ROUTE

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
expect.set_options(timeout=60_000)  # how long a machine may take to show what has to come
pytest_plugins = ["tiny_runs"]
ROOT = Path(__file__).parent.parent
CHECKPOINTS = ROOT / "checkpoints"
DIGITS = tuple(map(str, range(10)))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="no nginx found: install it with `apt-get install nginx-light`"
)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium found: install it with `apt-get install chromium`"
)


@pytest.fixture(params=["linear", "cosine"])
def schedule(request):
    return {"linear": linear_schedule, "cosine": cosine_schedule}[request.param]()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder to work in, from which processes find the project's modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH", ""))


def randomised(net: torch.nn.Module) -> torch.nn.Module:
    """The network with its zero-initialised layers filled too, so that every part has an effect."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        if parameter.abs().sum() == 0:
            torch.nn.init.normal_(parameter, std=0.05)
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_model() -> Model:
    """A 16×16, class-conditional network with random weights, for whatever needs no skill of it."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(1, 32, (1, 1), 1, (1,), num_classes=3))
    return Model("tiny", randomised(net), "cosine", cosine_schedule(), "v", (1, 16, 16), ("a", "b", "c"))


@pytest.fixture(scope="session")
def tiny_cats() -> Model:
    """An untrained model of the shipped cats, a quarter as large: all classes, and what is held out."""
    return model_of(shipped_cats())


@pytest.fixture
def digit_checkpoint(tmp_path) -> Path:
    """The folder of a small, untrained model with MNIST's shape and classes."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(1, 32, (1, 1), 1, (1,), num_classes=10)).eval()
    about = {"data": "MNIST", "licence": "none", "images_seen": 0, "settings": {}}
    model = Model("small", net, "cosine", cosine_schedule(), "v", (1, 28, 28), DIGITS, about)
    save_model(tmp_path / "small", model)
    return tmp_path / "small"


def record(folder: Path, model: Model) -> ImageData:
    """A history of three moments beside the model; returns the pictures that it is judged on."""
    images = torch.randint(256, (12, 1, 16, 16), generator=torch.manual_seed(1), dtype=torch.uint8)
    data = ImageData("noise", images, torch.arange(12) % 3, model.classes)
    recorder = Recorder(
        folder, data, "pictures", lambda *_: model, total_images=64, batch_size=8, images_seen=0
    )
    for images_seen in (0, 8, 64):
        recorder.record(images_seen, {})
    return data


@dataclass
class Server:
    """A running app.py."""

    url: str
    log: Path
    cache: Path

    def logged_traceback(self) -> bool:
        return "Traceback" in self.log.read_text()


@pytest.fixture(scope="session")
def trained_pair(tiny_model, tmp_path_factory) -> tuple[Path, Path]:
    """The tiny model's folder and that of one which was trained alike in all but the schedule."""
    folder = tmp_path_factory.mktemp("pair")
    for name in ("linear", "cosine"):
        about = {"settings": {"schedule": name, "seed": 0}, "data": "noise", "images_seen": 64}
        model = replace(tiny_model, schedule_name=name, schedule=SCHEDULES[name](), about=about)
        path = folder / {"cosine": "tiny"}.get(name, name)
        save_model(path, model)
        save_film(path, make_film(model, seed=0, num_images=3, num_steps=6))
    record(folder / "tiny", tiny_model)
    return folder / "tiny", folder / "linear"


@pytest.fixture(scope="session")
def server(trained_pair, tmp_path_factory):
    """The real program, in a process of its own, showing the tiny model."""
    with running_app(tmp_path_factory.mktemp("app"), *trained_pair) as running:
        yield running


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Model:
    """A tiny model that is told by text."""
    from text_models import save_text_model  # which imports from here

    return save_text_model(tmp_path_factory.mktemp("models") / "tiny-text")


@pytest.fixture(scope="session")
def drawn_emoji():
    """64 emoji, 16 × 16, some of them held out; and a model whose autoencoder can tell them apart."""
    from emoji_models import SIDE, few_names, model_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion.data.emoji, "emoji_names", few_names)
        emoji = load_emoji(SIDE, skin_tones=False)
    return emoji, model_of(emoji)


@pytest.fixture
def few(drawn_emoji, monkeypatch):
    """These emoji, which are all that there are wherever a set is rendered."""
    from emoji_models import few_names

    monkeypatch.setattr(diffusion.data.emoji, "emoji_names", few_names)
    return drawn_emoji[0]


@pytest.fixture
def emoji_model(drawn_emoji, few):
    """The model of these emoji."""
    return drawn_emoji[1]


@pytest.fixture(scope="session")
def text_server(model, tiny_model, tmp_path_factory):
    """The real program with a model of each kind."""
    folder = tmp_path_factory.mktemp("text-app")
    save_model(folder / "tiny", tiny_model)
    save_film(folder / "tiny", make_film(tiny_model, seed=0, num_images=3, num_steps=6))
    with running_app(folder, folder / "tiny", model.folder) as running:
        yield running


@pytest.fixture(scope="session")
def whole_server(model, trained_pair, tmp_path_factory):
    """The real program with all that it can show: trained pair, history, a model that is told by text."""
    with running_app(tmp_path_factory.mktemp("whole-app"), *trained_pair, model.folder) as running:
        yield running


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory) -> Path:
    """A tiny Stable Diffusion, as diffusers saves it."""
    from tiny_pipeline import tiny_pipeline

    path = tmp_path_factory.mktemp("pipelines") / "tiny"
    tiny_pipeline(path)
    return path


@pytest.fixture
def copied_pipeline(pipeline_folder, tmp_path) -> Path:
    """A folder of it that a test may change."""
    return Path(shutil.copytree(pipeline_folder, tmp_path / "copied"))


@contextmanager
def running_app(folder: Path, *models: Path, root: Path = ROOT, **environment: str) -> Iterator[Server]:
    """The real program, in a process of its own, showing these models; its log and uploads go to `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = (
        os.environ
        | {"GRADIO_TEMP_DIR": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
        | environment
        | {"MODEL": ",".join(map(str, models)), "GRADIO_SERVER_PORT": str(port)}
    )
    with open(folder / "log", "a") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    running = Server(f"http://127.0.0.1:{port}", folder / "log", folder / "cache")
    try:
        wait_for(running.url, process)
        yield running
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen, seconds: float = 300) -> None:
    """Return when the address answers; fail if the process ends or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{url} does not answer.")


@pytest.fixture(scope="session")
def chromium():
    """The browser of all tests, and the event loop that it needs in this thread."""
    with sync_playwright() as playwright:
        loop = asyncio.get_running_loop()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        asyncio._set_running_loop(None)
        yield KeptPages(browser), loop
        asyncio._set_running_loop(loop)
        browser.close()


@pytest.fixture(scope="module")
def browser(chromium):
    """Between the modules that need it, tests may run event loops of their own."""
    browser, loop = chromium
    asyncio._set_running_loop(loop)
    yield browser
    asyncio._set_running_loop(None)


@pytest.fixture(scope="module")
def site():
    """The address of a server that has the modules and an empty page."""
    with serving(
        Starlette(routes=[ROUTE, Route("/", lambda request: HTMLResponse("<body></body>"))])
    ) as address:
        yield address


def visit(browser: Browser, server: Server, **options: Any) -> Page:
    """A new page that shows the program; script errors are collected in page.errors."""
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 1000}, **options})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(server.url)
    return page


DRAWN = ".lab.forward .preset[aria-pressed=true]"  # the picture, last of what the first paint needs


def open_page(browser: Browser, server: Server, **options: Any) -> Page:
    """A page on which the Forward tab has been drawn; script errors are collected in page.errors."""
    page = visit(browser, server, **options)
    page.wait_for_selector(DRAWN)
    built(page)
    return page


@pytest.fixture
def page(browser, server):
    """The program, showing the tiny model; in the end neither script nor server failed."""
    page = open_page(browser, server)
    yield page
    assert page.errors == []
    page.close()
    assert not server.logged_traceback()


@pytest.fixture
def korean_page(browser, whole_server):
    """All that the program can show, as a browser shows it whose language is Korean."""
    page = open_page(browser, whole_server, locale="ko-KR", reduced_motion="reduce")
    yield page
    assert page.errors == []
    page.close()
    assert not whole_server.logged_traceback()


@contextmanager
def text_tabs(browser: Browser, server: Server, **options: Any) -> Iterator[Callable[..., Page]]:
    """A function that opens the tab Text to image, or one of those in it, at a width.

    In the end neither script nor server failed.
    """
    pages = []

    def open_tab(width: int = 1280, inner: str = "Draw") -> Page:
        page = visit(browser, server, viewport={"width": width, "height": 1000}, **options)
        built(page)
        page.get_by_role("tab", name="Text to image").click()
        page.get_by_role("tab", name=inner).click()
        pages.append(page)
        return page

    yield open_tab
    assert all(page.errors == [] for page in pages) and not server.logged_traceback()
    for page in pages:
        page.close()
