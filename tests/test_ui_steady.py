"""Nothing jumps: what is under the hand stays where it is, whatever the hand does."""

import re
from collections.abc import Callable

import pytest
from conftest import needs_browser
from layout import open_tab, still_page
from pages import frames
from playwright.sync_api import Locator, Page, expect

from diffusion.ui.text import labels

pytestmark = needs_browser
STILL = 1.5  # pixels
WAIT = 60_000  # milliseconds at most
SIZES = {"phone": (390, 844), "laptop": (1280, 800)}


@pytest.fixture(params=SIZES)
def page(browser, whole_server, request):
    width, height = SIZES[request.param]
    with still_page(browser, whole_server, viewport={"width": width, "height": height}) as page:
        yield page


@pytest.fixture(scope="module", params=SIZES)
def used(browser, whole_server, request):
    """A page on which other tests have opened tabs and chosen things: it needs not be as it comes."""
    width, height = SIZES[request.param]
    with still_page(browser, whole_server, viewport={"width": width, "height": height}) as page:
        yield page


def watch(page: Page, hand: Locator) -> Callable[[], float]:
    """Note at every frame from now on where this is on the screen; returns how far it has been moved."""
    hand.evaluate(
        """node => {
          const at = () => node.getBoundingClientRect().y;
          const first = at();
          window.moved = 0;
          window.watched = node;
          (function look() {
            if (window.watched !== node) return;
            window.moved = Math.max(window.moved, Math.abs(at() - first));
            requestAnimationFrame(look);
          })();
        }"""
    )

    def moved() -> float:
        frames(page, 5)
        return page.evaluate("window.moved")

    return moved


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True).and_(page.locator(":visible"))


def scrub(page: Page, view: str) -> float:
    """Move the slider from its end through all to its start and back; returns how far it was moved."""
    slider = page.locator(f".lab.{view} .transport [data-role=t]")
    expect(slider).to_have_attribute("data-made", re.compile(r"\d"))
    slider.scroll_into_view_if_needed()
    moved = watch(page, slider)
    for share in (1, 0.97, 0.5, 0.03, 0, 1):
        slider.evaluate(
            """(node, share) => {
              node.value = Math.round(share * node.max);
              node.dispatchEvent(new Event('input', { bubbles: true }));
            }""",
            share,
        )
        frames(page)
    return moved()


@pytest.mark.parametrize(
    "tab, view",
    [
        ("Forward", "forward"),
        ("Schedules", "schedules"),
        ("Schedules", "trained"),
        ("Reverse", "reverse"),
        ("Training", "objective"),
        ("Training", "training"),
        ("Draw", "text_to_image"),
        ("Plane", "plane"),
        ("Race", "race"),
        ("Your picture", "rebuild"),
    ],
)
def test_scrubbing_moves_no_slider(used, tab, view):
    open_tab(used, tab)
    assert scrub(used, view) <= STILL


def test_the_first_film_moves_no_button_and_its_steps_no_slider(page):
    open_tab(page, "Reverse")
    sample = button(page, "Sample")
    moved = watch(page, sample)
    sample.click()
    expect(page.locator(".lab.reverse .made")).to_contain_text("4 images", timeout=WAIT)
    expect(page.locator(".lab.reverse [data-role=t]")).to_have_attribute("max", "20", timeout=WAIT)
    assert moved() <= STILL
    assert scrub(page, "reverse") <= STILL


def test_no_verdict_moves_the_slider_below_it(page):
    """Of all that judges say of one picture."""
    open_tab(page, "Race")
    text = labels()
    recognised = text["race_recognised"].format(digit=8, percent=100)
    names = ("race_judge_no_classifier", "race_sharp_cat", "cat_unsharp", "cat_unclear", "cat_impossible")
    said = [text["race_not_asked"].format(words=recognised, asked=9), *(text[name] for name in names), ""]
    slider = page.locator(".lab.race .transport [data-role=t]")
    slider.scroll_into_view_if_needed()
    moved = watch(page, slider)
    for sentence in said:
        for place in page.locator(".lab.race [data-role=verdict]").all():
            place.evaluate("(place, sentence) => { place.textContent = sentence; }", sentence)
            frames(page)
            assert place.evaluate("place => place.scrollHeight <= place.clientHeight"), sentence
    assert moved() <= STILL


def test_a_refusal_moves_no_button(page):
    open_tab(page, "Reverse")
    page.locator(".steps:visible [data-role=number]").fill("2000")
    sample = button(page, "Sample")
    sample.scroll_into_view_if_needed()
    moved = watch(page, sample)
    sample.click()
    expect(page.locator(".problem:visible")).to_contain_text("The number of steps", timeout=WAIT)
    assert moved() <= STILL


def test_drawing_moves_no_button(page):
    open_tab(page, "Draw")
    page.get_by_label("Prompt", exact=True).fill("zzz green heart")
    page.keyboard.press("Tab")
    page.wait_for_timeout(
        1000
    )  # what is said of the prompt comes below its field, before anything is pressed
    draw, before = button(page, "Draw"), page.locator(".lab.text_to_image").get_attribute("data-film")
    draw.scroll_into_view_if_needed()
    moved = watch(page, draw)
    draw.click()
    expect(page.locator(".lab.text_to_image")).not_to_have_attribute("data-film", before, timeout=WAIT)
    page.wait_for_selector(".lab.text_to_image .neighbour", timeout=WAIT)
    assert moved() <= STILL


def test_the_first_interpolation_moves_no_button_and_its_steps_no_slider(page):
    open_tab(page, "Interpolation")
    interpolate = button(page, "Interpolate")
    interpolate.scroll_into_view_if_needed()
    moved = watch(page, interpolate)
    interpolate.click()
    page.wait_for_selector(".lab.interpolation[data-done=true]", timeout=WAIT)
    assert moved() <= STILL
    assert scrub(page, "interpolation") <= STILL


@pytest.mark.parametrize(
    "tab, choice",
    [
        ("Forward", ".lab.forward [data-role=markov]"),
        ("Forward", ".lab.forward [value=cosine]"),
        ("Forward", ".lab.forward .preset:nth-of-type(2)"),
        ("Schedules", ".lab.schedules [value=snr]"),
        ("Training", ".lab.objective .preset:last-of-type"),
        ("Training", ".lab.objective [data-role=other-noise]"),
        ("Draw", ".lab.text_to_image .chip"),
        ("Why latent?", ".lab.reconstruction .preset:nth-of-type(2)"),
        ("Plane", ".lab.plane [value=x_0]"),
        ("Plane", ".lab.plane [value=forward]"),
        ("Race", ".lab.race [value=x_t]"),
        ("Your picture", ".lab.rebuild .preset:nth-of-type(2)"),
    ],
)
def test_a_choice_stays_where_it_was_pressed(used, tab, choice):
    open_tab(used, tab)
    pressed = used.locator(choice).first
    pressed.scroll_into_view_if_needed()
    moved = watch(used, pressed)
    for _ in range(2):
        pressed.click()
        used.wait_for_timeout(300)
    assert moved() <= STILL


def test_a_control_without_effect_says_so_and_stays(page):
    """The reason comes in place of what the control is for."""
    open_tab(page, "Draw")
    guidance = page.locator(".side:visible").get_by_label("number input for Guidance").first
    guidance.scroll_into_view_if_needed()
    moved = watch(page, guidance)
    for value in ("1", "0", "3"):
        guidance.fill(value)
        page.wait_for_timeout(400)
    assert moved() <= STILL
