"""The tab Forward in a browser: dragging, keys, seeds, pictures of one's own, single steps."""

import numpy as np
import pytest
import torch
from conftest import DRAWN, needs_browser
from pages import distance, drag, frames, noisy, pixels, shared, until, upload
from PIL import Image
from playwright.sync_api import expect

from diffusion import cosine_schedule, linear_schedule
from diffusion.data.images import centre_crop, to_signed, to_uint8
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.parts.noised_picture import picture_noise

pytestmark = needs_browser


@pytest.mark.parametrize("name, schedule", [("linear", linear_schedule()), ("cosine", cosine_schedule())])
def test_canvas_is_q_sample_within_one_grey_level(page, name, schedule):
    page.locator(f".lab.forward [data-role=schedule] [value={name}]").check()
    picture = next(iter(preset_pictures().values()))
    for t in (0, 1, 7, 123, 250, 500, 777, 999, 1000):
        drag(page, "forward", t)
        assert distance(pixels(page, "[data-c=x_t]"), noisy(schedule, picture, t)) <= 1, t


def test_another_seed_is_other_noise(page):
    page.locator(".lab.forward [data-role=seed]").fill("77")
    page.locator(".lab.forward [data-role=seed]").press("Enter")
    until(page, lambda: shared(page, "seed") == 77)
    drag(page, "forward", 600)
    picture = next(iter(preset_pictures().values()))
    assert distance(pixels(page, "[data-c=x_t]"), noisy(linear_schedule(), picture, 600, seed=77)) <= 1
    page.locator(".lab.forward [data-role=seed]").fill("-1")
    page.locator(".lab.forward [data-role=seed]").press("Enter")
    expect(page.get_by_text("must be a whole number from 0 to 4,294,967,295")).to_be_visible()


def test_dragging_asks_the_server_nothing_and_each_input_is_on_screen_at_the_next_frame(page):
    page.locator(".lab.forward input[data-role=t]").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    shown = page.evaluate(
        """async () => {
          const slider = document.querySelector('.lab.forward input[data-role=t]');
          const canvas = document.querySelector('[data-c=x_t]');
          const pixel = () => canvas.getContext('2d').getImageData(128, 128, 8, 8).data.join();
          let changed = 0, before = pixel();
          for (let t = 0; t <= 1000; t += 50) {
            await new Promise(requestAnimationFrame);
            slider.value = t;
            slider.dispatchEvent(new Event('input', {bubbles: true}));
            await new Promise(requestAnimationFrame);
            const now = pixel();
            if (now !== before) changed++;
            before = now;
          }
          return changed;
        }"""
    )
    assert shown == 21
    assert requests == []


def test_keyboard_and_number_reach_every_t(page):
    slider = page.locator(".lab.forward input[data-role=t]")
    number = page.locator(".lab.forward input[data-role=number]")
    slider.focus()
    for key, t in (
        ("Home", 0),
        ("ArrowRight", 1),
        ("PageUp", 51),
        ("PageDown", 1),
        ("End", 1000),
        ("ArrowLeft", 999),
    ):
        slider.press(key)
        expect(number).to_have_value(str(t))
    assert slider.get_attribute("aria-valuetext").startswith("t = 999 of 1000, 1 % signal")
    number.fill("412")
    number.press("Enter")
    expect(slider).to_have_value("412")
    number.fill("99999")
    number.press("Enter")
    expect(slider).to_have_value("1000")
    page.locator(".lab.forward [data-role=back]").click()
    expect(slider).to_have_value("999")
    page.locator(".lab.forward .stage").focus()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_function("Number(document.querySelector('.lab.forward input[data-role=t]').value) > 20")
    page.keyboard.press(" ")
    frames(page)
    stopped = slider.input_value()
    page.wait_for_timeout(300)
    assert slider.input_value() == stopped


def test_own_picture(page, tmp_path):
    photo = Image.effect_mandelbrot((500, 300), (-2, -1, 1, 1), 60).convert("RGB")
    photo.save(tmp_path / "photo.png")
    upload(page, tmp_path / "photo.png")
    expect(page.locator(f"{DRAWN}.mine")).to_have_count(1)
    drag(page, "forward", 300)
    assert distance(pixels(page, "[data-c=x_0]"), np.asarray(centre_crop(photo, 256))) == 0
    shown = pixels(page, "[data-c=x_t]")
    assert distance(shown, noisy(linear_schedule(), centre_crop(photo, 256), 300)) <= 1


def test_bad_upload_gets_a_sentence_and_loses_nothing(page, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    before = shared(page, "picture")
    upload(page, tmp_path / "broken.png")
    expect(page.get_by_text("not a readable picture")).to_be_visible(timeout=10_000)
    assert shared(page, "picture") == before and shared(page, "own") == []


def test_markov_step_agrees_with_the_jump(page):
    page.locator(".lab.forward [data-role=markov]").check()
    for t in (1, 300, 1000):
        drag(page, "forward", t)
        read = {
            key: float(page.locator(f".lab.forward [data-n={key}]").last.inner_text().replace("−", "-"))
            for key in ("measured_mean", "measured_variance", "variance")
        }
        assert abs(read["measured_mean"]) < 0.015
        assert read["measured_variance"] == pytest.approx(read["variance"], rel=0.03, abs=2e-4)
    noise = picture_noise(0).numpy()
    picture = to_signed(torch.from_numpy(np.asarray(next(iter(preset_pictures().values()))).copy())).numpy()
    drag(page, "forward", 300)
    a = linear_schedule().alphas_cumprod[299:301].numpy()
    step = np.sqrt(a[1] / a[0]) * (np.sqrt(a[0]) * picture + np.sqrt(1 - a[0]) * noise[0])
    step += np.sqrt(1 - a[1] / a[0]) * noise[1]
    assert distance(pixels(page, "[data-c=x_t]"), to_uint8(torch.from_numpy(step)).numpy()) <= 1
