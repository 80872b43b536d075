"""Every tab of the page, opened and measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conftest import Server, open_page
from pages import frames
from playwright.sync_api import Browser, Page, expect

WAIT = 60_000  # milliseconds at most
DRAWS = {
    "Reverse": (".lab.reverse[data-film]", "Sample"),
    "Your picture": (".lab.rebuild[data-film]", "Rebuild"),
    "Draw": (".lab.text_to_image .neighbour", "Draw"),
    "Interpolation": (".lab.interpolation[data-done=true]", "Interpolate"),
    "Race": (".lab.race[data-film]", "Race"),
}
TEXT_TABS = ("Draw", "Interpolation", "Why latent?", "A large one")
TABS = ("Forward", "Schedules", "Reverse", "Training", *TEXT_TABS, "Plane", "Race", "Your picture")

# What is in sight of the open tab; `top` is the tabs' own.
MEASURE = """() => {
  const seen = (selector) => [...document.querySelectorAll(selector)].filter(
    (node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width > 0);
  const box = (node) => {
    const { x, y, width, height } = node.getBoundingClientRect();
    const name = node.dataset.c ?? node.dataset.role ?? (node.ariaLabel || node.innerText || node.className);
    return { name: String(name).slice(0, 40), x, y: y + scrollY, width, height };
  };
  const cut = seen('figcaption, .lab :is(dt, dd, legend, label, .note, .lead), button:not(.label-wrap)')
    .filter((n) => n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== 'inline');
  const [stage] = seen('.lab .stage');
  const pictures = stage ? [...stage.querySelectorAll('canvas')].filter((node) =>
    node.checkVisibility() && node.ariaHidden !== 'true' && node.width > 2) : [];
  return {
    width: innerWidth, height: innerHeight, page: document.documentElement.scrollWidth,
    top: seen('[role=tablist]')[0].getBoundingClientRect().y + scrollY,
    stage: stage && box(stage), pictures: pictures.map(box), sliders: seen('input[type=range]').map(box),
    transport: seen('.transport input[type=range]').slice(0, 1).map(box),
    primary: seen('button.primary').map(box), cut: cut.map(box),
  };
}"""

# The sliders in sight, once the tab's own is there, have what they are about.
LAID_OUT = """() => {
  const sliders = [...document.querySelectorAll('.lab .transport input[type=range]')]
    .filter((slider) => slider.checkVisibility());
  return sliders.length > 0 && sliders.every((slider) => slider.dataset.made);
}"""


def open_tab(page: Page, name: str) -> None:
    """Open the tab of this name, and wait until it shows what it shows by itself."""
    if name in TEXT_TABS:
        page.get_by_role("tab", name="Text to image", exact=True).click()
    page.get_by_role("tab", name=name, exact=True).click()
    if name in ("Reverse", "Draw", "Race", "Your picture"):
        page.wait_for_selector(DRAWS[name][0], timeout=WAIT)
    if name == "Schedules":
        page.wait_for_function(LAID_OUT, timeout=WAIT)
    if name == "Training":
        expect(page.locator(".lab.objective b[data-n=loss]")).not_to_have_text("–", timeout=WAIT)
    if name == "Why latent?":
        expect(page.locator(".lab.reconstruction [data-n=psnr]")).to_contain_text("dB", timeout=WAIT)
    if name == "Plane":
        expect(page.locator(".lab.plane [data-n=copies]")).not_to_have_text("–", timeout=WAIT)
    frames(page)


def press(page: Page, name: str) -> None:
    """Press the tab's primary button, and wait for what it draws."""
    drawn, button = DRAWS[name]
    page.get_by_role("button", name=button, exact=True).and_(page.locator(":visible")).click()
    page.wait_for_selector(drawn, timeout=WAIT)
    frames(page)


def measure(page: Page) -> dict[str, Any]:
    """Boxes of what is in sight, in pixels from the page's top."""
    return page.evaluate(MEASURE)


@contextmanager
def still_page(browser: Browser, server: Server, **options: Any) -> Iterator[Page]:
    """A page on which nothing plays by itself; no script may fail on it."""
    page = open_page(browser, server, reduced_motion="reduce", **options)
    frames(page)
    yield page
    assert page.errors == []
    page.close()
