"""What dragging t costs in the Plane tab, and a small network that learns there, in headless Chromium.

    python -m benchmarks.plane

Of 2,000 points, for what the tab shows at first and for other choices: milliseconds of script for each
`input` event of the slider, which is one frame, moved with the mouse, each move after the one before is on
screen; and of each movement of the start that is taken by a hand. Then a network is trained in the page, on
2,000 points, and on 200. About three minutes.
"""

import argparse
import re
import shutil
import time
from statistics import median

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.common import markdown_table, serving
from benchmarks.scrub import FLAGS, VIEWPORT, Subject, Times, drag, keys, open_page, p95, scrub

SLIDER = '.lab.plane input[type=range][data-role="t"]'
SHOWN = {
    "at first: density, score, 25 paths": "",
    "x̂_0 lines": "&arrows=x_0",
    "ddpm, 100 steps": "&sampler=ddpm&steps=100",
    "forward, the cloud": "&direction=forward",
    "forward, single steps": "&direction=forward&markov=1",
}
HANDLE = '.lab.plane [data-role="handle"]'
LEARNED = ".lab.plane [data-n=learned]"
PATIENCE_MS = 600_000


def measure(browser: Browser, url: str, query: str, rounds: int, number: int) -> Times:
    """Drag t, in fresh pages of one choice."""
    times = Times([], [], 0)
    for _ in range(rounds):
        subject = Subject(f"{url}/?tab=plane{query}", SLIDER)
        page = open_page(browser, subject)
        scrub(page, subject, keys, 5)  # the chain of single steps is made once
        times += scrub(page, subject, drag, number)
        page.close()
    return times


def move_start(page: Page, number: int) -> list[float]:
    """Milliseconds of script for each movement of the start, with its frame; all three paths are new."""
    return page.locator(HANDLE).evaluate(
        """async (handle, number) => {
          const costs = [];
          for (let i = 0; i < number; i++) {
            const key = i % 40 < 20 ? "ArrowRight" : "ArrowLeft";
            const start = performance.now();
            handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            const handled = performance.now() - start;
            const drawn = await new Promise((resolve) => {
              let first;
              requestAnimationFrame(() => (first = performance.now()));
              requestAnimationFrame(() => resolve(performance.now() - first));
            });
            costs.push(handled + drawn);
          }
          return costs;
        }""",
        number,
    )


def train(browser: Browser, url: str, points: int) -> tuple[float, list[str]]:
    """Seconds that a training takes in the page, and what is said of its ends then."""
    page = browser.new_page(viewport=VIEWPORT)
    page.goto(f"{url}/?tab=plane&t=0&points={points}&steps=100")
    page.locator(SLIDER).wait_for()
    page.wait_for_timeout(2000)
    start = time.perf_counter()
    page.locator('.lab.plane [value="network"]').check(force=True)
    page.wait_for_function(
        f"/(\\d+) of \\1,/.test(document.querySelector('{LEARNED}').textContent)", timeout=PATIENCE_MS
    )
    seconds = time.perf_counter() - start
    page.wait_for_timeout(500)
    loss = re.search(r"loss ([\d.]+)", page.locator(LEARNED).inner_text())
    said = [page.locator(f".lab.plane [data-n={name}]").inner_text() for name in ("ends", "new", "copies")]
    page.close()
    return seconds, [loss[1] if loss else "–", *said]


def report(browser: Browser, url: str, options: argparse.Namespace) -> None:
    """Measure all, and print the tables."""
    rows = []
    for name, query in SHOWN.items():
        times = measure(browser, url, query, options.rounds, options.events)
        script = [f"{value:.1f}" for value in (median(times.script), p95(times.script))]
        rows.append((name, len(times.script), *script, times.requests))
    print(markdown_table(("t is dragged", "events", "script, median ms", "p95", "requests"), rows), "\n")
    page = open_page(browser, Subject(f"{url}/?tab=plane", SLIDER))
    costs = move_start(page, 5 * options.events)
    print(f"The start is moved: {median(costs):.1f} ms of script, p95 {p95(costs):.1f}.\n")
    page.close()
    rows = []
    for points in (2000, 200):
        seconds, said = train(browser, url, points)
        rows.append((points, f"{seconds:.0f}", *said))
    header = ("training points", "seconds", "last loss", "ends to the nearest", "new points to it", "copies")
    print(markdown_table(header, rows))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", default="app.py", help="the script that serves our page")
    parser.add_argument("--rounds", type=int, default=2, help="fresh pages of each kind")
    parser.add_argument("--events", type=int, default=40, help="in each round")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    with sync_playwright() as playwright, serving(options.app) as (url, _):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        report(browser, url, options)
        browser.close()


if __name__ == "__main__":
    main(parse_arguments())
