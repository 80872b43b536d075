"""What is taken home from the page: films, pictures, numbers and code, opened as others would open them."""

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import needs_browser, open_page, text_tabs, visit
from pages import distance, drag, frames, pixels, until
from PIL import Image, ImageSequence
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from web import serving

from diffusion import load_film
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.animation import LAST, frame_milliseconds

pytestmark = needs_browser
FILM_ROUNDING = 2  # grey levels: a film's pictures travel coded, see films/coding.py
MIXED_ROUNDING = 1  # the page mixes in other floats than PyTorch


def menu(page, lab):
    """The tab's menu, opened."""
    found = page.locator(f".lab.{lab} details.save")
    if found.get_attribute("open") is None:
        found.locator("summary").click()
    expect(found.locator(".menu")).to_be_visible()
    return found


def saved(page, button) -> tuple[str, bytes]:
    """What a button of the menu saves: the file's name and content."""
    with page.expect_download(timeout=120_000) as download:
        button.click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def film_of(page, lab, kind, count) -> tuple[str, np.ndarray]:
    """A film of so many frames as a file: its name, and what is seen at each of their times, (K, H, W, 3)."""
    name, content = saved(page, menu(page, lab).locator(f"[data-kind={kind}]"))
    shown, each = [], frame_milliseconds(count)
    with Image.open(io.BytesIO(content)) as file:
        assert file.format == kind.upper()
        for frame in ImageSequence.Iterator(file):  # equal ones in a row are one, which is seen for longer
            picture, last = np.asarray(frame.convert("RGB")), file.tell() == file.n_frames - 1
            number = 1 + (frame.info["duration"] - LAST) / each if last else frame.info["duration"] / each
            shown += [picture] * int(number)
    assert len(shown) == count
    return name, np.stack(shown)


def enlarged(picture, scale) -> np.ndarray:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def table(page, lab) -> list[dict[str, str]]:
    _, content = saved(page, menu(page, lab).locator("[data-role=save-table] button"))
    return list(csv.DictReader(io.StringIO(content.decode())))


def code(page, lab) -> str:
    menu(page, lab).locator("[data-role=save-code] button").click()
    expect(page.locator(f".lab.{lab} [data-role=save-told]")).to_have_text("Copied")
    return page.locator(f".lab.{lab} [data-role=save-text]").input_value()


def picture_by(code: str, folder: Path) -> np.ndarray:
    """What printed code draws, with no name but its own, in this folder, in which the test works."""
    before = set(folder.glob("*.png"))
    exec(compile(code, "printed", "exec"), {"__name__": "__main__"})
    (made,) = set(folder.glob("*.png")) - before
    return np.asarray(Image.open(made).convert("RGB"))


def drawn_by(*programs: str) -> list[np.ndarray]:
    """What several programs draw, in one process in this folder, each in a file that it names."""
    subprocess.run([sys.executable, "-c", "\n".join(programs)], check=True, timeout=300)
    files = [re.search(r'save\("(.+?)"\)', program)[1] for program in programs]
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]


@pytest.fixture
def reverse(page):
    page.get_by_role("tab", name="Reverse").click()
    expect(page.locator(".lab.reverse [data-role=t]")).to_have_attribute("data-made", "6")
    page.emulate_media(reduced_motion="reduce")
    drag(page, "reverse", 0)
    return page


# ---- films of classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_film_is_saved_as_it_is_shown(reverse, kind):
    name, shown = film_of(reverse, "reverse", kind, 7)
    assert name == f"tiny-seed0-dpm++2m-6steps.{kind}"
    assert shown.shape == (7, 160, 480, 3), "seven frames of three pictures of 16 × 16, ten times as large"
    for k, frame in enumerate(shown):
        drag(reverse, "reverse", k)
        assert (frame == enlarged(pixels(reverse, ".lab.reverse canvas[data-c=x_t]"), 10)).all()
    expect(reverse.locator(".lab.reverse [data-role=save-told]")).to_have_text(f"{name} is made.")


def test_every_picture_on_show_is_saved_four_times_as_large(reverse):
    drag(reverse, "reverse", 4)
    buttons = menu(reverse, "reverse").locator(".thumbnails button")
    expect(buttons).to_have_count(3)
    for i, kind in enumerate(["x_t", "eps_hat", "x_0_hat"]):
        name, content = saved(reverse, buttons.nth(i))
        assert name == f"tiny-seed0-dpm++2m-6steps-{kind}-4.png"
        expected = enlarged(pixels(reverse, f".lab.reverse canvas[data-c={kind}]"), 4)
        assert (np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) == expected).all()


def test_a_films_numbers_are_its_rows(reverse, trained_pair):
    steps = load_film(trained_pair[0]).info["steps"]
    rows = table(reverse, "reverse")
    assert [row.keys() for row in rows] == [step.keys() for step in steps]
    for row, step in zip(rows, steps):
        assert {name: float(value) for name, value in row.items()} == pytest.approx(step)


@pytest.mark.parametrize("k", [0, 3, 6])
def test_the_code_of_the_film_that_came_along_draws_what_is_on_show(reverse, trained_pair, elsewhere, k):
    drag(reverse, "reverse", k)
    drawn = picture_by(code(reverse, "reverse").replace("'tiny'", repr(str(trained_pair[0]))), Path.cwd())
    assert distance(drawn, pixels(reverse, ".lab.reverse canvas[data-c=x_t]")) <= FILM_ROUNDING


def test_the_code_of_another_film_draws_it(reverse, trained_pair, elsewhere):
    """With all that can be chosen: another schedule, a class with guidance, DDIM with η, a seed."""
    side = reverse.locator(".side:visible")
    reverse.get_by_role("button", name="More").click()
    for label, option in {"Class": "b", "Sampler": "ddim", "Schedule": "linear"}.items():
        side.get_by_label(label, exact=True).first.click()
        reverse.get_by_role("option", name=option, exact=True).click()
    for label, value in {"Seed": "5", "eta": "0.5"}.items():
        field = side.get_by_label(label).first
        field.fill(value)
        field.press("Tab")
    steps = side.locator(".lab.steps input[type=number]")
    steps.fill("5")
    steps.press("Tab")
    film = reverse.locator(".lab.reverse").get_attribute("data-film")
    reverse.get_by_role("button", name="Sample", exact=True).click()
    until(reverse, lambda: reverse.locator(".lab.reverse").get_attribute("data-film") != film)
    expect(reverse.locator(".lab.reverse [data-role=t]")).to_have_attribute("data-made", "5")
    expect(reverse.locator(".lab.reverse .made").first).to_contain_text("seed 5")
    drag(reverse, "reverse", 5)
    text = code(reverse, "reverse")
    assert "linear_schedule(1000)" in text and "sampler='ddim', eta=0.5" in text and "[1, 1, 1, 1]" in text
    drawn = picture_by(text.replace("'tiny'", repr(str(trained_pair[0]))), Path.cwd())
    assert distance(drawn, pixels(reverse, ".lab.reverse canvas[data-c=x_t]")) <= FILM_ROUNDING


# ---- Forward, Schedules ----------------------------------------------------------------------------------


def test_the_walk_into_noise_is_a_film_of_sixty_frames(page):
    name, shown = film_of(page, "forward", "webp", 60)
    assert name == "forward-linear-seed0.webp" and shown.shape == (60, 256, 256, 3)
    for i in (0, 17, 59):
        drag(page, "forward", round(1000 * i / 59))
        assert (shown[i] == pixels(page, ".lab.forward canvas[data-c=x_t]")).all()


def test_the_walk_as_a_gif_has_each_frames_own_colours(page):
    page.locator(".lab.forward [data-role=markov]").check()
    name, shown = film_of(page, "forward", "gif", 60)
    assert name == "forward-linear-seed0-steps.gif" and shown.shape == (60, 256, 256, 3)
    for i in (0, 17, 59):
        drag(page, "forward", round(1000 * i / 59))
        exact = pixels(page, ".lab.forward canvas[data-c=x_t]")
        assert np.abs(shown[i].astype(int) - exact).mean() < 20, "of 256 colours the nearest"
        assert len(np.unique(shown[i].reshape(-1, 3), axis=0)) <= 256


@pytest.mark.parametrize("markov", [False, True])
def test_the_code_of_a_noised_picture_draws_it(page, elsewhere, markov):
    page.locator(".lab.forward [value=cosine]").check()
    seed = page.locator(".lab.forward [data-role=seed]")
    seed.fill("7")
    seed.press("Tab")
    drag(page, "forward", 300)
    name, content = saved(page, menu(page, "forward").locator(".thumbnails button").first)
    Path(name).write_bytes(content)
    page.locator(".lab.forward [data-role=markov]").set_checked(markov)
    frames(page)
    text = code(page, "forward")
    assert ("q_step" in text) == markov
    drawn = picture_by(text, Path.cwd())
    assert distance(drawn, pixels(page, ".lab.forward canvas[data-c=x_t]")) <= MIXED_ROUNDING


@pytest.mark.parametrize("tab, num_timesteps", [("forward", 1000), ("schedules", 500)])
def test_the_tables_are_the_schedules(page, tab, num_timesteps):
    page.get_by_role("tab", name=tab.capitalize()).click()
    if tab == "schedules":
        page.locator("[data-role=length]").fill(str(num_timesteps))
        expect(page.locator(".lab.schedules [data-role=t]")).to_have_attribute("max", str(num_timesteps))
    rows = table(page, tab)
    assert [int(row["t"]) for row in rows] == list(range(num_timesteps + 1))
    for name, make in SCHEDULES.items():
        schedule = make(num_timesteps)
        found = {key: [row[f"{name}_{key}"] for row in rows] for key in ("beta", "alphas_cumprod", "snr")}
        assert found["beta"][0] == found["snr"][0] == ""
        alphas_cumprod = schedule.alphas_cumprod.numpy()
        assert np.allclose(np.float64(found["alphas_cumprod"]), alphas_cumprod, rtol=1e-12)
        assert np.allclose(np.float64(found["beta"][1:]), schedule.betas.numpy(), rtol=1e-9)
        snr = alphas_cumprod[1:] / (1 - alphas_cumprod[1:])
        assert np.allclose(np.float64(found["snr"][1:]), snr, rtol=1e-9)
        for key, values in {"": alphas_cumprod, "one_minus_": 1 - alphas_cumprod}.items():
            roots = [float(row[f"{name}_sqrt_{key}alphas_cumprod"]) for row in rows]
            assert np.allclose(roots, values**0.5, rtol=1e-12)


# ---- the films that compare or look back ----------------------------------------------------------------


@pytest.mark.parametrize(
    "tab, lab, kinds, count, axis, file",
    [
        ("Schedules", "schedules", ["linear", "cosine"], 32, 1, "schedules-T1000"),
        ("Schedules", "trained", ["linear", "cosine"], 7, 0, "trained-linear-cosine"),
        ("Training", "objective", ["x_t", "eps", "eps_hat", "difference"], 51, 1, "objective-a-seed0"),
        ("Training", "training", ["samples"], 3, 1, "training"),
    ],
)
def test_what_a_tab_compares_is_one_film(page, tab, lab, kinds, count, axis, file):
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("tab", name=tab, exact=True).click()
    page.wait_for_function(
        """lab => [...document.querySelectorAll(`.lab.${lab} .stage canvas`)].every((canvas) =>
            canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((x) => x))""",
        arg=lab,
    )
    name, shown = film_of(page, lab, "webp", count)
    assert name == f"{file}.webp"
    for i in (0, count // 2, count - 1):
        last = int(page.locator(f".lab.{lab} [data-role=t]").get_attribute("max"))
        drag(page, lab, round(last * i / (count - 1)))
        pictures = [pixels(page, f".lab.{lab} canvas[data-c={kind}]") for kind in kinds]
        together = np.concatenate(pictures, axis=axis)
        assert (shown[i] == enlarged(together, shown.shape[1] // together.shape[0])).all()


def test_the_losses_are_saved_for_each_noise_level(page):
    page.get_by_role("tab", name="Training", exact=True).click()
    said = page.locator(".lab.objective b[data-n=loss]:not(:text-is('–'))")
    said.wait_for()
    rows = table(page, "objective")
    assert [int(row["t"]) for row in rows] == [1, *range(20, 1001, 20)]
    drag(page, "objective", 30)
    assert float(said.inner_text()) == pytest.approx(float(rows[30]["loss"]), abs=1e-5)


# ---- films of prompts ------------------------------------------------------------------------------------


@pytest.fixture
def opened(browser, text_server):
    with text_tabs(browser, text_server, reduced_motion="reduce") as open_tab:
        yield open_tab


def test_a_prompts_film_and_its_code(opened, model, elsewhere):
    page = opened()
    expect(page.locator(".lab.text_to_image [data-role=t]")).to_have_attribute("data-made", "20")
    drag(page, "text_to_image", 20)
    name, shown = film_of(page, "text_to_image", "webp", 21)
    assert name.endswith("-seed0-dpm++2m-20steps.webp") and shown.shape == (21, 512, 512, 3)
    text = code(page, "text_to_image").replace(f"'{model.name}'", repr(str(model.folder)))
    for k, frame in ((20, shown[20]), (6, shown[6])):
        drag(page, "text_to_image", k)
        canvases = [
            pixels(page, f".lab.text_to_image .picture:nth-child({i}) canvas[data-c=decoded]")
            for i in range(1, 5)
        ]
        rows = [np.concatenate(canvases[i : i + 2], axis=1) for i in (0, 2)]
        assert (frame == enlarged(np.concatenate(rows), 8)).all()
        text = code(page, "text_to_image").replace(f"'{model.name}'", repr(str(model.folder)))
        assert distance(picture_by(text, Path.cwd()), np.concatenate(rows)) <= MIXED_ROUNDING
    assert len(table(page, "text_to_image")) == 20
    expect(menu(page, "text_to_image").locator(".thumbnails button")).to_have_count(6)


def test_a_journeys_film(opened):
    page = opened(inner="Interpolation")
    page.get_by_role("button", name="Interpolate").click()
    expect(page.locator(".lab.interpolation")).to_have_attribute("data-done", "true")
    name, shown = film_of(page, "interpolation", "webp", 9)
    assert name.endswith("-seed0-seed1.webp") and shown.shape == (9, 256, 256, 3)
    for k in (0, 4, 8):
        drag(page, "interpolation", k)
        assert (shown[k] == enlarged(pixels(page, ".lab.interpolation canvas[data-c=picture]"), 8)).all()
    assert [float(row["w"]) for row in table(page, "interpolation")] == [k / 8 for k in range(9)]


def test_a_pipelines_film(opened, pipeline_folder):
    page = opened(inner="A large one")
    panel = page.locator(".pipeline-panel")
    typed = page.locator("textarea, input:not([type=range])")
    for label, value in {"Pipeline": str(pipeline_folder), "Steps": "4"}.items():
        field = panel.get_by_label(label).and_(typed).first
        field.fill(value)
        field.press("Tab")
    panel.get_by_role("button", name="Draw", exact=True).click()
    expect(page.locator(".lab.pipeline [data-role=t]")).to_have_attribute("data-made", "4")
    name, shown = film_of(page, "pipeline", "webp", 5)
    assert name == "tiny-seed0-4steps.webp"
    drag(page, "pipeline", 4)
    page.wait_for_timeout(300)  # until the picture is decoded
    exact = pixels(page, ".lab.pipeline canvas[data-c=picture]")
    assert (shown[4] == enlarged(exact, len(shown[4]) // len(exact))).all()
    assert len(table(page, "pipeline")) == 4


# ---- the menu --------------------------------------------------------------------------------------------


def test_keys_open_and_close_it(page):
    summary = page.locator(".lab.forward details.save summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".lab.forward .save .menu")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".lab.forward [data-kind=gif]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".lab.forward .save .menu")).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    page.mouse.click(5, 5)
    expect(page.locator(".lab.forward .save .menu")).to_be_hidden()


def test_nothing_jumps_when_it_opens(reverse):
    below = """lab => ["transport", "formula"].map((name) => lab.querySelector(`.${name}`)
        .getBoundingClientRect().y - lab.getBoundingClientRect().y)"""
    lab = reverse.locator(".lab.reverse")
    before = lab.evaluate(below)
    menu(reverse, "reverse")
    assert lab.evaluate(below) == before


@pytest.mark.parametrize("width", [360, 820])
def test_it_fits_a_phone_and_a_finger(browser, whole_server, width):
    page = open_page(browser, whole_server, viewport={"width": width, "height": 800}, has_touch=True)
    for tab in ("Forward", "Schedules", "Reverse"):
        page.get_by_role("tab", name=tab).click()
        place = page.locator(f".lab.{tab.lower()} details.save")
        expect(place.locator("summary")).to_be_visible()
        menu(page, tab.lower())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for pressed in (place.locator("summary"), *place.locator("button:visible").all()):
            box = pressed.bounding_box()
            assert box["width"] >= 44 and box["height"] >= 44
            assert box["x"] >= 0 and box["x"] + box["width"] <= width
        page.keyboard.press("Escape")
    page.close()


def test_in_a_frame_of_another_site_code_is_copied_all_the_same(browser, server):
    """As in a Space: the frame has no permission for the clipboard, and downloads of its own."""
    framed = server.url.replace("127.0.0.1", "localhost")
    page_of = f'<iframe src="{framed}" width="1200" height="2400"></iframe>'
    outer = Starlette(routes=[Route("/", lambda request: HTMLResponse(page_of))])
    with serving(outer) as address:
        page = browser.new_page(viewport={"width": 1250, "height": 1000})
        page.goto(address)
        place = page.frame_locator("iframe").locator(".lab.forward details.save")
        place.locator("summary").click()
        place.locator("[data-role=save-code] button").click()
        expect(place.locator("textarea")).to_be_visible()
        expect(place.locator("[data-role=save-told]")).to_have_text("Copied")
        with page.expect_download() as download:
            place.locator("[data-role=save-table] button").click()
        assert download.value.suggested_filename == "forward-linear-seed0.csv"
        page.close()


def test_a_film_that_is_not_there_cannot_be_saved(browser, text_server):
    page = visit(browser, text_server)
    page.get_by_role("tab", name="Text to image").click()
    page.get_by_role("tab", name="Interpolation").click()
    place = menu(page, "interpolation")
    for pressed in place.locator("button:visible").all():
        expect(pressed).to_be_disabled()
    page.close()
