"""Where the course's card stands: beside the tabs, as a sheet that folds, or above them in a frame."""

import json

import pytest
from conftest import DRAWN, needs_browser
from pages import frames
from playwright.sync_api import expect

from diffusion.ui.text import labels, lessons, speaking
from tools import look

pytestmark = needs_browser
WIDE, NARROW = (1200, 1280, 1920, 2560), (360, 390, 820, 1199)
CARD, TABS = ".lab.lessons", ".taught > .tabs"
POINTED = """() => {
  const box = (selector) => document.querySelector(selector)?.getBoundingClientRect();
  const [place, card] = [box(".pointed"), box(".lab.lessons")];
  return place && place.top > -1 && place.bottom < card.top + 1;
}"""  # boxes end between pixels
with speaking("ko"):
    KOREAN = labels()


@pytest.fixture
def page(browser, whole_server):
    page = look.open_page(browser, whole_server.url, "ko", "light")
    look.open_course(page, "ko")
    yield page
    assert page.errors == []
    page.close()


def resize(page, width, height=800):
    page.set_viewport_size({"width": width, "height": height})
    frames(page)


def ends(page, selector):
    """Left, top, right and lower end of what is in the window."""
    box = page.locator(selector).first.bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def test_on_wide_windows_it_stands_beside_the_tabs_and_stays_in_sight(page):
    for width in WIDE:
        resize(page, width)
        page.evaluate("scrollTo(0, 0)")
        frames(page)
        card, tabs = ends(page, CARD), ends(page, TABS)
        assert tabs[2] < card[0] and card[2] <= width and abs(card[1] - tabs[1]) < 1, width
        page.evaluate("scrollTo(0, 300)")
        frames(page)
        assert ends(page, CARD)[1] >= 0 and ends(page, CARD)[3] <= 800, width
        assert look.sideways(page) == []
    page.locator(CARD).get_by_role("button", name=KOREAN["close"], exact=True).click()
    expect(page.get_by_role("button", name=KOREAN["course"], exact=True)).to_be_focused()
    assert ends(page, TABS)[2] > 1700  # they have its room again


@pytest.mark.parametrize("width", NARROW)
def test_else_it_is_a_sheet_that_covers_neither_what_it_points_at_nor_the_pages_end(page, width):
    resize(page, width)
    left, top, right, bottom = ends(page, CARD)
    assert (left, right, bottom) == (0, width, 800) and top > 300
    for i in (2, 5, 6):
        page.locator(".lessons .numbers button").nth(i).click()
        page.get_by_role("button", name=KOREAN["course_where"], exact=True).click()
        page.wait_for_function(POINTED, timeout=60_000)
        expect(page.locator(".pointed")).to_have_count(0)  # it is shown for a moment
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    frames(page)
    assert ends(page, "footer")[3] <= ends(page, CARD)[1]
    assert look.sideways(page) == []


def test_a_folded_sheet_says_what_is_next(page):
    resize(page, 390)
    fold = page.get_by_role("button", name=KOREAN["course_fold"], exact=True)
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.click()
    frames(page)
    assert ends(page, CARD)[1] > 650
    expect(page.locator(".lessons .now")).to_be_visible()
    expect(page.locator(".lessons .numbers")).to_be_hidden()
    page.reload()
    unfold = page.get_by_role("button", name=KOREAN["course_unfold"], exact=True)
    expect(unfold).to_have_attribute("aria-expanded", "false")
    unfold.press("Enter")
    expect(page.locator(".lessons .numbers")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_frame_that_grows_with_the_page_nothing_is_fixed(browser, whole_server, width):
    context = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    address = f"{whole_server.url}/?lang=ko"
    page.set_content(f'<iframe src="{address}" style="width: {width - 40}px; height: 3000px"></iframe>')
    framed = page.frame_locator("iframe")
    framed.locator(DRAWN).wait_for()
    framed.get_by_role("button", name=KOREAN["course"], exact=True).click()
    positions = "node => [node, node.closest('.taught > *')].map(each => getComputedStyle(each).position)"
    assert set(framed.locator(CARD).evaluate(positions)) <= {"static", "relative"}
    card, tabs = framed.locator(CARD).bounding_box(), framed.locator(TABS).bounding_box()
    assert card["y"] < 200
    assert card["x"] > tabs["x"] + 500 if width > 1200 else card["y"] + card["height"] <= tabs["y"]
    context.close()


def test_when_all_is_done_it_says_where_to_go_next(page):
    expect(page.locator(".lessons [data-role=end]")).to_be_hidden()
    with speaking("ko"):
        cards = lessons()
    whole = {"open": True, "lesson": 6, "done": [len(card["tasks"]) for card in cards], "guesses": [1] * 7}
    page.evaluate("progress => localStorage.setItem('diffusion course', progress)", json.dumps(whole))
    page.reload()
    expect(page.locator(".lessons .numbers button")).to_have_text([f"{i} ✓" for i in range(1, 8)])
    expect(page.locator(".lessons [data-role=end]")).to_have_text(KOREAN["course_end"])
    page.get_by_role("button", name=KOREAN["course_afresh"], exact=True).click()
    expect(page.locator(".lessons .numbers button")).to_have_text(
        [f"{i} ✓" for i in range(1, 8)]
    )  # it takes two presses
    page.get_by_role("button", name=KOREAN["course_afresh_sure"], exact=True).click()
    expect(page.locator(".lessons [data-role=end]")).to_be_hidden()


def test_the_formula_of_a_single_step_stays_in_its_box(page):
    page.locator(".lab.forward [data-role=markov]").check()
    for width in (*NARROW, 1000, *WIDE):
        resize(page, width)
        over = "nodes => nodes.map(node => node.scrollWidth - node.clientWidth)"
        assert max(page.locator(".lab.forward .formula, .lab.forward .formula p").evaluate_all(over)) <= 0
