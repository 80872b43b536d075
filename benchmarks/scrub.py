"""From the slider to the screen: our page against a plain Gradio app, in headless Chromium.

    python -m benchmarks.scrub

Moves t in the Forward tab, and in a plain gr.Slider → gr.Image app that shows the same picture, with keys
and with the mouse, each move after the one before is on screen; and our page at the mouse's full speed too.
Prints the milliseconds from each `input` event until its picture is on screen (ours: at the second animation
frame, after the first has drawn it), the script run for it, the network requests, and the ratio. About a
minute.
"""

import argparse
import base64
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Locator, Page, Request, sync_playwright

from benchmarks.common import markdown_table, serving

OUR_SLIDER = '.lab.forward input[type=range][data-role="t"]'
OUR_PICTURE = '.lab.forward canvas[data-c="x_0"]'
PLAIN_SLIDER, PLAIN_PICTURE = "#t input[type=range]", "#x_t img"
PROBE = Path(__file__).with_name("probe.js")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-sync", "--disable-component-update"),
]
VIEWPORT = {"width": 1280, "height": 900}
LOAD_MS, SETTLE_MS, WARM_UP_KEYS, DRAG_PIXELS = 2000, 300, 5, 3

Gesture = Callable[[Page, Locator, int], Iterator[None]]


@dataclass(frozen=True)
class Subject:
    """A page to measure. `picture` is the image that shows the result; None if the page draws by itself."""

    address: str
    slider: str
    picture: str | None = None


@dataclass(frozen=True)
class Times:
    """What was measured: milliseconds until shown and of script for each event, and network requests."""

    shown: list[float]
    script: list[float]
    requests: int

    def __add__(self, other: "Times") -> "Times":
        return Times(self.shown + other.shown, self.script + other.script, self.requests + other.requests)


def keys(page: Page, slider: Locator, number: int) -> Iterator[None]:
    """Press the right arrow key; yields after each press."""
    slider.focus()
    for _ in range(number):
        page.keyboard.press("ArrowRight")
        yield


def drag(page: Page, slider: Locator, number: int) -> Iterator[None]:
    """Take the slider a quarter of the way along and drag it; yields after each movement."""
    box = slider.bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    yield
    for i in range(1, number):
        page.mouse.move(x + DRAG_PIXELS * i, y)
        yield
    page.mouse.up()


def open_page(browser: Browser, subject: Subject) -> Page:
    """A fresh page with the probe, warmed up by a few keys."""
    page = browser.new_page(viewport=VIEWPORT)
    page.add_init_script(path=PROBE)
    page.goto(subject.address)
    page.locator(subject.slider).wait_for()
    page.wait_for_timeout(LOAD_MS)
    page.evaluate("([slider, picture]) => probe.watch(slider, picture)", [subject.slider, subject.picture])
    scrub(page, subject, keys, WARM_UP_KEYS)
    return page


def scrub(page: Page, subject: Subject, gesture: Gesture, number: int, wait: bool = True) -> Times:
    """Make a gesture of `number` events.

    Args:
        page: from `open_page`.
        subject: what it shows.
        gesture: `keys` or `drag`.
        number: of events.
        wait: whether each event follows only when the one before is on screen.
    """
    requests: list[str] = []

    def remember(request: Request) -> None:
        requests.append(request.url)

    page.on("request", remember)
    before = page.evaluate("probe.events().length")
    for _ in gesture(page, page.locator(subject.slider), number):
        if wait:
            page.evaluate("probe.settled()")
    page.wait_for_timeout(SETTLE_MS)
    page.remove_listener("request", remember)
    events = page.evaluate(f"probe.events().slice({before})")
    if len(events) < number * 0.9:
        raise RuntimeError(f"{subject.address}: only {len(events)} of {number} events arrived.")
    return Times([event["shown"] for event in events], [event["script"] for event in events], len(requests))


def our_picture(browser: Browser, subject: Subject) -> bytes:
    """The picture that our page shows, as a PNG file."""
    page = browser.new_page(viewport=VIEWPORT)
    page.goto(subject.address)
    page.locator(OUR_PICTURE).wait_for()
    page.wait_for_timeout(LOAD_MS)
    address = page.locator(OUR_PICTURE).evaluate("canvas => canvas.toDataURL('image/png')")
    page.close()
    return base64.b64decode(address.partition(",")[2])


def compare(browser: Browser, ours: Subject, plain: Subject, rounds: int, number: int) -> dict[str, Times]:
    """Measure both pages in turn, each time a fresh one; `number` events a gesture and round."""
    plan = {
        "plain, keys": (plain, keys, True),
        "plain, mouse": (plain, drag, True),
        "ours, keys": (ours, keys, True),
        "ours, mouse": (ours, drag, True),
        "ours, mouse at full speed": (ours, drag, False),
    }
    times = {name: Times([], [], 0) for name in plan}
    for _ in range(rounds):
        for subject in (plain, ours):
            page = open_page(browser, subject)
            for name, (whose, gesture, wait) in plan.items():
                if whose is subject:
                    times[name] += scrub(page, subject, gesture, number, wait)
            page.close()
    return times


def p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1]


def report(times: dict[str, Times]) -> None:
    """Print the tables."""
    header = ("page, gesture", "events", "shown, median ms", "p95", "script, median ms", "p95", "requests")
    rows = []
    for name, of in times.items():
        figures = [f"{f(values):.1f}" for values in (of.shown, of.script) for f in (median, p95)]
        script = ["–", "–"] if name.startswith("plain") else figures[2:]  # theirs is not in the handler alone
        rows.append((name, len(of.shown), *figures[:2], *script, of.requests))
    print(markdown_table(header, rows), "\n")
    ratios = []
    for gesture in ("keys", "mouse"):
        plain, ours = times[f"plain, {gesture}"].shown, times[f"ours, {gesture}"].shown
        ratios.append((gesture, f"{median(plain) / median(ours):.1f}", f"{p95(plain) / p95(ours):.1f}"))
    print(markdown_table(("plain : ours", "median", "p95"), ratios))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", default="app.py", help="the script that serves our page")
    parser.add_argument("--rounds", type=int, default=3, help="fresh pages of each kind")
    parser.add_argument("--events", type=int, default=40, help="in each gesture of a round")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    with sync_playwright() as playwright, TemporaryDirectory() as folder, serving(options.app) as (page, _):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        ours, picture = Subject(page, OUR_SLIDER), Path(folder) / "x_0.png"
        picture.write_bytes(our_picture(browser, ours))
        with serving("-m", "benchmarks.plain_slider", str(picture)) as (page, _):
            plain = Subject(page, PLAIN_SLIDER, PLAIN_PICTURE)
            report(compare(browser, ours, plain, options.rounds, options.events))
        browser.close()


if __name__ == "__main__":
    main(parse_arguments())
