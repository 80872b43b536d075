"""The panel Why latent?: what is measured, what the autoencoder loses, and the panel in a real browser."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from conftest import needs_browser, text_tabs
from pages import frames, pixels, upload
from PIL import Image
from playwright.sync_api import expect

from diffusion.data.images import to_signed, to_uint8
from diffusion.nets import step_cost
from diffusion.nets.autoencoder import psnr
from diffusion.ui.parts.example_pictures import emoji_pictures, preset_pictures
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.own_picture import open_picture
from diffusion.ui.tabs import latent as panel


@pytest.fixture
def photo(tmp_path):
    """A picture in portrait format, full of texture."""
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (30, 20, 3), np.uint8)).resize((200, 300))
    noise.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def not_a_picture(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    return tmp_path / "broken.png"


def sent(path) -> dict[str, str]:
    return {"file": base64.b64encode(path.read_bytes()).decode()}


def decoded(text, shape):
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)


# ---- the handlers ----------------------------------------------------------------------------------------


def test_costs_before_anything_is_measured(model):
    known = panel.known_costs(model)
    assert known["shapes"] == {"pixels": [3, 32, 32], "latents": [4, 8, 8]}
    assert known["operations"]["pixels"] > 8 * known["operations"]["latents"] > 10**6


def test_costs_are_measured_and_travel_as_json(model, monkeypatch):
    monkeypatch.setattr(step_cost, "AFFORDABLE", math.inf)  # the whole picture, however slow the machine
    busy, message = list(panel.cost_messages(model))
    assert busy == panel.known_costs(model) | {"busy": True}
    measured = json.loads(json.dumps(message))["measured"]
    assert measured["pixels"]["side"] == 32 and measured["latents"]["side"] == 8
    assert measured["operations"] == message["operations"]["pixels"]
    assert measured["pixels"]["bytes"] > 4 * measured["latents"]["bytes"] > 4 * 4 * 32 * 64
    assert measured["rounds"] >= 1 and "CPU" in measured["machine"]
    images = torch.cat([panel.as_tensor(p, model) for p in emoji_pictures().values()])
    values = [psnr(image[None], model.decode(model.encode(image[None]))).item() for image in images]
    assert measured["psnr"] == pytest.approx(np.mean(values), abs=1e-3)


@pytest.mark.parametrize("name, is_emoji", [("🍕 pizza", True), ("sunset", False)])
def test_a_picture_goes_through_the_autoencoder_and_back(model, name, is_emoji):
    message = panel.chosen_picture(model, {"name": name})
    assert json.loads(json.dumps(message)) == message and message["is_own"] == is_emoji
    original = decoded(message["original"], message["image_shape"])
    source = emoji_pictures()[name] if is_emoji else preset_pictures()[name]
    shown = np.asarray(source.resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(original.astype(int) - shown).max() <= 1
    image = to_signed(torch.from_numpy(original.copy())).permute(2, 0, 1)[None]
    back = model.decode(model.encode(image))
    expected = to_uint8(back[0]).permute(1, 2, 0).numpy()
    reconstruction = decoded(message["reconstruction"], message["image_shape"]).astype(int)
    assert np.abs(reconstruction - expected).max() <= 1 and expected.std() > 1
    assert message["psnr"] == pytest.approx(psnr(image, back).item(), abs=1e-3)
    error = np.sqrt(np.mean((reconstruction - original.astype(int)) ** 2.0))
    assert 255 * 10 ** (-message["psnr"] / 20) == pytest.approx(error, rel=0.02)
    assert decoded(message["latent"], message["latent_shape"]).shape == (4, 8, 8)


@pytest.mark.parametrize("name", ["pizza", "", None, 3, ["🍕 pizza"]])
def test_only_what_is_offered_can_be_chosen(model, name):
    with pytest.raises(InputError, match="The picture must be one of: 🍕 pizza"):
        panel.chosen_picture(model, {"name": name})


def test_own_picture_is_cropped_and_bad_ones_are_refused(model, photo, not_a_picture):
    message = panel.chosen_picture(model, sent(photo))
    assert message["image_shape"] == [32, 32, 3]
    middle = Image.open(photo).crop((0, 50, 200, 250)).resize((32, 32), Image.Resampling.LANCZOS)
    difference = np.abs(decoded(message["original"], (32, 32, 3)).astype(int) - np.asarray(middle))
    assert difference.mean() < 0.5 and difference.max() <= 4  # beyond the crop's edge there is more photo
    with pytest.raises(InputError, match="This file is not a readable picture"):
        panel.chosen_picture(model, sent(not_a_picture))


# ---- the panel -------------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, text_server):
    """A function that opens the tab with the panel at a width."""
    with text_tabs(browser, text_server) as open_tab:

        def open_and_wait(width=1280):
            page = open_tab(width, "Why latent?")
            expect(page.locator(".lab.reconstruction [data-n=psnr]")).to_contain_text("dB")
            frames(page)
            return page

        yield open_and_wait


def number(page, selector):
    return float(page.locator(selector).first.inner_text().split()[0])


@needs_browser
def test_measuring_shows_bars_and_the_arithmetic_of_any_number_of_steps(opened):
    page = opened()
    expect(page.locator("[data-cost=operations] .pixels .number")).to_contain_text("GFLOP")
    expect(page.locator("[data-cost=seconds] .pixels .number")).to_have_text("–")
    expect(page.get_by_text("Press the button to measure")).to_be_visible()
    page.get_by_role("button", name="Measure here and now").click()
    expect(page.locator(".lab.latent [data-role=arithmetic]")).to_be_visible(timeout=30_000)
    expect(page.locator("[data-cost=bytes] [data-role=ratio]")).to_contain_text("×")
    widths = [
        page.locator(f"[data-cost=operations] .{sort} .track i").bounding_box()["width"]
        for sort in ("pixels", "latents")
    ]
    shown = number(page, "[data-cost=operations] [data-role=ratio]")
    assert widths[0] / widths[1] == pytest.approx(shown, rel=0.1)
    steps = page.locator(".lab.latent [data-role=steps]")
    steps.fill("40")
    frames(page)
    one, total = (in_ms(page, f".lab.latent [data-n={name}]") for name in ("pixel_step", "pixel_total"))
    assert total == pytest.approx(40 * one, rel=0.02)
    one, decode, total = (
        in_ms(page, f".lab.latent [data-n={name}]") for name in ("latent_step", "decode", "latent_total")
    )
    assert total == pytest.approx(40 * one + decode, rel=0.02)
    page.get_by_role("button", name="Measure here and now").click()
    expect(page.get_by_text("Measuring both")).to_be_visible()
    expect(page.locator(".lab.latent [data-role=arithmetic]")).to_be_visible()  # the last result stays


def in_ms(page, selector):
    value, unit = page.locator(selector).first.inner_text().split()
    return float(value) * {"s": 1000, "ms": 1}[unit]


@needs_browser
def test_own_photo_and_examples_and_a_bad_upload(opened, model, photo, not_a_picture):
    page = opened()
    upload(page, photo, "reconstruction")
    expect(page.locator(".lab.reconstruction [data-role=verdict]")).to_contain_text(
        "trained on nothing like this"
    )
    square = open_picture(sent(photo))["crop"]
    message = panel.chosen_picture(model, {"file": square.partition(",")[2]})
    original = decoded(message["original"], (32, 32, 3)).astype(int)
    back = decoded(message["reconstruction"], (32, 32, 3)).astype(int)
    wanted = {
        "original": original,
        "reconstruction": back,
        "difference": (128 + 4 * (back - original)).clip(0, 255),
    }
    for name, expected in wanted.items():
        shown = pixels(page, f".lab.reconstruction [data-c={name}]").astype(int)
        assert np.abs(shown - expected).max() <= (8 if name == "difference" else 1), name
    expect(page.get_by_label("🍕 pizza")).to_have_attribute("aria-pressed", "false")
    page.get_by_label("🐶 dog face").click()
    expect(page.locator(".lab.reconstruction [data-role=verdict]")).to_contain_text("Grey in the difference")
    before = pixels(page, ".lab.reconstruction [data-c=original]")
    upload(page, not_a_picture, "reconstruction")
    expect(page.get_by_text("This file is not a readable picture")).to_be_visible()
    assert np.array_equal(before, pixels(page, ".lab.reconstruction [data-c=original]"))


@needs_browser
@pytest.mark.parametrize("width", [360, 390])
def test_panel_fits_a_phone(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("button", name="Measure here and now")).to_be_visible()
