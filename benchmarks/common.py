"""What the scripts share: the flag --only, Markdown tables, measuring in turns, and a running app."""

import argparse
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
POLL_SECONDS, START_SECONDS = 0.01, 120


def names_in(parser: argparse.ArgumentParser, only: str, known: Iterable[str]) -> list[str]:
    """The names in the value of the flag --only; the parser refuses what is none of the known ones."""
    names = only.split(",")
    if unknown := sorted({*names} - {*known}):
        parser.error(f"--only knows {', '.join(known)}, not {', '.join(unknown)}")
    return names


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, all others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def in_turns(contestants: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Run each contestant once to warm up, then all of them in turn, `repeats` times.

    What else the machine does then disturbs all alike.

    Args:
        contestants: functions that return the seconds they took.
        repeats: how often each is measured.

    Returns:
        The seconds of each contestant, in the order of the rounds.
    """
    for run in contestants.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            seconds[name].append(run())
    return seconds


def ratio_table(title: str, seconds: dict[str, list[float]]) -> str:
    """The contestants' times as a table; the last column is relative to the first contestant.

    Args:
        title: of the first column.
        seconds: what `in_turns` returned.
    """
    baseline = next(iter(seconds.values()))
    rows = []
    for name, times in seconds.items():
        ratio = median(mine / theirs for mine, theirs in zip(times, baseline))
        rows.append((name, f"{median(times):.3g}", f"{min(times):.3g} – {max(times):.3g}", f"{ratio:.2f}"))
    return markdown_table((title, "median s", "range s", "ratio"), rows)


@contextmanager
def serving(*command: str) -> Iterator[tuple[str, float]]:
    """`serving_process`, without the number of the process."""
    with serving_process(*command) as (url, _, seconds):
        yield url, seconds


@contextmanager
def serving_process(*command: str) -> Iterator[tuple[str, int, float]]:
    """Run a Gradio app as `python *command` until the block ends.

    Yields:
        Its address, its process, and the seconds from its start to its first answer with status 200.

    Raises:
        RuntimeError: it ended, or did not answer in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | OFFLINE | {"GRADIO_SERVER_PORT": str(port)}
    started = time.perf_counter()
    app = subprocess.Popen([sys.executable, *command], env=environment, stdout=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if app.poll() is not None or time.perf_counter() - started > START_SECONDS:
                raise RuntimeError(f"{' '.join(command)} does not answer (exit code {app.poll()}).")
            time.sleep(POLL_SECONDS)
        yield f"http://127.0.0.1:{port}", app.pid, time.perf_counter() - started
    finally:
        app.terminate()
        try:
            app.wait(10)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
