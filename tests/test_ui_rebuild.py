"""The tab Your picture in a browser: ruined at once, rebuilt by the server; the pad; the panels below."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import needs_browser, open_page
from layout import open_tab
from pages import distance, drag, frames, pixels, until
from playwright.sync_api import expect
from test_ui_save import code, drawn_by, menu, saved

from diffusion import draw_noise, q_sample, sample, timesteps
from diffusion.data.images import to_signed, to_uint8

pytestmark = needs_browser
LAB = ".lab.rebuild"
WAIT = 60_000  # milliseconds at most


@pytest.fixture(scope="module")
def page(browser, whole_server):
    """The tab with its first film."""
    page = open_page(browser, whole_server, reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    open_tab(page, "Your picture")
    whole(page)
    yield page
    assert page.errors == []
    page.close()


def whole(page, steps=12):
    expect(page.locator(f"{LAB} input[data-role=t]")).to_have_attribute("data-made", str(steps))


def rebuild(page):
    before = page.locator(LAB).get_attribute("data-film")
    page.get_by_role("button", name="Rebuild", exact=True).click()
    expect(page.locator(LAB)).not_to_have_attribute("data-film", before)
    whole(page)


def grid(x):
    """(4, 1, 16, 16) as the page shows it."""
    return to_uint8(x).numpy().reshape(2, 2, 16, 16).swapaxes(1, 2).reshape(32, 32)


def shown(page, name):
    return pixels(page, f"{LAB} [data-c={name}]")[..., 0]


def ruin(page, t):
    page.locator(f"{LAB} input[data-role=start]").evaluate(
        "(s, t) => { s.value = t; s.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )
    frames(page, 3)


def test_the_browser_ruins_and_walks_as_python_does(page, tiny_model):
    x_0 = to_signed(torch.from_numpy(shown(page, "x_0").copy()))[None, None]
    noise = draw_noise((4, 1, 16, 16), torch.Generator().manual_seed(0))
    schedule = tiny_model.schedule
    for t in (1, 350, 1000):
        ruin(page, t)
        x_t = q_sample(schedule, x_0.expand_as(noise), torch.full((4,), t), noise)
        assert distance(shown(page, "x_t"), grid(x_t)) <= 2
    expect(page.locator(f"{LAB} figure.x_t figcaption")).to_contain_text("t = 1000, ruined")
    ruin(page, 800)  # that of the film
    x_t = q_sample(schedule, x_0.expand_as(noise), torch.full((4,), 800), noise)
    steps = timesteps(schedule, 12, 800)
    walk = list(sample(tiny_model.denoiser(), schedule, x_t, steps, sampler="dpm++2m"))
    for k in (0, 5, 12):
        drag(page, "rebuild", k)
        expected = walk[k].x_t if k < 12 else walk[-1].x_s
        assert distance(shown(page, "x_t"), grid(expected)) <= 2, k
    off = torch.tensor((shown(page, "x_0_hat").astype(float) - np.tile(shown(page, "x_0"), (2, 2))) ** 2)
    first = off[:16, :16].mean().sqrt().item()
    expect(page.locator(f"{LAB} [data-n=distances]")).to_contain_text(f": {first:.1f},")


def test_a_stroke_is_a_picture_for_every_tab_and_stays_through_a_reload(page):
    page.get_by_role("button", name="Draw a picture").click()
    pad = page.locator(".pad canvas")
    before = shown(page, "x_0")
    expect(page.locator(".pad .in-colour").first).to_be_hidden()  # this model knows grey alone
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 140)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, box["y"] + 140, steps=5)
    page.mouse.up()
    until(page, lambda: not np.array_equal(shown(page, "x_0"), before))
    stroke = shown(page, "x_0")
    assert stroke[:4].max() == 0 and stroke[8, 4:12].min() > 100  # white on black
    pad.focus()
    for key in (" ", *["ArrowDown"] * 8, " "):  # from the middle downwards
        page.keyboard.press(key)
    until(page, lambda: shown(page, "x_0")[11, 8] > 100)
    page.get_by_role("button", name="Undo").click()
    until(page, lambda: np.array_equal(shown(page, "x_0"), stroke))
    drawn = page.locator(".lab.forward .preset.mine")
    expect(drawn).to_have_count(1)
    page.wait_for_timeout(1500)  # until it is written
    page.reload()
    expect(page.locator(f"{LAB} .preset.mine")).to_have_attribute("aria-pressed", "true")
    until(page, lambda: np.array_equal(shown(page, "x_0"), stroke))
    expect(page.locator(".pad .in-colour").first).to_be_hidden()


def test_a_seed_that_is_none_is_told_and_the_film_stays(page):
    page.get_by_role("button", name="More").and_(page.locator(":visible")).first.click()
    seed = page.locator(".side:visible").get_by_label("Seed").first
    seed.fill("-1")
    seed.press("Tab")
    page.get_by_role("button", name="Rebuild", exact=True).click()
    told = page.get_by_role("alert").filter(has_text="The seed must be a whole number")
    expect(told).to_be_visible()
    whole(page)
    seed.fill("0")
    seed.press("Tab")


def test_what_is_ruined_and_not_rebuilt_says_what_to_press(page):
    hint, made = page.locator(f"{LAB} .to-press"), page.locator(f"{LAB} .made")
    rebuild(page)
    expect(hint).to_be_hidden()
    expect(made).to_be_visible()
    ruin(page, 300)
    expect(hint).to_have_text("Press “Rebuild”")
    expect(hint).to_be_visible()
    expect(made).to_be_hidden()  # it is of the film before
    drag(page, "rebuild", 5)
    expect(hint).to_be_hidden()
    expect(made).to_be_visible()


def test_the_panels_below_show_levels_codes_and_what_lies_between(page):
    expect(page.locator(".lab.between .to-press")).to_be_visible()
    page.get_by_role("button", name="From five t").click()
    levels = page.locator(".lab.levels")
    expect(levels).to_have_attribute("data-done", "true", timeout=WAIT)
    expect(levels.locator("figcaption")).to_have_count(7)  # of five columns, the picture, the chart
    expect(levels.locator("[data-role=said]")).to_contain_text("from t = 1000")
    page.get_by_role("button", name="Find it").click()
    codes = page.locator(".lab.codes")
    expect(codes).to_have_attribute("data-done", "true", timeout=2 * WAIT)
    expect(codes.locator("[data-role=said]")).to_contain_text("After 10 steps there and back")
    page.get_by_role("button", name="Go between").click()
    between = page.locator(".lab.between")
    expect(between).to_have_attribute("data-done", "true", timeout=2 * WAIT)
    expect(between.locator(".to-press")).to_be_hidden()
    drag(page, "between", 3)
    a, b = (pixels(page, f".lab.between [data-c={name}]")[..., 0] for name in ("fade", "picture"))
    assert a.shape == b.shape == (16, 16)
    expect(between.locator("[data-n=w]")).to_have_text("0.50")


def keep(page, lab, name, number=0):
    """Save one of the pictures on show, in this folder: its file is called so at the end."""
    found, content = saved(page, menu(page, lab).locator(".thumbnails button").nth(number))
    assert found.endswith(f"{name}.png")
    Path(found).write_bytes(content)


def columns(page, lab, rows, *, name):
    """Pictures of a comparison, of each column so many from above, as one."""
    place = f".lab.{lab} figure:nth-child({{}}) [data-c={name}] >> nth={{}}"
    count = page.locator(f".lab.{lab} .grid-of-levels figure").count()
    each = [[pixels(page, place.format(k, n)) for n in range(rows)] for k in range(2, count + 1)]
    return np.concatenate([np.concatenate(column) for column in each], axis=1)[..., 0]


def test_programs_make_what_all_of_it_shows(page, trained_pair, elsewhere):
    rebuild(page)  # what tests before have ruined last
    drag(page, "rebuild", 12)
    keep(page, "rebuild", "x_0-12")
    expected = [shown(page, "x_t")]
    keep(page, "levels", "x_0")
    expected.append(columns(page, "levels", 4, name="pictures"))
    keep(page, "codes", "x_0", 1)
    expected.append(columns(page, "codes", 1, name="back"))
    for k, name in ((0, "fade"), (6, "fade-6"), (4, None)):
        drag(page, "between", k)
        if name:
            keep(page, "between", name, 2)
    expected.append(pixels(page, ".lab.between [data-c=picture]")[..., 0])
    programs = [code(page, lab) for lab in ("rebuild", "levels", "codes", "between")]
    folder = repr(str(trained_pair[0]))
    made = drawn_by(*(program.replace("'tiny'", folder) for program in programs))
    for program, drawn, picture in zip(programs, made, expected):
        assert distance(drawn[..., 0], picture) <= 2, program


NOTE_WRITES = """
  const write = Storage.prototype.setItem;
  window.written = [];
  Storage.prototype.setItem = function (name, value) {
    window.written.push(value);
    write.call(this, name, value);
  };
"""


def test_while_a_page_is_laid_out_it_remembers_what_was_chosen(page):
    """Not what stands in the controls at first: who reloads twice, quickly, would get that."""
    side = page.locator(".side:visible").first
    for label, value in (("Checkpoint", "linear"), ("Class", "b")):
        field = side.get_by_label(label, exact=True).first
        field.click()
        page.get_by_role("option", name=value, exact=True).click()
        expect(field).to_have_value(value)
        page.wait_for_timeout(500)
    page.get_by_role("button", name="Rebuild", exact=True).click()
    expect(page.locator(f"{LAB} .made")).to_contain_text("class b")
    whole(page)

    def controls(text):
        return [value for key, value in json.loads(text)["values"].items() if key.startswith("controls-")]

    left = controls(page.evaluate("sessionStorage.getItem('diffusion')"))
    page.add_init_script(NOTE_WRITES)
    page.reload()
    expect(page.locator(f"{LAB} .made")).to_contain_text("class b")
    page.wait_for_timeout(1500)
    written = page.evaluate("window.written")
    assert written and all(controls(text) == left for text in written)
    expect(side.get_by_label("Checkpoint", exact=True).first).to_have_value("linear")
    expect(side.get_by_label("Class", exact=True).first).to_have_value("b")
