"""What comes over the line until the first picture can be moved, against a bare Gradio page.

    python -m benchmarks.first_picture [--other FOLDER]

Opens our page, the same of another checkout if one is given, and a bare `gr.Blocks` page with one of each
component that the first tab uses, in turns, in headless Chromium with an empty cache, on a line of 10 Mbit/s
with a latency of 100 ms. Prints the seconds until the first picture is there (of the bare page: until it
shows), the megabytes that have come by then, those of the page itself, and the ratio. About two minutes.
"""

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from benchmarks.common import markdown_table, serving
from benchmarks.scrub import FLAGS, VIEWPORT

PICTURE, BARE = ".lab.forward .preset[aria-pressed=true]", "#shown"
LATENCY_MS, BYTES_A_SECOND = 100, 10e6 / 8
LINE = {
    "offline": False,
    "latency": LATENCY_MS,
    "downloadThroughput": BYTES_A_SECOND,
    "uploadThroughput": BYTES_A_SECOND,
}


@dataclass(frozen=True)
class Opened:
    """A page that was opened: seconds until it showed its first thing, and the bytes that had come."""

    seconds: float
    bytes: int
    bytes_of_page: int


def opened(browser: Browser, url: str, first: str) -> Opened:
    """Open a page in a browser that has never seen it, until what this selector finds is there."""
    context = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce", locale="en-US")
    page = context.new_page()
    network, came = context.new_cdp_session(page), []
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", LINE)
    network.on("Network.loadingFinished", lambda event: came.append(event["encodedDataLength"]))
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(first, timeout=120_000)
    seconds = time.perf_counter() - started
    found = Opened(seconds, sum(came), came[0])
    context.close()
    return found


@contextmanager
def subjects(other: Path | None) -> Iterator[dict[str, tuple[str, str]]]:
    """By name, the addresses of what is measured, and the selectors of what each shows first."""
    apps = {
        "a bare gr.Blocks page": (("-m", "benchmarks.plain_page"), BARE),
        "our page": (("app.py",), PICTURE),
    }
    if other:
        apps[f"that of {other.name}"] = ((str(other / "app.py"),), PICTURE)
    with ExitStack() as stack:
        yield {
            name: (stack.enter_context(serving(*command))[0], first)
            for name, (command, first) in apps.items()
        }


def measured(open_page: Callable[[str, str], Opened], other: Path | None, repeats: int) -> str:
    """All of them in turns, as a table."""
    with subjects(other) as found:
        rounds = [{name: open_page(*where) for name, where in found.items()} for _ in range(repeats + 1)][1:]
    bare = next(iter(found))
    rows = []
    for name in found:
        mine = [each[name] for each in rounds]
        rows.append(
            (
                name,
                f"{median(one.seconds for one in mine):.2f}",
                f"{median(one.bytes for one in mine) / 1e6:.2f}",
                f"{median(one.bytes_of_page for one in mine) / 1e6:.3f}",
                f"{median(each[name].seconds / each[bare].seconds for each in rounds):.2f}",
            )
        )
    return markdown_table(("page", "s to the first picture", "MB by then", "MB of the page", "ratio"), rows)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--other", type=Path, help="another checkout, to be measured in the same run")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, after one to warm up")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        print(measured(lambda url, first: opened(browser, url, first), options.other, options.repeats))
        browser.close()
    print(f"\n{options.repeats} rounds")


if __name__ == "__main__":
    main(parse_arguments())
