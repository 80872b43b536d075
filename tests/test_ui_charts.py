"""Charts: as large as their card, dragged sideways, scrolled past; what axes and bands say."""

import re

import pytest
import torch
from conftest import needs_browser, open_page
from pages import frames, until
from playwright.sync_api import expect

from diffusion import cosine_schedule, linear_schedule

pytestmark = needs_browser


@pytest.fixture
def phone(browser, server):
    """The tab Schedules on a phone."""
    page = open_page(browser, server, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.get_by_role("tab", name="Schedules").click()
    yield page
    page.close()


def t_of(page, tab="schedules") -> int:
    return int(page.locator(f".lab.{tab} input[data-role=t]").input_value())


def shown(page, name):
    """A chart in the middle of the window: where it is."""
    chart = page.locator(f"[data-chart={name}]")
    chart.evaluate("chart => chart.scrollIntoView({block: 'center'})")
    frames(page)
    return chart.bounding_box()


def swipe(page, x, y, dx, dy):
    """With one finger, as the browser sees it: it decides whether to scroll."""
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart", *["touchMove"] * 10, "touchEnd"]
    for i, kind in enumerate(kinds):
        points = [] if kind == "touchEnd" else [{"x": x + dx * i / 10, "y": y + dy * i / 10}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    frames(page, 4)


def test_a_finger_that_scrolls_past_a_chart_moves_no_t(phone):
    box = shown(phone, "alpha_bar")
    before, top = t_of(phone), phone.evaluate("scrollY")
    swipe(phone, box["x"] + 0.8 * box["width"], box["y"] + 60, 4, -200)
    until(phone, lambda: phone.evaluate("scrollY") > top + 50)
    assert t_of(phone) == before


def test_a_finger_drags_sideways_and_taps(phone):
    box = shown(phone, "alpha_bar")
    swipe(phone, box["x"] + 0.3 * box["width"], box["y"] + 60, 0.45 * box["width"], 5)
    assert 650 < t_of(phone) < 800
    phone.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 60)
    frames(phone)
    assert 150 < t_of(phone) < 300


def test_a_finger_that_scrolls_past_a_slider_moves_no_t(phone):
    slider = phone.locator(".lab.schedules input[data-role=t]")
    slider.evaluate("slider => slider.scrollIntoView({block: 'center'})")
    box, before = slider.bounding_box(), t_of(phone)
    swipe(phone, box["x"] + 0.9 * box["width"], box["y"] + 20, 0, -200)
    until(phone, lambda: t_of(phone) == before)


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_charts_fill_their_cards(browser, server, width):
    page = open_page(browser, server, viewport={"width": width, "height": 900})
    charts = {"curve": "Forward", "beta": "Schedules", "loss": "Training", "quartiles": "Training"}
    for name, tab in [*charts.items(), ("distance", "Race"), ("distance", "Your picture")]:
        page.get_by_role("tab", name=tab).click()
        chart = page.locator(f"[data-chart={name}]:visible")
        expect(chart.locator(".line").first).to_have_attribute("d", re.compile("M"))
        card = chart.locator("xpath=..").bounding_box()["width"]
        lines = chart.locator("line.grid").first.bounding_box()["width"]
        assert chart.bounding_box()["width"] > card - 30 and lines > card - 90, name
    page.close()


@pytest.mark.parametrize("tab", ["Forward", "Schedules", "Training", "Race", "Your picture"])
def test_no_label_of_an_axis_is_cut_off(page, tab):
    page.get_by_role("tab", name=tab, exact=True).click()
    expect(page.locator("svg[data-chart]:visible text").first).to_be_visible()
    frames(page)
    cut = page.locator("svg[data-chart]:visible text").evaluate_all(
        """all => all.filter((each) => {
          const [text, chart] = [each, each.closest("svg")].map((node) => node.getBoundingClientRect());
          return text.left < chart.left || text.right > chart.right;
        }).map((each) => each.textContent)"""
    )
    assert cut == []


def test_a_hand_that_was_pressed_elsewhere_moves_no_t(page):
    page.get_by_role("tab", name="Schedules").click()
    box, before = shown(page, "alpha_bar"), t_of(page)
    page.mouse.move(box["x"] + 60, box["y"] - 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.up()
    assert t_of(page) == before and page.errors == []


# ---- the axes of β ---------------------------------------------------------------------------------------


def line(page, name) -> list[tuple[float, float]]:
    """The points of a schedule's β."""
    path = page.locator(f"[data-chart=beta] path.{name}").get_attribute("d")
    return [tuple(map(float, point.split())) for point in re.split("[ML]", path)[1:]]


def bend(points) -> float:
    """How far the middle of a line is from the straight one between its ends, of its height."""
    (_, first), (_, middle), (_, last) = points[1], points[len(points) // 2], points[-1]
    return abs(middle - (first + last) / 2) / abs(first - last)


def test_linear_is_a_straight_line_on_a_linear_axis_and_each_axis_says_what_it_is(page):
    page.get_by_role("tab", name="Schedules").click()
    chart = page.locator("figure:has([data-chart=beta])")
    expect(chart).to_contain_text("linear axis; cosine goes on to 0.999")
    assert bend(line(page, "linear")) < 0.01 < bend(line(page, "cosine"))
    page.locator("[data-role=beta-axis] [value=log]").check()
    expect(chart).to_contain_text("logarithmic axis")
    expect(chart).not_to_contain_text("linear axis;")
    assert bend(line(page, "linear")) > 0.2


def test_the_share_of_steps_that_is_nearly_noise_is_shaded_on_curves_and_framed_on_strips(page):
    page.get_by_role("tab", name="Schedules").click()
    expect(page.locator(".strip .drowned").first).to_be_visible()
    for name, schedule in (("linear", linear_schedule()), ("cosine", cosine_schedule())):
        drowned = [t for t in range(1, 1001) if schedule.snr(torch.tensor([t])) < 0.01]
        for chart in ("beta", "alpha_bar", "log_snr"):
            grid, band = (
                page.locator(f"[data-chart={chart}] {part}").first.bounding_box()
                for part in ("line.grid", f"rect.{name}")
            )
            share = band["width"] / grid["width"]
            assert share == pytest.approx(1 - drowned[0] / 1000, abs=0.02), (name, chart)
        framed = page.locator(f"[data-strip={name}] .drowned").all_inner_texts()
        assert [int(t) for t in framed] == [t for t in range(0, 1001, 100) if t in drowned]
