"""How many visitors the page holds: each opens it, samples, thinks, and samples again.

    python -m benchmarks.visitors [--visitors 50] [--minutes 10] [--think 20] [--images 1] [--other FOLDER]

Starts the page, the same of another checkout too if one is given (half of the minutes each, in turns of one),
and lets so many visitors come over HTTP, as browsers do: each fetches the page, then asks for so many images
with the settings that stand there, and after them thinks for a time of this mean, in seconds. Prints how each
request ended, the pictures a second, and how long was waited until the first step and until the picture. A
request ends in a picture or in one sentence; any other end is an error, and the exit status is 1. The network
and the visitors share the machine's cores.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.common import markdown_table, serving

BUTTON = "Sample"
PATIENCE = 600.0  # seconds for one request
REFUSED = 0.5  # of the mean thinking time, until one who was refused tries again


@dataclass
class Outcomes:
    """What became of all requests so far.

    Args:
        ends: how often each: "picture", "sentence", or what went wrong.
        first: seconds until the first step, or the first word about who is before.
        whole: seconds until the picture.
        longest_silence: seconds without a word, at most.
    """

    ends: Counter[str] = field(default_factory=Counter)
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    longest_silence: float = 0.0

    @property
    def errors(self) -> int:
        return sum(self.ends.values()) - self.ends["picture"] - self.ends["sentence"]


class Visitor:
    """Somebody with the page open.

    Args:
        client: with the address of the page.
        images: to ask for.
        seed: of the thinking times, and of what is drawn.
    """

    def __init__(self, client: httpx.AsyncClient, images: int, seed: int) -> None:
        self.client, self.images = client, images
        self.random = random.Random(seed)
        self.session = secrets.token_hex(8)

    async def stay(self, outcomes: Outcomes, until: float, think: float) -> None:
        """Open the page, and ask again and again until that time of the clock."""
        await asyncio.sleep(self.random.uniform(0, think))
        try:
            (await self.client.get("/")).raise_for_status()
            request = asking_for(await self._config(), self.images)
        except httpx.HTTPError as error:
            outcomes.ends[f"page: {type(error).__name__}"] += 1
            return
        while time.monotonic() < until:
            end = await self.ask(request, outcomes)
            outcomes.ends[end] += 1
            pause = self.random.expovariate(1 / think) if think else 0
            await asyncio.sleep(pause if end == "picture" else max(1.0, REFUSED * pause))

    async def _config(self) -> dict[str, Any]:
        return (await self.client.get("/config")).raise_for_status().json()

    async def ask(self, request: dict[str, Any], outcomes: Outcomes) -> str:
        """Ask for pictures, and tell how that ended."""
        data = [*request["data"]]
        data[request["seed"]], data[-1] = self.random.randrange(2**32), time.time() * 1000
        started = heard = time.monotonic()
        silent = True
        try:
            async for message in self._messages({**request["call"], "data": data}):
                now = time.monotonic()
                outcomes.longest_silence = max(outcomes.longest_silence, now - heard)
                if message["msg"] in ("process_generating", "process_completed") and silent:
                    outcomes.first.append(now - started)
                    silent = False
                heard = now
                if message["msg"] == "process_completed":
                    end = ended(message)
                    if end == "picture":
                        outcomes.whole.append(now - started)
                    return end
        except (httpx.HTTPError, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:80]
        return "no answer"

    async def _messages(self, call: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What the server sends about a call."""
        sent = call | {"session_hash": self.session, "event_data": None, "trigger_id": None}
        joined = await self.client.post("/gradio_api/queue/join", json=sent)
        if joined.status_code != 200:
            raise ValueError(f"status {joined.status_code}: {joined.text[:60]}")
        address = "/gradio_api/queue/data"
        async with self.client.stream("GET", address, params={"session_hash": self.session}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:") and (message := json.loads(line[5:]))["msg"] != "heartbeat":
                    yield message


def asking_for(config: dict[str, Any], images: int, steps: int | None = None) -> dict[str, Any]:
    """The call that the page's button makes with what stands there, but for so many images, and steps."""
    components = {each["id"]: each for each in config["components"]}
    buttons = {id_ for id_, each in components.items() if each["props"].get("value") == BUTTON}
    event = next(
        each
        for each in config["dependencies"]
        if each["backend_fn"] and any(target in buttons for target, _ in each["targets"])
    )
    controls = [components[id_]["props"] for id_ in event["inputs"]]
    labels = [props.get("label") for props in controls]
    data = [props.get("value") for props in controls]
    data[labels.index("Images")] = images
    if steps is not None:  # the control after the images is the steps', and has no label of Gradio's
        data[labels.index("Images") + 1] = steps
    return {"call": {"fn_index": event["id"]}, "data": data, "seed": labels.index("Seed")}


def ended(message: dict[str, Any]) -> str:
    """How a request ended, by its last message: "picture", "sentence", or what went wrong."""
    if not message["success"]:
        return f"error: {message['output'].get('error')}"
    shown, problem = message["output"]["data"]
    if problem:
        return "sentence"
    progress = (shown or {}).get("progress") or {}
    return "picture" if progress.get("ended") == "whole" else "neither picture nor sentence"


async def visited(url: str, visitors: int, seconds: float, think: float, images: int, seed: int) -> Outcomes:
    """Let so many visitors come for so long."""
    outcomes, limits = Outcomes(), httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as client:
        until = time.monotonic() + seconds
        people = [Visitor(client, images, seed + k) for k in range(visitors)]
        await asyncio.gather(*(person.stay(outcomes, until, think) for person in people))
    return outcomes


def row_of(name: str, found: list[Outcomes], seconds: float) -> tuple[str, ...]:
    ends = sum((each.ends for each in found), Counter())
    first, whole = ([x for each in found for x in getattr(each, kind)] for kind in ("first", "whole"))
    pictures = [len(each.whole) * len(found) / seconds for each in found]
    waits = [
        f"{median(times):.1f} / {sorted(times)[int(0.95 * len(times))]:.1f}"
        for times in (first, whole)
        if times
    ]
    return (
        name,
        str(ends["picture"]),
        str(ends["sentence"]),
        str(sum(each.errors for each in found)),
        f"{median(pictures):.2f}",
        *waits,
        f"{max(each.longest_silence for each in found):.1f}",
    )


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--think", type=float, default=20, help="seconds, the mean; 0: none think")
    parser.add_argument("--images", type=int, default=1, help="that each asks for")
    parser.add_argument("--other", type=Path, help="another checkout")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> int:
    apps = {"this": "app.py"} | ({"the other": str(options.other / "app.py")} if options.other else {})
    seconds = 60 * options.minutes / len(apps)
    turns = max(1, round(seconds / 60)) if len(apps) > 1 else 1
    found: dict[str, list[Outcomes]] = {name: [] for name in apps}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serving(app))[0] for name, app in apps.items()}
        for turn in range(turns):
            for name, url in urls.items():
                asked = (options.visitors, seconds / turns, options.think, options.images, 1000 * turn)
                found[name].append(asyncio.run(visited(url, *asked)))
    header = ("page", "pictures", "sentences", "errors", "pictures / s")
    waits = ("first word s, median / p95", "picture s, median / p95", "longest silence s")
    print(markdown_table((*header, *waits), [row_of(name, each, seconds) for name, each in found.items()]))
    for name, outcomes in found.items():
        for end, number in sum((each.ends for each in outcomes), Counter()).items():
            if end not in ("picture", "sentence"):
                print(f"{name}: {number} × {end}")
    return int(any(each.errors for each in found["this"]))


if __name__ == "__main__":
    sys.exit(main(parse_arguments()))
