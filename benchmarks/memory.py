"""What the server keeps in memory: after every tab was used once, and after many samples.

    python -m benchmarks.memory [--samples 2000] [--steps 2]

Prints, in MB of resident memory: a bare `python -c "import gradio, torch"`; the page at its start; after each
tab was opened and used in headless Chromium; and, after a tenth of the samples, half of them, and all. Each
sample is asked for as the page does, by a visitor of its own. About ten minutes.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from benchmarks.common import markdown_table, serving_process
from benchmarks.scrub import FLAGS, VIEWPORT
from benchmarks.visitors import Outcomes, Visitor, asking_for

BARE = "import gradio, torch, time; print('there', flush=True); time.sleep(600)"
TABS = {  # and the button that uses each, if there is one
    "Forward": None,
    "Schedules": None,
    "Reverse": "Sample",
    "Training": None,
    "Text to image": "Draw",
    "Interpolation": "Interpolate",
    "Why latent?": "Measure here and now",
}
SETTLE_SECONDS = 4.0


def resident_mb(pid: int) -> float:
    """Of a process, in 10⁶ bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1.024e-3


@contextmanager
def bare() -> Iterator[int]:
    """A process that has imported the two libraries, and nothing else."""
    with subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def use_every_tab(url: str) -> None:
    """Open each tab of the page in a browser, and press its button."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport=VIEWPORT, locale="en-US")
        page.goto(url)
        for tab, button in TABS.items():
            page.get_by_role("tab", name=tab, exact=True).click()
            if button:
                page.get_by_role("button", name=button, exact=True).locator("visible=true").click()
            page.wait_for_timeout(1000 * SETTLE_SECONDS)
        browser.close()


async def sample(url: str, number: int, steps: int) -> None:
    """So many visitors, one after the other, each of whom wants one picture."""
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        request = asking_for((await client.get("/config")).json(), 1, steps)
        for k in range(number):
            end = await Visitor(client, 1, k).ask(request, Outcomes())
            if end != "picture":
                raise RuntimeError(f"A sample ended in: {end}.")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--app", default="app.py", help="the script that serves the page")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=2, help="of each sample")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    with bare() as pid:
        found = {"bare imports": resident_mb(pid)}
    with serving_process(options.app) as (url, pid, _):
        found["the page, at its start"] = resident_mb(pid)
        use_every_tab(url)
        found["after every tab was used"] = resident_mb(pid)
        made = 0
        for share in (0.1, 0.5, 1.0):
            number = round(share * options.samples) - made
            asyncio.run(sample(url, number, options.steps))
            made += number
            time.sleep(SETTLE_SECONDS)
            found[f"after {made:,} samples"] = resident_mb(pid)
    first = found["bare imports"]
    print(
        markdown_table(
            ("memory", "MB", "above the imports"),
            [(name, f"{mb:.0f}", f"{mb - first:.0f}") for name, mb in found.items()],
        )
    )


if __name__ == "__main__":
    main(parse_arguments())
