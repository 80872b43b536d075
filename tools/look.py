"""Every tab and every lesson as they look, in all languages and themes, from phones to large screens.

    python -m tools.look FOLDER [URL]

Pictures of the running app, or of the one at URL, go into the folder. The command fails if something scrolls
sideways, if a script fails, or if axe-core finds what is serious or critical. Chromium must be installed, and
requirements-dev.txt.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.common import serving
from diffusion.ui.text import LANGUAGES, labels, lessons, speaking

TABS = (
    ("tab_forward",),
    ("tab_schedules",),
    ("tab_reverse",),
    ("tab_training",),
    ("tab_text_to_image", "draw"),
    ("tab_text_to_image", "interpolation"),
    ("tab_text_to_image", "why_latent"),
    ("tab_text_to_image", "pipeline"),
    ("tab_plane",),
    ("tab_race",),
    ("tab_rebuild",),
)  # by the keys of their names
THEMES = ("light", "dark")
PHONES, SCREENS = (360, 390, 820), (1280, 1920, 2560)  # pixels of CSS; fingers, and a mouse
HEIGHT = 900
# WCAG 2.2 to AA, and what else axe-core advises; "experimental" has 2.5.3, label in name.
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"]
GRAVE = ("serious", "critical")
# Rules that are broken by what Gradio draws, or that do not fit: (rule, part of the element): why.
EXCEPTIONS: dict[tuple[str, str], str] = {}
# What draws by itself has drawn all.
SETTLED = """() => [...document.querySelectorAll(".lab input[data-role=t][data-made]")].every(
    (slider) => !slider.checkVisibility() || slider.dataset.made === slider.max)"""
DRAWN = ".lab.forward .preset[aria-pressed=true]"
FIRST_FILM = ".lab.text_to_image[data-film]"


def open_page(
    browser: Browser, url: str, code: str, theme: str, *, has_touch: bool = False, query: str = ""
) -> Page:
    """The page in a language and a theme, on which nothing moves by itself; page.errors has what failed."""
    size = {"width": PHONES[0] if has_touch else SCREENS[0], "height": HEIGHT}
    page = browser.new_page(viewport=size, has_touch=has_touch, reduced_motion="reduce")
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{url}/?lang={code}&__theme={theme}{query}")
    page.wait_for_selector(DRAWN, state="attached", timeout=120_000)
    return page


def open_tab(page: Page, tab: Sequence[str], code: str) -> None:
    """Open a tab of TABS in a page in this language, and wait until it shows what it shows by itself."""
    with speaking(code):
        for key in tab:
            page.get_by_role("tab", name=labels()[key], exact=True).click()
    if tab[-1] == "draw":
        page.wait_for_selector(FIRST_FILM, timeout=120_000)
    page.wait_for_function(SETTLED, timeout=120_000)
    page.wait_for_timeout(500)


def open_course(page: Page, code: str) -> None:
    """Show the course's card."""
    page.wait_for_selector(".lessons .numbers button", state="attached", timeout=120_000)
    with speaking(code):
        page.get_by_role("button", name=labels()["course"], exact=True).click()
    page.wait_for_selector(".lab.lessons")


def grave_findings(page: Page) -> list[str]:
    """What axe-core finds serious or critical in sight, but for EXCEPTIONS."""
    options = {"runOnly": STANDARDS, "resultTypes": ["violations"]}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
        if not any(rule["id"] == name and part in node["html"] for name, part in EXCEPTIONS)
    ]


def sideways(page: Page) -> list[str]:
    """By how much the page is wider than its window, if it is."""
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return [f"scrolls sideways by {over} px"] if over > 0 else []


def look(page: Page, picture: Path, widths: Sequence[int], *, whole: bool) -> Iterator[str]:
    """Take pictures of the page at these widths, from its top or of the whole; yields what is wrong."""
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.wait_for_timeout(300)
        path = picture.with_name(f"{picture.name}-{width}.png")
        page.screenshot(path=path, full_page=whole)
        for found in sideways(page) + grave_findings(page):
            yield f"{path.name}: {found}"


def look_at_all(browser: Browser, url: str, folder: Path, code: str, theme: str) -> Iterator[str]:
    """Every tab, and every lesson of the course, in a language and a theme; yields what is wrong."""
    for widths in (PHONES, SCREENS):
        page = open_page(browser, url, code, theme, has_touch=widths is PHONES)
        for tab in TABS:
            open_tab(page, tab, code)
            yield from look(page, folder / f"{code}-{theme}-{tab[-1]}", widths, whole=True)
        open_tab(page, TABS[0], code)
        open_course(page, code)
        for i in range(len(lessons())):
            page.locator(".lessons .numbers button").nth(i).click()
            yield from look(page, folder / f"{code}-{theme}-lesson-{i + 1}", widths, whole=False)
        yield from page.errors
        page.close()


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("url", nargs="?", help="of an app that runs; else one is started")
    return parser.parse_args(arguments)


def main() -> None:
    arguments = parse_arguments()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    app = nullcontext((arguments.url, 0.0)) if arguments.url else serving("app.py")
    with app as (url, _), sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        found = [
            line
            for code in LANGUAGES
            for theme in THEMES
            for line in look_at_all(browser, url, arguments.folder, code, theme)
        ]
        browser.close()
    print("\n".join(found) or "Nothing found.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
