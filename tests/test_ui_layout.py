"""The layout: at every width, with the pictures as large as the window allows."""

import pytest
from conftest import needs_browser, open_page
from layout import DRAWS, TABS, measure, open_tab, press, still_page
from pages import frames

pytestmark = needs_browser
WIDTHS = range(320, 1921, 40)
SMALLEST_PICTURE, SMALLEST_SLIDER = 120, 180  # pixels of CSS
SMALLEST_LANE = 80  # of a picture where six stand beside each other
SLACK = 1  # pixels: boxes end between pixels
REMARK = 56  # pixels at most: a tiny model remarks that it has never seen a word of its prompt
WINDOWS = {
    "laptop": (1280, 800),
    "desktop": (1920, 1080),
    "phone": (390, 844),
    "tablet": (820, 1180),
}
SHARE = {"laptop": 0.45, "desktop": 0.5, "phone": 0.4, "tablet": 0.55}  # of a stage that its pictures fill
NO_FILM = ("Why latent?", "A large one")  # what they show first is bars, and fields to fill in


@pytest.fixture(scope="module")
def page(browser, whole_server):
    with still_page(browser, whole_server) as page:
        yield page


def smallest(tab: str) -> int:
    return SMALLEST_LANE if tab == "Race" else SMALLEST_PICTURE


@pytest.mark.parametrize("tab", TABS)
def test_every_width_has_room_for_all(page, tab):
    """No picture and no slider gets too small, no caption is cut, nothing scrolls sideways."""
    page.set_viewport_size({"width": 1280, "height": 800})
    open_tab(page, tab)
    if tab == "Interpolation":
        press(page, tab)
    problems = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        frames(page)
        seen = measure(page)
        small = [box for box in seen["pictures"] if box["width"] < smallest(tab) and width >= 360]
        narrow = [box for box in seen["sliders"] if box["width"] < SMALLEST_SLIDER]
        sideways = ["sideways"] if seen["page"] > width else []
        found = [*small, *narrow, *seen["cut"], *sideways]
        if found:
            problems.append((width, found))
    assert problems == []


@pytest.mark.parametrize("width", [640, 960])
def test_a_page_at_twice_its_size_has_room_for_all(browser, whole_server, width):
    """200 % zoom is half the width with twice the pixels."""
    page = open_page(browser, whole_server, viewport={"width": width, "height": 400}, device_scale_factor=2)
    for tab in TABS:
        open_tab(page, tab)
        seen = measure(page)
        assert seen["page"] <= width and seen["cut"] == [], tab
        assert min(box["width"] for box in seen["sliders"] or [{"width": SMALLEST_SLIDER}]) >= SMALLEST_SLIDER
        assert all(box["width"] >= smallest(tab) for box in seen["pictures"]), tab
    page.close()


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("tab", [tab for tab in TABS if tab not in NO_FILM])
def test_the_first_screen_has_picture_slider_and_button(page, tab, window):
    """On a phone, and for a tab within a tab, from the tabs down; pictures fill most of the stage."""
    width, height = WINDOWS[window]
    page.set_viewport_size({"width": width, "height": height})
    open_tab(page, tab)
    if tab == "Interpolation":
        press(page, tab)
    frames(page)
    seen = measure(page)
    largest = max(seen["pictures"], key=lambda box: box["width"] * box["height"])
    # Of a tab with panels below, each with its button, the first one's.
    needed = [largest, *seen["transport"], *(seen["primary"][:1] if tab in DRAWS else [])]
    nested = tab in ("Draw", "Interpolation")
    above = seen["top"] if nested or window == "phone" else 0
    slack = REMARK if nested else SLACK
    ends = {box["name"]: box["y"] + box["height"] - above for box in needed}
    assert {name: end for name, end in ends.items() if end > height + slack} == {}
    area = sum(box["width"] * box["height"] for box in seen["pictures"])
    assert area / (seen["stage"]["width"] * seen["stage"]["height"]) >= SHARE[window]
