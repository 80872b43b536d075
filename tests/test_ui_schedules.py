"""The tab Schedules: two schedules on one picture, and which two models are shown side by side."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import needs_browser
from pages import distance, drag, noisy, pixels
from playwright.sync_api import expect

from diffusion import cosine_schedule, linear_schedule
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.tabs import schedules


def test_a_pair_is_trained_alike_in_all_but_the_schedule(tiny_model):
    def model(schedule, **about):
        settings = {"schedule": schedule, "seed": 0}
        about = {"settings": settings, "data": "d", "images_seen": 8} | about
        return replace(tiny_model, schedule_name=schedule, about=about)

    cosine, linear = model("cosine"), model("linear")
    assert list(schedules.trained_pair({"a": cosine, "b": linear})) == ["linear", "cosine"]
    assert schedules.trained_pair({"a": cosine, "b": model("linear", images_seen=9)}) is None
    assert schedules.trained_pair({"a": cosine, "b": model("cosine")}) is None
    assert schedules.trained_pair({"a": tiny_model, "b": tiny_model}) is None


# ---- in a browser ----------------------------------------------------------------------------------------


def read(page, schedule, key):
    return page.locator(f"[data-panel={schedule}] [data-n={key}]").inner_text()


@pytest.fixture
def opened(page):
    """The tab, when its slider moves what stands there."""
    page.get_by_role("tab", name="Schedules", exact=True).click()
    expect(page.locator(".lab.schedules input[data-role=t]")).to_have_attribute("data-made", "1000")
    return page


@needs_browser
def test_schedules_side_by_side(opened):
    page = opened
    picture = next(iter(preset_pictures().values()))
    for t in (100, 600):
        drag(page, "schedules", t)
        for name, schedule in (("linear", linear_schedule()), ("cosine", cosine_schedule())):
            assert distance(pixels(page, f".lab.schedules [data-c={name}]"), noisy(schedule, picture, t)) <= 1
    expect(page.locator(".lab.schedules .fact")).to_contain_text("33 %")
    expect(page.locator(".lab.schedules .fact")).to_contain_text("6 %")


@needs_browser
def test_equal_snr_shows_equal_pictures_and_is_held_at_the_ends(opened):
    page = opened
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


@needs_browser
def test_length_can_be_changed(opened):
    page = opened
    page.locator(".lab.schedules [data-role=length]").evaluate(
        "slider => { slider.value = 20; slider.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    expect(page.locator(".lab.schedules input[data-role=t]")).to_have_attribute("max", "20")
    drag(page, "schedules", 20)
    assert float(read(page, "linear", "snr").replace("−", "-")) < -20


@needs_browser
def test_curves_can_be_dragged_and_thumbnails_clicked(opened):
    """Both move t, here and in the Forward tab."""
    page = opened
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


@needs_browser
def test_two_trained_schedules_are_shown_side_by_side(opened):
    page = opened
    expect(page.locator(".lab.trained input[data-role=t]")).to_have_attribute("data-made", "6")
    drag(page, "trained", 0)
    start = [pixels(page, f".lab.trained canvas[data-c={name}]") for name in ("linear", "cosine")]
    drag(page, "trained", 6)
    end = [pixels(page, f".lab.trained canvas[data-c={name}]") for name in ("linear", "cosine")]
    assert np.array_equal(*start) and not np.array_equal(*end)  # the same noise to begin with
    assert page.locator(".lab.trained [data-role=curves]").is_hidden()  # nothing was measured
