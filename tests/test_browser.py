"""The page in a real browser: what a visitor sees when dragging, uploading, sampling and scrubbing."""

import base64
import io
import json
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from conftest import needs_browser, visit
from PIL import Image
from playwright.sync_api import expect

from diffusion import cosine_schedule, draw_noise, linear_schedule, make_film, q_sample
from diffusion.data.images import centre_crop, to_signed, to_uint8
from diffusion.losses import diffusion_loss
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.parts.noised_picture import picture_noise

pytestmark = needs_browser

DRAWN = ".lab.forward .preset[aria-pressed=true]"  # a picture is chosen, so all is there


def open_page(browser, server, **options):
    """A page on which the Forward tab has been drawn; script errors are collected in page.errors."""
    page = visit(browser, server, **options)
    page.wait_for_selector(DRAWN)
    return page


@pytest.fixture
def page(browser, server):
    page = open_page(browser, server)
    yield page
    assert page.errors == []
    page.close()
    assert not server.logged_traceback()


def frames(page, count=2):
    """Let the browser draw."""
    page.evaluate(
        "n => new Promise(done => (function next() { n-- ? requestAnimationFrame(next) : done(); })())",
        count,
    )


def pixels(page, selector) -> np.ndarray:
    """What a canvas shows, (H, W, 3)."""
    url = page.locator(selector).evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def drag(page, tab, t):
    """Move a tab's slider as a drag does."""
    page.locator(f".lab.{tab} input[data-role=t]").evaluate(
        "(slider, t) => { slider.value = t; slider.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )
    frames(page)


def expected(schedule, picture, t, seed=0) -> np.ndarray:
    x_0 = to_signed(torch.from_numpy(np.asarray(picture).copy()))[None]
    return to_uint8(q_sample(schedule, x_0, torch.tensor([t]), picture_noise(seed)[:1]))[0].numpy()


def distance(one, other) -> int:
    return np.abs(one.astype(int) - other.astype(int)).max()


def test_first_paint_is_real_and_needs_no_other_host(browser, server):
    page = browser.new_page()
    hosts = set()
    page.on(
        "request", lambda request: hosts.add(request.url.split("/")[2] if "://" in request.url else "data")
    )
    page.goto(server.url)
    page.wait_for_selector(DRAWN)
    frames(page, 5)
    assert pixels(page, "[data-c=x_t]").std() > 30
    assert pixels(page, ".hero canvas").std() > 30
    film = [pixels(page, ".hero canvas")]
    page.wait_for_timeout(2000)
    assert distance(film[0], pixels(page, ".hero canvas")) > 0, "the film plays"
    assert hosts <= {urlsplit(server.url).netloc, ""}
    page.close()


@pytest.mark.parametrize("name, schedule", [("linear", linear_schedule()), ("cosine", cosine_schedule())])
def test_canvas_is_q_sample_within_one_grey_level(page, name, schedule):
    page.locator(f".lab.forward [data-role=schedule] [value={name}]").check()
    picture = next(iter(preset_pictures().values()))
    for t in (0, 1, 7, 123, 250, 500, 777, 999, 1000):
        drag(page, "forward", t)
        assert distance(pixels(page, "[data-c=x_t]"), expected(schedule, picture, t)) <= 1, t


def test_another_seed_is_other_noise(page):
    page.locator(".lab.forward [data-role=seed]").fill("77")
    page.locator(".lab.forward [data-role=seed]").press("Enter")
    until(page, lambda: shared(page, "seed") == 77)
    drag(page, "forward", 600)
    picture = next(iter(preset_pictures().values()))
    assert distance(pixels(page, "[data-c=x_t]"), expected(linear_schedule(), picture, 600, seed=77)) <= 1
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


def shared(page, name):
    """What the tabs share under this name."""
    address = f"window.gradio_config.root + '{ADDRESS}/lib/state.js'"
    return page.evaluate(f"async name => (await import({address})).state[name]", name)


def until(page, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def upload(page, path):
    page.locator(".picture-input input[type=file]").set_input_files(path)


def test_own_picture(page, tmp_path):
    photo = Image.effect_mandelbrot((500, 300), (-2, -1, 1, 1), 60).convert("RGB")
    photo.save(tmp_path / "photo.png")
    upload(page, tmp_path / "photo.png")
    page.locator(DRAWN).wait_for(state="detached")  # it is none of the preset pictures
    drag(page, "forward", 300)
    assert distance(pixels(page, "[data-c=x_0]"), np.asarray(centre_crop(photo, 256))) == 0
    shown = pixels(page, "[data-c=x_t]")
    assert distance(shown, expected(linear_schedule(), centre_crop(photo, 256), 300)) <= 1


def test_bad_upload_gets_a_sentence_and_loses_nothing(page, server, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    before = shared(page, "picture")
    upload(page, tmp_path / "broken.png")
    expect(page.get_by_text("not a readable picture").first).to_be_visible(timeout=10_000)
    page.wait_for_timeout(2000)
    expect(page.get_by_text("not a readable picture").first).to_be_visible()
    expect(page.locator(".picture-input input[type=file]")).to_have_count(1)
    assert shared(page, "picture") == before
    assert not list(server.cache.rglob("broken.png"))


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


def read(page, schedule, key):
    return page.locator(f"[data-panel={schedule}] [data-n={key}]").inner_text()


def test_schedules_side_by_side(page):
    page.get_by_role("tab", name="Schedules").click()
    picture = next(iter(preset_pictures().values()))
    for t in (100, 600):
        drag(page, "schedules", t)
        for name, schedule in (("linear", linear_schedule()), ("cosine", cosine_schedule())):
            assert (
                distance(pixels(page, f".lab.schedules [data-c={name}]"), expected(schedule, picture, t)) <= 1
            )
    expect(page.locator(".lab.schedules .fact")).to_contain_text("33 %")
    expect(page.locator(".lab.schedules .fact")).to_contain_text("6 %")


def test_equal_snr_shows_equal_pictures_and_is_held_at_the_ends(page):
    page.get_by_role("tab", name="Schedules").click()
    page.locator(".lab.schedules [data-role=lock] [value=snr]").check()
    drag(page, "schedules", 400)
    assert (
        distance(
            pixels(page, ".lab.schedules [data-c=linear]"), pixels(page, ".lab.schedules [data-c=cosine]")
        )
        == 0
    )
    own = cosine_schedule().timestep_at(linear_schedule().half_log_snr(torch.tensor([400]))).item()
    assert float(read(page, "cosine", "t")) == pytest.approx(own, abs=0.06)
    page.locator(".lab.schedules [data-role=leader] [value=cosine]").check()
    drag(page, "schedules", 1000)
    expect(page.locator(".lab.schedules [data-role=held]")).to_contain_text("linear has no step")
    assert read(page, "linear", "t") == "1000" and read(page, "linear", "snr") != read(page, "cosine", "snr")


def test_length_can_be_changed(page):
    page.get_by_role("tab", name="Schedules").click()
    page.locator(".lab.schedules [data-role=length]").evaluate(
        "slider => { slider.value = 20; slider.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    expect(page.locator(".lab.schedules input[data-role=t]")).to_have_attribute("max", "20")
    drag(page, "schedules", 20)
    assert float(read(page, "linear", "snr").replace("−", "-")) < -20


def test_curves_can_be_dragged_and_thumbnails_clicked(page):
    """Both move t, here and in the Forward tab."""
    page.get_by_role("tab", name="Schedules").click()
    chart = page.locator(".lab.schedules [data-chart=alpha_bar]")
    chart.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    t = int(page.locator(".lab.schedules input[data-role=t]").input_value())
    assert 650 < t < 800
    page.get_by_label("cosine t = 300").click()
    expect(page.locator(".lab.schedules input[data-role=t]")).to_have_value("300")
    page.get_by_role("tab", name="Forward").click()
    expect(page.locator(".lab.forward input[data-role=t]")).to_have_value("300")


def sample(page, **choices):
    """Press Sample with these settings and wait for the whole film."""
    for label, value in choices.items():
        page.locator(".side:visible").get_by_label(label).first.fill(str(value))
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Sample", exact=True).click()


def test_sampling_streams_a_film_that_can_be_scrubbed(page, tiny_model):
    page.get_by_role("tab", name="Reverse").click()
    page.wait_for_timeout(300)
    sample(page, Seed=5)
    made = page.locator(".lab.reverse .made")
    expect(made).to_contain_text("4 images by tiny, seed 5", timeout=20_000)
    expect(page.locator(".lab.reverse input[data-role=t]")).to_have_attribute("max", "20", timeout=20_000)
    film = make_film(tiny_model, seed=5, num_images=4, num_steps=20)
    for k in (20, 0, 7, 19):
        drag(page, "reverse", k)
        for kind, name in enumerate(("x_t", "eps_hat", "x_0_hat")):
            grid = film.frames[k, kind].reshape(2, 2, 16, 16).swapaxes(1, 2).reshape(32, 32)
            assert distance(pixels(page, f".lab.reverse [data-c={name}]")[..., 0], grid) <= 1, (k, name)
    assert page.locator(".lab.reverse [data-n=t]").first.inner_text() == "50"


def test_stop_keeps_what_was_made(page):
    page.get_by_role("tab", name="Reverse").click()
    page.wait_for_timeout(300)
    sample(page, Steps=1000)
    expect(page.locator(".lab.reverse .made")).to_contain_text("1000 steps", timeout=20_000)
    page.wait_for_function("Number(document.querySelector('.lab.reverse input[data-role=t]').max) > 3")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_timeout(1500)
    kept = int(page.locator(".lab.reverse input[data-role=t]").get_attribute("max"))
    page.wait_for_timeout(700)
    assert int(page.locator(".lab.reverse input[data-role=t]").get_attribute("max")) == kept < 1000
    drag(page, "reverse", 3)
    expect(page.locator(".lab.reverse [data-n=k]").first).to_have_text("3")


def test_refused_settings_are_explained_beside_the_button(page):
    page.get_by_role("tab", name="Reverse").click()
    page.wait_for_timeout(300)
    sample(page, Steps=1000, Images=16)
    expect(page.get_by_text("Steps times images must be at most 4,000").first).to_be_visible(timeout=10_000)


def open_training(page):
    page.get_by_role("tab", name="Training", exact=True).click()
    page.locator(".lab.objective b[data-n=loss]:not(:text-is('–'))").wait_for()


def loss(page) -> float:
    return float(page.locator(".lab.objective b[data-n=loss]").inner_text())


def changed(page, before):
    shown = "document.querySelector('.lab.objective b[data-n=loss]').textContent"
    page.wait_for_function(f"Number({shown}) !== {before}")


def test_the_objective_is_the_loss_of_the_network(page, tiny_model):
    """The number on the page is mean (ε − ε̂)² at that t, and the canvas shows q_sample's x_t."""
    open_training(page)
    drag(page, "objective", 30)
    pressed = page.locator(".lab.objective .preset[aria-pressed=true] canvas")
    shown = pixels(page, ".lab.objective .preset[aria-pressed=true] canvas")[..., :1]
    assert pressed.count() == 1 and shown.shape == (16, 16, 1)
    x_0 = to_signed(torch.from_numpy(shown.copy()).permute(2, 0, 1))[None]
    noise = draw_noise((1, 1, 16, 16), torch.Generator().manual_seed(0))
    t = torch.tensor([600])
    x_t = q_sample(cosine_schedule(), x_0, t, noise)
    expected = diffusion_loss(
        tiny_model.net,
        tiny_model.schedule,
        x_0,
        t,
        noise,
        prediction="v",
        class_labels=torch.tensor([0]),
    )
    assert loss(page) == pytest.approx(expected.item(), rel=0.01)
    assert (
        distance(
            pixels(page, ".lab.objective canvas[data-c=x_t]")[..., :1],
            to_uint8(x_t)[0, 0, :, :, None].numpy(),
        )
        <= 1
    )
    page.get_by_text("Other noise").click()
    page.wait_for_function(
        f"document.querySelector('.lab.objective b[data-n=loss]').textContent != '{loss(page):.5f}'"
    )


def test_own_picture_can_be_tried_on_the_objective(page):
    open_training(page)
    before = loss(page)
    page.locator(".lab.objective .preset.mine").click()
    page.wait_for_function(
        f"document.querySelector('.lab.objective b[data-n=loss]').textContent != '{before:.5f}'"
    )
    expect(page.locator(".lab.objective [data-role=note]")).to_contain_text("has only ever seen noise")


def test_the_time_machine_shows_every_moment(page):
    open_training(page)
    for moment, seen in enumerate(("0", "8", "64")):
        drag(page, "training", moment)
        assert page.locator(".lab.training dd[data-n=seen]").inner_text() == seen
    assert pixels(page, ".lab.training canvas").std() > 5


def test_two_trained_schedules_are_shown_side_by_side(page):
    page.get_by_role("tab", name="Schedules", exact=True).click()
    drag(page, "trained", 0)
    start = [pixels(page, f".lab.trained canvas[data-c={name}]") for name in ("linear", "cosine")]
    drag(page, "trained", 6)
    end = [pixels(page, f".lab.trained canvas[data-c={name}]") for name in ("linear", "cosine")]
    assert np.array_equal(*start) and not np.array_equal(*end)  # the same noise to begin with
    assert page.locator(".lab.trained [data-role=curves]").is_hidden()  # nothing was measured


@pytest.mark.parametrize("width", [360, 390, 1280, 1920])
def test_no_sideways_scroll(browser, server, width):
    page = open_page(browser, server, viewport={"width": width, "height": 800})
    for tab in ("Forward", "Schedules", "Reverse"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
    page.close()


def test_reduced_motion_plays_nothing_by_itself(browser, server):
    page = open_page(browser, server, reduced_motion="reduce")
    page.get_by_role("tab", name="Reverse").click()
    time.sleep(1)
    assert page.locator(".lab.reverse input[data-role=t]").input_value() == "0"
    still = [pixels(page, ".hero canvas")]
    time.sleep(1)
    assert distance(still[0], pixels(page, ".hero canvas")) == 0
    page.close()


def test_symbols_have_one_colour_each_in_light_and_dark(browser, server):
    for theme in ("light", "dark"):
        page = browser.new_page()
        page.goto(f"{server.url}/?__theme={theme}")
        page.wait_for_selector(DRAWN)
        colours = json.loads(
            page.evaluate(
                """() => JSON.stringify(Object.fromEntries(['x_0', 'eps', 'x_t'].map(name => [name,
                  [...new Set([...document.querySelectorAll(`.formula .${name}, figure.${name}`)].map(
                    node => getComputedStyle(node).color))]])))"""
            )
        )
        assert all(len(found) == 1 for found in colours.values())
        assert len({found[0] for found in colours.values()}) == 3
        page.close()
