"""The Plane tab as people use it: paths that follow a hand, a drawing, a network, a link, no server."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from conftest import needs_browser, open_page
from pages import distance, drag, frames, pixels, until
from PIL import Image
from playwright.sync_api import expect
from test_ui_save import code, menu, saved, table

from diffusion import linear_schedule
from diffusion.ui.parts.modules import ADDRESS

pytestmark = needs_browser
CANVAS = ".lab.plane canvas[data-c=plane]"


def open_plane(page):
    page.get_by_role("tab", name="Plane", exact=True).click()
    expect(page.locator(".lab.plane [data-role=start-told]")).to_contain_text("ddim at")
    frames(page)
    return page.locator(".lab.plane")


@pytest.fixture
def page(browser, whole_server):
    page = open_page(browser, whole_server, reduced_motion="reduce", viewport={"width": 1280, "height": 800})
    yield page
    assert page.errors == []
    page.close()


@pytest.fixture
def lab(page):
    return open_plane(page)


def choose(lab, role, value):
    lab.locator(f"[data-role={role}] [value='{value}']").check(force=True)


def ends(lab) -> list[tuple[float, float]]:
    """Where the paths of the three samplers end."""
    told = lab.locator("[data-role=start-told]").inner_text().replace("−", "-")
    return [(float(x), float(y)) for x, y in re.findall(r"\((-?[\d.]+), (-?[\d.]+)\)", told)][1:]


def place(page, x, y):
    """Of the plane, in pixels of the window."""
    box = page.locator(CANVAS).bounding_box()
    return box["x"] + box["width"] * (x / 6.8 + 0.5), box["y"] + box["height"] * (0.5 - y / 6.8)


def stroke(page, *places):
    """Draw with the mouse."""
    page.mouse.move(*place(page, *places[0]))
    page.mouse.down()
    for each in places[1:]:
        page.mouse.move(*place(page, *each), steps=8)
    page.mouse.up()


def test_it_opens_with_a_density_arrows_and_paths(page, lab):
    picture = pixels(page, CANVAS)
    assert len({tuple(each) for each in picture[::7, ::7].reshape(-1, 3)}) > 50
    assert "t = 400" in page.locator(CANVAS).get_attribute("aria-label")
    expect(lab.locator("[data-n=alpha_bar]").last).to_have_text("0.1951")
    expect(lab.locator("[data-n=copies]")).to_contain_text("of 25")
    drag(page, "plane", 20)
    assert distance(picture, pixels(page, CANVAS)) > 100
    expect(lab.locator("[data-role=told]")).to_contain_text("only the nearest points")


def test_the_whole_path_follows_a_hand(page, lab):
    """Dragged, moved with keys, and put there with a click; 0 noise added means that near starts end near."""
    handle = lab.locator("[data-role=handle]")
    before = ends(lab)
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 22, box["y"] + 22)
    page.mouse.down()
    page.mouse.move(*place(page, 2.5, 2.0), steps=4)
    page.mouse.up()
    assert re.search(r"\(2\.5\d?, (2\.0\d?|1\.99)\)", handle.get_attribute("aria-label"))
    until(page, lambda: ends(lab) != before)
    dragged = ends(lab)
    handle.press("ArrowLeft")
    handle.press("Shift+ArrowDown")
    until(page, lambda: ends(lab) != dragged)
    assert re.search(r"\(2\.4\d?, 1\.7\d?\)", handle.get_attribute("aria-label"))
    page.mouse.click(*place(page, -2, 0))
    until(page, lambda: "(−2.0" in handle.get_attribute("aria-label"))
    choose(lab, "shape", "gaussians")
    until(page, lambda: ends(lab) != dragged)
    ddim = ends(lab)[1]
    assert ddim[0] < -0.8 and abs(ddim[1]) < 1.6


def test_programs_make_the_same_places_of_the_points_that_are_saved(page, lab, elsewhere):
    page.mouse.click(*place(page, 1, -1.5))  # a start that was put by a hand
    choose(lab, "sampler", "ddpm")
    lab.locator("[data-role=steps]").fill("20")
    walked = table(page, "plane")
    drag(page, "plane", 200)
    programs = [code(page, "plane")]
    name, points = saved(page, menu(page, "plane").locator("[data-role=save-points] button"))
    assert name == "plane-moons-2000points-seed0.csv"
    Path(name).write_bytes(points)
    choose(lab, "direction", "forward")
    programs.append(code(page, "plane"))
    lab.locator("[data-role=markov]").check()
    programs.append(code(page, "plane"))
    told = "\nprint(x_t.tolist())\n"
    done = subprocess.run(
        [sys.executable, "-c", told.join([*programs, ""])], check=True, timeout=300, capture_output=True
    )
    walkers, jumped, chained = (np.array(json.loads(line)) for line in done.stdout.splitlines())
    there = [(float(row["x_s"]), float(row["y_s"])) for row in walked if row["s"] == "200"]
    assert len(there) == 25 and np.abs(walkers - there).max() < 1e-3
    body = """async ([folder, text]) => {
      const { Scene } = await import(`${folder}/tabs/plane_scene.js`);
      const { levelAt } = await import(`${folder}/lib/schedules.js`);
      const scene = new Scene();
      scene.set({ tables: { T: 1000, linear: JSON.parse(text) } });
      return [scene.cloud(levelAt(scene.table, 200)), scene.chain[200]].map((each) => Array.from(each));
    }"""
    table_of = json.dumps(linear_schedule().alphas_cumprod.tolist())
    clouds = page.evaluate(body, [page.evaluate("window.gradio_config.root") + ADDRESS, table_of])
    for found, wanted in zip((jumped, chained), clouds):
        assert np.abs(found.ravel() - wanted).max() < 1e-4
    names = [f"plane-moons-{way}-seed0-200.png" for way in ("chain", "jump", "walk")]
    assert sorted(map(str, Path().glob("*.png"))) == names
    for name, least in zip(names, (100, 1000, 3000)):  # points and, of walks, lines
        picture = np.asarray(Image.open(name)).astype(int)
        assert (picture[..., 2] - picture[..., 0] > 200).sum() > least, name


def test_one_step_leads_everybody_to_the_middle(page, lab):
    lab.get_by_role("button", name="Jump there at once").click()
    expect(lab.locator("[data-role=told]")).to_contain_text("One single step")
    assert all(abs(x) < 0.05 and abs(y) < 0.05 for x, y in ends(lab))
    lab.locator("[data-role=steps]").fill("60")
    until(page, lambda: all(x * x + y * y > 0.04 for x, y in ends(lab)))


def test_the_exact_denoiser_returns_its_training_points(page, lab):
    lab.get_by_role("button", name="Learned by heart").click()
    copies = lab.locator("[data-n=copies]")
    expect(lab.locator("[data-n=ends]")).to_have_text("0.000")
    assert int(copies.inner_text().split()[0]) >= 18  # at t = 10, the last, some points are still one
    expect(lab.locator("[data-role=told]")).to_contain_text(f"{copies.inner_text()} copy a training point")
    expect(lab.locator("[data-n=new]")).not_to_have_text("0.000")


def test_single_steps_are_spread_like_a_jump(page, lab):
    lab.get_by_role("button", name="Go in single steps").click()
    told = lab.locator("[data-role=told]")
    expect(told).to_contain_text("from the present one alone")
    measured, theory = map(
        float, re.search(r"x₀ (\d\.\d+), in theory 1 − ᾱ = (\d\.\d+)", told.inner_text()).groups()
    )
    assert abs(measured - theory) < 4 * theory * (2 / 500) ** 0.5
    expect(lab.locator("[data-role=handle]")).to_be_hidden()
    drag(page, "plane", 0)
    expect(told).to_contain_text("2000 points drawn from a distribution")


def test_playing_goes_from_noise_to_data_or_the_other_way(page, lab):
    slider, play = lab.locator("[data-role=t]"), lab.locator("[data-role=play]")
    for direction, towards in (("reverse", -1), ("forward", 1)):
        choose(lab, "direction", direction)
        drag(page, "plane", 500)
        play.click()
        until(page, lambda: (int(slider.input_value()) - 500) * towards > 5)  # noqa: B023
        play.click()


def test_a_distribution_is_drawn_with_mouse_and_keys(page, lab):
    choose(lab, "shape", "own")
    pad, canvas = lab.locator("[data-role=pad-open]"), page.locator(CANVAS)
    expect(pad).to_have_text("Done")
    expect(lab.locator("[data-role=pad-undo]")).to_be_disabled()
    stroke(page, (-2, 0), (-1, 1), (0, 0))
    stroke(page, (0, -1), (1, -1))
    lab.locator("[data-role=pad-undo]").click()
    canvas.focus()
    for key in (*["ArrowRight"] * 10, " ", *["ArrowUp"] * 10, " "):
        page.keyboard.press(key)
    pad.click()
    expect(pad).to_have_text("Draw")
    expect(lab.locator("[data-n=copies]")).to_contain_text("of 25")
    until(page, lambda: "drawing=" in page.url)
    strokes = parse_qs(urlsplit(page.url).query)["drawing"][0].split(".")
    assert len(strokes) == 2
    drag(page, "plane", 0)
    assert max(abs(value) for end in ends(lab) for value in end) < 3
    lab.locator("[data-role=pad-clear]").click()
    expect(pad).to_have_text("Done")
    expect(lab.locator("[data-n=copies]")).to_have_text("–")
    expect(lab.locator("[data-role=told]")).to_contain_text("2000 points are drawn from it")
    pad.click()
    expect(lab.locator("[data-role=told]")).to_contain_text("Nothing is drawn yet")


def test_a_link_opens_what_was_on_show(page, lab, browser, whole_server):
    for role, value in {
        "shape": "han", "schedule": "cosine", "arrows": "v", "sampler": "ddpm", "points": "200",
    }.items():  # fmt: skip
        choose(lab, role, value)
    lab.locator("[data-role=steps]").fill("33")
    lab.locator("[data-role=seed]").fill("7")
    lab.locator("[data-role=seed]").press("Tab")
    page.mouse.click(*place(page, 1, -1.5))
    drag(page, "plane", 250)
    until(page, lambda: "start=" in page.url and "t=250" in page.url)
    shown, picture = ends(lab), pixels(page, CANVAS)
    page.reload()
    lab = open_plane(page)
    assert ends(lab) == shown
    other = browser.new_page(reduced_motion="reduce", viewport={"width": 1280, "height": 800})
    other.goto(page.url)
    expect(other.locator(".lab.plane [data-role=start-told]")).to_contain_text("ddim at", timeout=60_000)
    until(other, lambda: ends(other.locator(".lab.plane")) == shown)
    other.mouse.move(0, 0)
    frames(other, 4)
    assert distance(picture, pixels(other, CANVAS)) <= 1
    other.close()


def test_a_seed_that_is_none_is_refused(page, lab):
    seed = lab.locator("[data-role=seed]")
    seed.fill("-3")
    seed.press("Tab")
    expect(lab.locator("[data-role=seed-problem]")).to_contain_text("whole number from 0")
    expect(seed).to_have_value("0")
    before = ends(lab)
    lab.locator("[data-role=anew]").click()
    expect(seed).to_have_value("1")
    until(page, lambda: ends(lab) != before)
    expect(lab.locator("[data-role=seed-problem]")).to_be_hidden()


def test_a_network_learns_in_the_page_with_the_server_gone(page, lab):
    """And all else goes on as well."""
    page.context.set_offline(True)
    exact = ends(lab)
    choose(lab, "denoiser", "network")
    learned = lab.locator("[data-n=learned]")
    until(page, lambda: int(re.search(r"Step (\d+)", learned.inner_text())[1]) >= 40, seconds=60)
    until(page, lambda: ends(lab) != exact)
    lab.locator("[data-role=train]").click()
    expect(lab.locator("[data-role=train]")).to_have_text("Train anew")
    frames(page)
    stopped = learned.inner_text()
    drag(page, "plane", 0)
    expect(lab.locator("[data-role=told]")).to_contain_text("of 2000 steps of training")
    page.wait_for_timeout(500)
    assert learned.inner_text() == stopped
    choose(lab, "denoiser", "exact")
    until(page, lambda: ends(lab) == exact)
    choose(lab, "denoiser", "network")  # what was learned for this distribution is still there
    assert learned.inner_text() == stopped
    page.context.set_offline(False)
    page.wait_for_timeout(1500)  # it is kept within a second
    page.reload()
    lab = open_plane(page)
    expect(lab.locator("[data-n=learned]")).to_have_text(stopped)  # and no training has begun
