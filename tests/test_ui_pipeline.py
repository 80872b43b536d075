"""The panel for pipelines of the Hub: what it accepts, what it sends, and the panel in a real browser."""

import base64
import io
import math
import sys

import numpy as np
import pytest
import torch
from conftest import needs_browser, text_tabs
from pages import frames, pixels
from PIL import Image
from playwright.sync_api import expect
from web import client_of

from diffusion.pipelines import loading as pipelines
from diffusion.pipelines.filming import PipelineRequest, film
from diffusion.pipelines.loading import load_pipeline
from diffusion.ui.page import build_page
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.tabs import pipeline as panel
from diffusion.ui.text import labels

STEPS = 5
RED = PipelineRequest("red cat", num_steps=STEPS, guidance_scale=3.0, seed=5)


@pytest.fixture(scope="module")
def folder(pipeline_folder):
    return str(pipeline_folder)


@pytest.fixture(scope="module")
def filmed(folder):
    return list(film(load_pipeline(folder), RED))


def request(**changes):
    values = {"name": "user/name", "prompt": "red", "negative": "", "steps": 30, "guidance": 7.5, "seed": 0}
    return panel.checked_pipeline_request(*(values | changes).values())


def taken_apart(data: bytes, frame) -> tuple[np.ndarray, np.ndarray]:
    """Latents and picture of a frame as it travels."""
    size = math.prod(frame.latents.shape)
    latents = np.frombuffer(data[:size], np.uint8).reshape(frame.latents.shape)
    return latents, np.asarray(Image.open(io.BytesIO(data[size:]), formats=["JPEG"]))


def alike(one, other) -> bool:
    """But for what a JPEG loses."""
    return one.shape == other.shape and np.abs(one.astype(int) - other).mean() < 6 < one.std()


# ---- requests and messages -------------------------------------------------------------------------------


def test_a_request_as_it_was_sent():
    name, checked = request(name=" user/name ", negative="blue", steps=12, guidance=4, seed=9)
    assert name == "user/name" and checked == PipelineRequest("red", "blue", 12, 4.0, 9)
    assert len(request(prompt="x" * 2000)[1].prompt) == 2000


@pytest.mark.parametrize(
    "change, told",
    [
        ({"name": " "}, "Name a pipeline"),
        ({"name": None}, "The pipeline must be text"),
        ({"name": "x" * 301}, "at most 300 characters"),
        ({"prompt": "x" * 2001}, "The prompt must be text of at most 2,000 characters"),
        ({"prompt": ["red"]}, "The prompt must be text"),
        ({"negative": 7}, "The negative prompt must be text"),
        ({"steps": 0}, "1 to 100"),
        ({"steps": 101}, "1 to 100"),
        ({"guidance": float("nan")}, "0 to 20"),
        ({"guidance": 21}, "0 to 20"),
        ({"seed": -1}, "0 to 4,294,967,295"),
        ({"seed": 2.5}, "whole number"),
    ],
)
def test_refused_values_are_named(change, told):
    with pytest.raises(InputError) as refused:
        request(**change)
    assert told in refused.value.message


def test_the_film_arrives_whole(folder, filmed):
    messages = list(panel.film_messages(folder, RED))
    info = messages[0]["info"]
    assert info["num_steps"] == STEPS and info["num_timesteps"] == 1000
    planes = [{"name": "latents", "shape": [4, 16, 16]}, {"name": "jpeg", "shape": [-1]}]
    assert info["planes"] == planes and info["image_shape"] == [32, 32]
    for word in (folder, "StableDiffusionPipeline", "DDIMScheduler", "seed 5"):
        assert word in info["made"]["en"]
    arrived = {frame["k"]: frame for message in messages for frame in message["frames"]}
    assert sorted(arrived) == list(range(STEPS + 1))
    for k, frame in enumerate(filmed):
        latents, picture = taken_apart(base64.b64decode(arrived[k]["pixels"]), frame)
        assert np.array_equal(latents, frame.latents) and alike(picture, frame.picture)
    assert [arrived[k]["row"]["t"] for k in range(STEPS)] == [m.t for m in filmed[:-1]]
    assert arrived[STEPS]["row"] is None


@pytest.mark.parametrize("scale, told", [(3, "guidance 3"), (1, "no guidance"), (0, "no guidance")])
def test_the_caption_tells_the_guidance_that_the_pipeline_applied(folder, scale, told):
    """Which is none at 1 and below."""
    asked = PipelineRequest("red cat", num_steps=2, guidance_scale=scale)
    assert f", {told}, " in list(panel.film_messages(folder, asked))[-1]["info"]["made"]["en"]


def test_closing_the_messages_stops_the_pipeline(folder):
    calls = []
    unet = panel.cache.get(folder).unet
    hook = unet.register_forward_hook(lambda *_: calls.append(1))
    messages = panel.film_messages(folder, PipelineRequest("red", num_steps=100))
    next(messages)
    messages.close()
    stopped_at = len(calls)
    assert 1 <= stopped_at < 100
    list(panel.film_messages(folder, RED))
    hook.remove()
    assert len(calls) == stopped_at + STEPS


# ---- the running program ---------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, text_server, folder):
    """A function that opens the panel, filled in, at a width."""
    with text_tabs(browser, text_server) as open_tab:

        def open_panel(width=1280, **values):
            page = open_tab(width, "A large one")
            for label, value in {"Pipeline": folder, "Prompt": RED.prompt, **values}.items():
                field(page, label).fill(value)
            settings = {"Steps": STEPS, "Guidance": RED.guidance_scale, "Seed": RED.seed}
            for label, value in settings.items():
                field(page, label).fill(str(value))
                field(page, label).press("Tab")
            return page

        yield open_panel


def field(page, label):
    """Where something is typed in the panel."""
    typed = page.locator("textarea, input:not([type=range])")
    return page.locator(".pipeline-panel").get_by_label(label).and_(typed).first


def draw(page):
    page.locator(".pipeline-panel").get_by_role("button", name="Draw", exact=True).click()


def scrub(page, k):
    page.locator(".lab.pipeline [data-role=number]").fill(str(k))
    page.locator(".lab.pipeline [data-role=number]").press("Enter")
    page.wait_for_timeout(100)  # a JPEG is decoded
    frames(page)


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_film_is_the_pipelines_and_scrubs_without_the_server(opened, filmed, width):
    page = opened(width)
    draw(page)
    expect(page.locator(".lab.pipeline [data-n=k]")).to_have_text(str(STEPS), timeout=60_000)
    expect(page.locator(".lab.pipeline figcaption").last).to_contain_text("the picture")
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    for k in (STEPS, 0, 2):
        scrub(page, k)
        latents = filmed[k].latents.reshape(2, 2, 16, 16).swapaxes(1, 2).reshape(32, 32)
        assert np.array_equal(pixels(page, ".lab.pipeline [data-c=latents]")[..., 0], latents)
        assert alike(pixels(page, ".lab.pipeline [data-c=picture]"), filmed[k].picture)
    assert page.locator(".lab.pipeline [data-n=t]").inner_text() == str(round(filmed[2].t))
    expect(page.locator(".lab.pipeline figcaption").last).to_contain_text("the picture it expects")
    assert not [url for url in requests if url.startswith("http")]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@needs_browser
def test_what_cannot_be_drawn_is_said_in_a_sentence_and_the_film_stays(opened):
    page = opened()
    draw(page)
    expect(page.locator(".lab.pipeline [data-n=k]")).to_have_text(str(STEPS), timeout=60_000)
    for value, told in (("user/none", "HF_HUB_OFFLINE is set"), ("no", "neither a folder"), ("", "Name a")):
        field(page, "Pipeline").fill(value)
        draw(page)
        expect(page.locator(".pipeline-panel .problem-line .problem")).to_contain_text(told, timeout=30_000)
    assert pixels(page, ".lab.pipeline [data-c=picture]").std() > 6
    if not torch.cuda.is_available():
        most = f"at most {pipelines.MAX_CPU_PARAMETERS // 10**6} million"
        expect(page.locator(".pipeline-panel")).to_contain_text(most)


@needs_browser
def test_stop_ends_a_film_and_the_next_one_starts(opened):
    page = opened(Prompt="dog")
    steps = field(page, "Steps")
    steps.fill("100")
    steps.press("Tab")
    draw(page)
    page.wait_for_function(
        "document.querySelector('.lab.pipeline [data-n=k]').textContent > 2", timeout=60_000
    )
    page.locator(".pipeline-panel").get_by_role("button", name="Stop").click()
    page.wait_for_timeout(1000)
    reached = int(page.locator(".lab.pipeline [data-n=k]").inner_text())
    page.wait_for_timeout(500)
    assert reached == int(page.locator(".lab.pipeline [data-n=k]").inner_text()) < 100
    steps.fill(str(STEPS))
    steps.press("Tab")
    draw(page)
    expect(page.locator(".lab.pipeline [data-n=N]")).to_have_text(str(STEPS), timeout=30_000)
    expect(page.locator(".lab.pipeline [data-n=k]")).to_have_text(str(STEPS))


def test_the_panel_adds_no_endpoint(text_server):
    endpoints = client_of(text_server.url).view_api(print_info=False, return_format="dict")
    assert not [name for name in endpoints["named_endpoints"] if "pipeline" in name or "stream" in name]


def test_where_the_packages_are_missing_the_page_has_nothing_of_it(model, tiny_model, monkeypatch):
    def shown() -> set[str]:
        blocks = build_page({"tiny": tiny_model, "text": model}).blocks.values()
        return {getattr(block, "label", None) for block in blocks}

    words = {labels()["pipeline"], labels()["pipeline_name"]}
    assert words <= shown()
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert not words & shown()
