"""The tab Race in a real browser: lanes, curves, presets, links, and choices that follow each other."""

import re
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
import torch
from conftest import CHECKPOINTS, needs_browser, open_page, running_app
from pages import distance, drag, frames, pixels, until
from playwright.sync_api import expect
from test_ui_save import code, drawn_by, film_of, menu, saved

from diffusion.data.images import to_uint8
from diffusion.films.race import Start, race
from diffusion.ui.parts.race_request import LANES, checked_race_request
from diffusion.ui.text import labels

pytestmark = needs_browser
SLIDER = ".lab.race input[data-role=t]"
FILM_ROUNDING = 2  # grey levels: pictures travel coded, see films/coding.py
UNJUDGED = "no judge for these"


@pytest.fixture
def tab(browser, server):
    """The tab Race, in a page of its own, without motion."""
    page = open_page(browser, server, reduced_motion="reduce")
    page.get_by_role("tab", name="Race", exact=True).click()
    expect(page.locator(SLIDER)).to_have_attribute("data-made", "20")
    yield page
    assert page.errors == []
    page.close()
    assert not server.logged_traceback()


def side(page):
    return page.locator(".side:visible")


def steps_of(page):
    return [int(field.input_value()) for field in side(page).locator(".lanes input").all()]


def set_steps(page, *steps):
    for field, number in zip(side(page).locator(".lanes input").all(), steps):
        field.fill(str(number))
    page.wait_for_timeout(300)  # until Gradio has heard of it


def run(page, most):
    page.get_by_role("button", name="Race", exact=True).click()
    expect(page.locator(SLIDER)).to_have_attribute("max", str(most))
    expect(page.locator(SLIDER)).to_have_attribute("data-made", str(most))


def state_of(page):
    return {name: value for name, value in parse_qsl(urlsplit(page.url).query) if name != "lang"}


def lane(page, name):
    return page.locator(f".lab.race [data-lane={name}]")


def test_it_opens_with_a_race_whose_lanes_show_what_the_samplers_do(tab, tiny_model):
    expect(tab.locator(".lab.race .made")).to_contain_text("The race that this tab opens with")
    request = checked_race_request({"tiny": tiny_model}, [20] * 5 + [0], "*", 0, 1, "tiny", 1.5, 0.5)
    start = Start(tiny_model, 0, 1, torch.tensor([0]), 1.5)
    made = list(race(start, request.walks()))
    tab.locator(".lab.race input[value=both]").check()
    for k in (20, 1, 7, 0):
        drag(tab, "race", k)
        for name in made[0]:
            expect(lane(tab, name).locator("[data-role=calls]")).to_have_text(f"{k}/20")
            shown = {kind: pixels(tab, f"canvas[data-c={name}-{kind}]") for kind in ("x_t", "x_0_hat")}
            if k == 0:
                assert distance(shown["x_t"][..., 0], to_uint8(start.x_T)[0, 0].numpy()) <= 1
                assert (shown["x_0_hat"] == 128).all()  # nothing is predicted yet
                continue
            step = made[k - 1][name].step
            for kind, expected in (("x_t", step.x_s), ("x_0_hat", step.x_0_hat)):
                assert distance(shown[kind][..., 0], to_uint8(expected)[0, 0].numpy()) <= 2, (k, name, kind)
    expect(lane(tab, "dpm").locator("[data-role=verdict]")).to_be_empty()  # it has not arrived
    drag(tab, "race", 20)
    expect(lane(tab, "dpm").locator("[data-role=verdict]")).to_have_text("no judge for these")


def test_lanes_with_other_steps_hold_when_they_have_arrived(tab):
    set_steps(tab, 6, 0, 3, 2, 1)
    expect(side(tab).locator("[data-role=why]")).to_contain_text("Numbers of your own")
    run(tab, 6)
    expect(lane(tab, "ddpm_without_z")).to_have_class("lane ddpm_without_z off")
    drag(tab, "race", 2)
    calls = [
        lane(tab, name).locator("[data-role=calls]").inner_text() for name in ("ddpm", "ddim_eta", "dpm")
    ]
    assert calls == ["2/6", "2/2", "1/1"]
    before = pixels(tab, "canvas[data-c=dpm-x_0_hat]")
    drag(tab, "race", 6)
    assert (pixels(tab, "canvas[data-c=dpm-x_0_hat]") == before).all()
    told = tab.locator(SLIDER).get_attribute("aria-valuetext")
    assert told.startswith("6 of 6 calls, DDPM ") and "without z" not in told
    paths = tab.locator(".lab.race svg path.line")
    drawn = {path.get_attribute("class").split()[1]: path.get_attribute("d") for path in paths.all()}
    assert [name for name, d in drawn.items() if d] == ["ddpm", "ddim", "ddim_eta", "dpm"]
    assert drawn["ddpm"].count("L") == 5 and drawn["ddim"].count("L") == 2
    box = tab.locator(".lab.race svg[data-chart=distance]").bounding_box()
    tab.mouse.click(box["x"] + 45, box["y"] + 50)  # of the curves, the left end
    expect(tab.locator(".lab.race [data-role=number]")).to_have_value("1")


def test_presets_set_all_lanes(tab):
    for name, steps in (("one step each", [1] * 5 + [0]), ("equal quality", [20, 20, 10, 10, 5, 0])):
        preset = side(tab).get_by_role("button", name=name)
        preset.click()
        expect(preset).to_have_attribute("aria-pressed", "true")
        assert steps_of(tab) == steps
    side(tab).get_by_role("button", name="one step each").click()
    tab.wait_for_timeout(300)
    run(tab, 1)
    results = [
        pixels(tab, f"canvas[data-c={name}-x_0_hat]").astype(int) for name in LANES if name != "student"
    ]
    assert all(np.abs(result - results[0]).max() <= 1 for result in results)  # one jump, five times
    side(tab).get_by_role("button", name="equal calls").click()
    assert steps_of(tab) == [20] * 5 + [0]


def test_what_cannot_race_is_refused_and_nothing_is_lost(tab):
    set_steps(tab, 0, 0, 0, 0, 0)
    tab.get_by_role("button", name="Race", exact=True).click()
    problem = tab.get_by_role("alert").filter(has_text="Give at least one lane a step")
    expect(problem).to_be_visible()
    assert tab.locator(SLIDER).get_attribute("data-made") == "20"
    set_steps(tab, 1000, 1000, 1000, 1000, 1000)
    tab.get_by_role("button", name="Race", exact=True).click()
    expect(tab.get_by_role("alert").filter(has_text="at most 3,900 steps with 1 in each")).to_be_visible()
    set_steps(tab, 2, 2, 2, 2, 2)
    run(tab, 2)
    expect(tab.get_by_role("alert").filter(has_text="at most")).to_have_count(0)


def test_a_refusal_goes_with_the_settings_it_is_about_and_comes_with_them(tab):
    said = tab.locator(".problem-line .problem:visible")
    for _ in range(2):
        set_steps(tab, 0, 0, 0, 0, 0)
        tab.get_by_role("button", name="Race", exact=True).click()
        expect(said).to_have_text(labels()["race_nobody"])
        side(tab).locator("[data-preset]").first.click()
        expect(said).to_have_count(0)


def test_stop_ends_the_reference_and_the_race(tab):
    set_steps(tab, 900, 900, 900, 900, 200)
    side(tab).get_by_label("Seed", exact=True).fill("7")
    tab.keyboard.press("Tab")
    tab.get_by_role("button", name="Race", exact=True).click()
    told = tab.locator(".lab.race .progress span")
    expect(told).to_contain_text("first the reference:")
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(told).to_contain_text("Stopped in the reference, at ")
    tab.get_by_role("button", name="Race", exact=True).click()
    expect(tab.locator(SLIDER)).to_have_attribute("max", "900")
    tab.wait_for_function(f"Number(document.querySelector('{SLIDER}').dataset.made) > 3")
    tab.get_by_role("button", name="Stop", exact=True).click()
    expect(told).to_contain_text("Stopped at call ")
    kept = int(tab.locator(SLIDER).get_attribute("data-made"))
    tab.wait_for_timeout(700)
    assert int(tab.locator(SLIDER).get_attribute("data-made")) == kept < 900
    drag(tab, "race", 2)
    expect(lane(tab, "ddim").locator("[data-role=calls]")).to_have_text("2/900")


def test_a_lane_that_has_arrived_in_a_race_that_was_stopped_is_not_judged(browser, taught):
    page = open_page(browser, taught, viewport={"width": 1280, "height": 1180})
    page.get_by_role("tab", name="Race", exact=True).click()
    expect(page.locator(SLIDER)).to_have_attribute("data-made", "20")
    set_steps(page, 900, 0, 0, 0, 2)
    page.get_by_role("button", name="Race", exact=True).click()
    expect(page.locator(SLIDER)).to_have_attribute("max", "900")
    page.wait_for_function(f"Number(document.querySelector('{SLIDER}').dataset.made) > 4")
    verdict = lane(page, "dpm").locator("[data-role=verdict]")
    expect(verdict).to_have_text("recognised when all are there")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(verdict).to_have_text("stopped: not judged")
    page.close()


def test_a_link_runs_the_same_race_and_a_reload_keeps_it(browser, server, tab):
    set_steps(tab, 3, 0, 2, 0, 2)
    run(tab, 3)
    drag(tab, "race", 1)
    tab.locator(".lab.race input[value=x_t]").check()
    wanted = {"tab": "race", "steps": "3,0,2,0,2,0", "run": "1", "step": "1", "plane": "x_t"}
    until(tab, lambda: state_of(tab) == wanted)
    shown = pixels(tab, "canvas[data-c=ddpm-x_t]")
    other = browser.new_page(reduced_motion="reduce")
    other.goto(tab.url)
    for page in (other, tab):
        if page is tab:
            page.reload()
        expect(page.locator(SLIDER)).to_have_attribute("data-made", "3")
        expect(page.locator(SLIDER)).to_have_value("1")
        assert steps_of(page) == [3, 0, 2, 0, 2, 0]
        frames(page, 5)
        assert distance(pixels(page, "canvas[data-c=ddpm-x_t]"), shown) <= 1
    other.close()


def chosen(page):
    return side(page).get_by_label("Checkpoint", exact=True).first


def choose_checkpoint(page, name):
    chosen(page).click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(chosen(page)).to_have_value(name)


def test_a_checkpoint_that_is_chosen_by_hand_is_chosen_in_the_tabs_beside_it(tab):
    choose_checkpoint(tab, "linear")
    tab.get_by_role("tab", name="Reverse").click()
    side(tab).get_by_text("More", exact=True).click()
    expect(chosen(tab)).to_have_value("linear")
    choose_checkpoint(tab, "tiny")
    tab.get_by_role("tab", name="Race").click()
    expect(chosen(tab)).to_have_value("tiny")
    set_steps(tab, 1, 1, 1, 1, 1)
    run(tab, 1)
    expect(tab.locator(".lab.race .made")).to_contain_text("model “tiny”")


def test_what_is_on_show_can_be_saved(tab, trained_pair, elsewhere):
    set_steps(tab, 4, 0, 2, 0, 1)
    run(tab, 4)
    name, film = film_of(tab, "race", "webp", 5)
    assert name == "race-tiny-seed0-4calls.webp"
    lanes = [pixels(tab, f"canvas[data-c={each}-x_0_hat]") for each in ("ddpm", "ddim", "dpm")]
    together = np.concatenate(lanes, axis=1)
    scale = film.shape[1] // together.shape[0]
    assert (film[4][::scale, ::scale] == together).all()
    _, table = saved(tab, menu(tab, "race").get_by_role("button", name="CSV"))
    header, *rows = table.decode("utf-8-sig").splitlines()
    assert header.startswith("lane,call,t,s,") and header.endswith(",distance") and len(rows) == 7
    shown, programs = [], []
    for k, kind in ((4, "x_0_hat"), (2, "x_t"), (0, "x_0_hat")):  # DDIM and DPM-Solver++ wait for DDPM
        drag(tab, "race", k)
        tab.locator(f".lab.race input[value={kind}]").check()
        frames(tab)
        lanes = [pixels(tab, f"canvas[data-c={each}-{kind}]") for each in ("ddpm", "ddim", "dpm")]
        shown.append(np.concatenate(lanes, axis=1))
        programs.append(code(tab, "race").replace("'tiny'", repr(str(trained_pair[0]))))
    for k, (drawn, expected) in enumerate(zip(drawn_by(*programs), shown)):
        assert distance(drawn, expected) <= FILM_ROUNDING, k


def test_jumps_are_an_average_and_walks_are_draws(tab):
    tab.get_by_role("button", name="Why not jump at once?").click()
    start = tab.get_by_role("button", name="Jump from eight noises")
    start.click()
    expect(tab.locator(".lab.jump [data-role=fact]")).to_contain_text("The jumps differ from their mean by")
    walks = pixels(tab, ".lab.jump [data-c=walks]").astype(float)
    each = walks.reshape(16, 8, 16, 3).transpose(1, 0, 2, 3)
    assert np.abs(each.mean(0) - pixels(tab, ".lab.jump [data-c=mean]")).max() <= 1
    expect(tab.locator(".lab.jump .progress")).to_contain_text("20 steps in ")


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """The program with the digits that are shipped, and their student."""
    folders = [CHECKPOINTS / name for name in ("mnist", "mnist-student")]
    with running_app(tmp_path_factory.mktemp("taught"), *folders) as running:
        yield running


@pytest.mark.parametrize("width, columns", [(390, 3), (820, 4), (1280, 7)])
def test_a_student_races_in_a_lane_of_its_own_and_is_no_model_to_choose(browser, taught, width, columns):
    size = {"width": width, "height": 1180}
    page = open_page(browser, taught, viewport=size)
    page.get_by_role("tab", name="Race", exact=True).click()
    expect(page.locator(SLIDER)).to_have_attribute("data-made", "20")
    expect(lane(page, "student").locator("[data-role=calls]")).to_have_text("4/4")
    tops = [tile.bounding_box()["y"] for tile in page.locator(".lab.race [data-lane]").all()]
    assert tops.count(tops[0]) == min(columns, len(LANES))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    side(page).get_by_label("Checkpoint", exact=True).first.click()
    expect(page.get_by_role("option")).to_have_text([re.compile("mnist$")])
    page.keyboard.press("Escape")
    side(page).locator("[data-preset=one]").click()
    run(page, 1)  # in one message, and yet not played from its beginning like what ran before
    assert page.locator(".lab.race [data-role=play]").get_attribute("data-playing") != "true"
    expect(lane(page, "student").locator("[data-role=calls]")).to_have_text("1/1")
    expect(side(page).locator("[data-role=student-what]")).to_have_text(labels()["race_student_what"])
    assert page.errors == []
    page.close()
    assert not taught.logged_traceback()
