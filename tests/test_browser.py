"""The whole page in a browser: the first paint, narrow screens, motion, colours."""

import json
import time
from urllib.parse import urlsplit

import pytest
from conftest import DRAWN, needs_browser, open_page, visit
from pages import distance, frames, pixels, until
from playwright.sync_api import expect

EMPTY = (150, 300, 3)  # a canvas on which nothing was drawn
pytestmark = needs_browser


def test_first_paint_is_real_and_needs_no_other_host(browser, server):
    context = browser.new_context()
    page, hosts = context.new_page(), set()
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
    context.close()


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


def test_the_opening_film_can_be_paused_and_stays_so(browser, server):
    page = open_page(browser, server)
    play = page.locator(".hero [data-role=play]")
    expect(play).to_have_attribute("aria-pressed", "true")
    box = play.bounding_box()
    assert box["width"] >= 44 and box["height"] >= 44
    play.focus()
    page.keyboard.press("Enter")
    for _ in range(2):
        expect(play).to_have_attribute("aria-pressed", "false")
        still = pixels(page, ".hero canvas")
        time.sleep(1)
        assert distance(still, pixels(page, ".hero canvas")) == 0
        page.reload()
        page.wait_for_selector(DRAWN)
    play.click()
    until(page, lambda: distance(still, pixels(page, ".hero canvas")) > 0)
    page.close()


def test_reduced_motion_lets_the_opening_film_wait(browser, server):
    page = open_page(browser, server, reduced_motion="reduce")
    play = page.locator(".hero [data-role=play]")
    expect(play).to_have_attribute("aria-pressed", "false")
    until(page, lambda: pixels(page, ".hero canvas").shape != EMPTY)
    still = pixels(page, ".hero canvas")
    play.click()
    until(page, lambda: distance(still, pixels(page, ".hero canvas")) > 0)
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


def test_a_view_that_does_not_come_says_so(browser, server):
    """The other tabs work."""
    page = visit(browser, server)
    page.route("**/tabs/schedules.js", lambda route: route.abort())
    page.reload()
    page.wait_for_selector(DRAWN)
    page.get_by_role("tab", name="Schedules").click()
    expect(page.get_by_role("alert").filter(has_text="could not be loaded. Reload the page")).to_be_visible()
    page.get_by_role("tab", name="Reverse").click()
    expect(page.locator(".lab.reverse[data-film]")).to_be_visible()
    assert page.errors == []
    page.close()


def test_a_second_visit_fetches_no_module_again(browser, server):
    context = browser.new_context()
    modules = """() => performance.getEntriesByType('resource')
      .filter((entry) => entry.name.includes('/modules-')).map((entry) => entry.transferSize)"""
    for first in (True, False):
        page = context.new_page()
        page.goto(server.url)
        page.wait_for_selector(DRAWN)
        loaded = []
        while (now := page.evaluate(modules)) != loaded:  # until no more come
            loaded = now
            page.wait_for_timeout(1000)
        fetched = [size for size in loaded if size > 0]
        assert len(loaded) > 10 and (len(fetched) > 10 if first else not fetched)
        page.close()
    context.close()
