"""A long job in short calls: its parts are processes that outlive a call, and that the next one finds.

On Linux alone.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from diffusion.files import to_json, write_atomically

SLOT = Path("runs/slot")
STATE = SLOT / "state.json"
POLL_SECONDS, STOPPING, PACKING = 0.2, 20, 20
MANY_LINES, FEW_LINES = 30, 3  # of a log, that are shown
SHELL = 'trap : TERM; "$@"; echo "exit status $?"'  # lasts until what it runs has ended, however that ends


@dataclass(frozen=True)
class Background:
    """A process and its children.

    Args:
        pid: of the process, which leads a session of its own.
        born: when it began; another process may have its number by now.
    """

    pid: int
    born: str | None

    @property
    def running(self) -> bool:
        return self.born is not None and birth(self.pid) == self.born

    def interrupt(self, number: int = signal.SIGTERM) -> None:
        """Send all of them a signal."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, patience: float) -> None:
        """Ask it to end, and after so many seconds kill what is left of it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.interrupt(number)
            deadline = time.monotonic() + patience
            while self.running and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


def start(command: Sequence[str], log: Path) -> Background:
    """Run `python *command`; what it prints, and its exit status, are added to the log."""
    call = ["sh", "-c", SHELL, "sh", sys.executable, *command]
    with open(log, "ab") as output:
        process = subprocess.Popen(call, stdout=output, stderr=output, start_new_session=True)
    return Background(process.pid, birth(process.pid))


def birth(pid: int) -> str | None:
    """When a process began, in the kernel's ticks; None if there is none, or it has ended (a zombie has)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else fields[18]


class CallOver(Exception):
    """This call's time is up; the next one finds what is running."""


class Slot:
    """The clock and the memory of a slot: what was begun, what is done, how long is left.

    Args:
        name: of the slot; another name starts anew.
        seconds: of this call.
        slot_seconds: of all calls together.
    """

    def __init__(self, name: str, seconds: float, slot_seconds: float) -> None:
        SLOT.mkdir(parents=True, exist_ok=True)
        state = json.loads(STATE.read_text()) if STATE.exists() else {}
        known = state.get("name") == name
        self.state = state if known else {"name": name, "started": time.time(), "parts": {}}
        self.call_end = time.time() + seconds - PACKING
        self.end = self.state["started"] + slot_seconds - PACKING
        self.save()

    def save(self) -> None:
        write_atomically(STATE, to_json(self.state, indent=1).encode())

    def check(self) -> None:
        """Raise CallOver if it is."""
        if time.time() >= self.call_end:
            raise CallOver

    def part(self, name: str, seconds: float) -> dict[str, Any]:
        """What is remembered of a part; when it has to end is decided the first time it is asked for."""
        if name not in self.state["parts"]:
            self.check()
        fresh = {"end": time.time() + seconds, "starts": 0, "done": False, "process": None}
        return self.state["parts"].setdefault(name, fresh)

    def run(self, name: str, *command: str, at_most: float = math.inf, late: bool = False) -> None:
        """Run `python *command` once and wait until it ends; whatever comes of it, the slot goes on.

        Args:
            name: of the part.
            command: its arguments.
            at_most: seconds, after which it is stopped.
            late: it may begin, and go on, after the slot's end.

        Raises:
            CallOver: it is still running, or is to be started by the next call.
        """
        part = self.part(name, at_most if late else min(at_most, self.end - time.time()))
        if not part["starts"] and not part["done"] and time.time() < part["end"]:
            self.start(name, *command)
        self.wait(name, part["end"])
        self.finish(name)

    def start(self, name: str, *command: str) -> None:
        """Start `python *command`."""
        self.check()
        print(f"== {name}: {' '.join(command)}", flush=True)
        part = self.state["parts"][name]
        part |= {"process": asdict(start(command, log_of(name))), "starts": part["starts"] + 1}
        self.save()

    def wait(self, name: str, end: float, until: Callable[[], bool] = lambda: False) -> Background | None:
        """Wait until a part has ended, for which it is made to at `end`, or until something is true.

        Returns:
            Its process, if that is running.
        """
        held = self.state["parts"][name]["process"]
        process = Background(**held) if held else None
        while process and process.running and not until():
            if time.time() >= self.call_end:
                print(*tail(log_of(name), FEW_LINES), f"== {name}: still running", sep="\n", flush=True)
                raise CallOver
            if time.time() >= end:
                process.stop(STOPPING)
            time.sleep(POLL_SECONDS)
        return process if process and process.running else None

    def finish(self, name: str) -> None:
        """Remember that a part is over, and show how it ended."""
        part = self.state["parts"][name]
        if not part["done"]:
            end = "over" if part["starts"] else "left out, for lack of time"
            print(*tail(log_of(name), MANY_LINES), f"== {name}: {end}", sep="\n", flush=True)
        part["done"] = True
        self.save()


def log_of(name: str) -> Path:
    """The file with all that a part prints."""
    return SLOT / f"{name.replace(' ', '-')}.log"


def tail(log: Path, number: int) -> list[str]:
    """The last lines of a log, of progress bars the last state."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return [line.rpartition("\r")[2] for line in text.rstrip().split("\n")[-number:]]
