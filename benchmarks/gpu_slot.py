"""All that a borrowed GPU is to do, as one command that is repeated until it says that it is finished.

    python -m benchmarks.gpu_slot first  --data-dir data --out OUT   # CIFAR-10: sweep, train, evaluate, ship
    python -m benchmarks.gpu_slot second --data-dir data --out OUT   # MNIST under both schedules, the peers
    python -m benchmarks.gpu_slot emoji  --data-dir data --out OUT   # emoji from text, in three stages
    python -m benchmarks.gpu_slot first  --data-dir data --out OUT --rehearse   # the same on a CPU, tiny

Each call works for --seconds at most and goes on where the last one stopped; the whole slot ends after
--slot-seconds, counted from the first call. CIFAR-10 is trained for as many images as fit in, so that the
learning rate reaches 0 in time. At the end of every call OUT holds what was made so far, as result.tar in
pieces of 15 MiB: `cat result.tar.* | tar x` in the project's folder puts it in place.

Where nothing can be fetched, `second` and `emoji` install what is in wheels/, and shared libraries are looked
for there too. `emoji` needs two packages, the font, and libfribidi, without which Pillow draws a combined
emoji as its parts side by side. On the machine that sends the project, with the other's version of Python:

    pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels emoji tokenizers
    cp /usr/lib/x86_64-linux-gnu/libfribidi.so.0 wheels/
    mkdir -p data && cp /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf data/

git ignores both folders, so they have to be named to be carried: wheels, data/NotoColorEmoji.ttf. A font in
the data folder is used instead of the system's.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusion.models.folder import write_atomically

SLOT = Path("runs/slot")
STATE, SWEEP, PEER = SLOT / "state.json", SLOT / "throughput.json", Path("runs/peer")
WHEELS, FONT = Path("wheels"), "NotoColorEmoji.ttf"
PIECE_BYTES, POLL_SECONDS = 15 * 2**20, 0.5
AFTER_TRAINING, RESTART, STOPPING, PACKING = 270, 45, 25, 20  # seconds
RESULTS = {
    "first": ("checkpoints/cifar10", "runs/slot"),
    "second": ("checkpoints/mnist-cosine", "checkpoints/mnist-linear", "runs/slot", "runs/peer/*.json"),
    "emoji": (
        "checkpoints/emoji",
        "runs/slot",
        "runs/emoji-autoencoder/log.jsonl",
        "runs/emoji-autoencoder/samples.png",
        "runs/emoji-text/log.jsonl",
        "runs/emoji/samples",
    ),
}

SAMPLES = "--num-samples 10000 --num-steps-samples 2000 --num-bits 2000"


@dataclass(frozen=True)
class Size:
    """How much is done: on a GPU, or in a rehearsal, whose figures mean nothing."""

    trainer: str = "train.py"
    device: tuple[str, ...] = ("--device", "cuda")
    sweep: tuple[str, ...] = ("--seconds", "4")
    training: tuple[str, ...] = ()
    samples: tuple[str, ...] = (*SAMPLES.split(), "--long")
    peer: tuple[str, ...] = ("--sample-minutes", "3")
    autoencoder: tuple[str, ...] = ("--minutes", "4")
    text: tuple[str, ...] = ("--minutes", "3")
    compiled: tuple[str, ...] = ("--compile", "blocks")
    prompts: tuple[str, ...] = ()


REHEARSAL = Size(
    trainer="tests/training.py",  # with next to no weights
    device=("--device", "cpu"),
    sweep=("--seconds", "0.2", "--batch-size", "4"),
    training=("--total-images", "64", "--batch-size", "8"),
    samples=("--num-samples", "10", "--num-bits", "10", "--num-steps-samples", "10"),
    peer=("--num-samples", "8", "--sample-minutes", "0.1", "--sample-batch", "4", "--dim", "8"),
    autoencoder=("--total-images", "64", "--batch-size", "8"),
    text=("--total-images", "64", "--batch-size", "8"),
    compiled=(),
    prompts=("--num", "8", "--num-per-point", "4", "--steps", "2"),
)


class Slot:
    """The clock and the memory of a slot: what is done, and how long is left.

    Args:
        seconds: of this call.
        slot_seconds: of all calls together.
        name: of the slot; another name starts anew.
    """

    def __init__(self, name: str, seconds: float, slot_seconds: float) -> None:
        SLOT.mkdir(parents=True, exist_ok=True)
        state = json.loads(STATE.read_text()) if STATE.exists() else {}
        fresh = {"name": name, "started": time.time(), "done": [], "minutes": None}
        self.state = state if state.get("name") == name else fresh
        self.call_end = min(time.time() + seconds, self.state["started"] + slot_seconds)
        self.slot_end, self.seconds = self.state["started"] + slot_seconds, seconds
        self.save()

    def save(self) -> None:
        write_atomically(STATE, json.dumps(self.state).encode())

    def left(self) -> float:
        """Seconds of this call that may still be worked, with time kept to pack the results."""
        return self.call_end - time.time() - PACKING

    def training_minutes(self) -> float:
        """What training may take, decided once: what is left of the slot but for evaluating and restarts."""
        if self.state["minutes"] is None:
            left = self.slot_end - time.time() - AFTER_TRAINING
            restarts = int(left / self.seconds)
            self.state["minutes"] = max((left - restarts * RESTART) / 60, 0.1)
            self.save()
        return self.state["minutes"]

    def run(self, name: str, *command: str, at_most: float = 1e9) -> bool:
        """Run `python *command`, unless it is done; returns whether it has ended by itself."""
        if name in self.state["done"]:
            return True
        limit = min(self.left(), at_most)
        if limit <= 0:
            return False
        print(f"== {name}: {' '.join(command)}", flush=True)
        try:
            ended = subprocess.run([sys.executable, *command], timeout=limit)
        except subprocess.TimeoutExpired:
            print(f"== {name}: not finished after {limit:.0f} s", flush=True)
            return False
        print(f"== {name}: exit status {ended.returncode}", flush=True)
        return True

    def once(self, name: str, *command: str, at_most: float = 1e9) -> None:
        """`run`, and whatever came of it, never again: a slot does not hang on one of its parts."""
        started_in_time = self.left() > 0
        ended = self.run(name, *command, at_most=at_most)
        if ended or (started_in_time and self.left() > 0):
            self.done(name)

    def in_background(self, name: str, *command: str) -> None:
        """Start `python *command` so that it outlives this call, and wait for it while there is time."""
        pid = self.state.setdefault("background", {}).get(name)
        if name in self.state["done"] or self.left() <= 0:
            return
        if pid is None:
            print(f"== {name}, in the background: {' '.join(command)}", flush=True)
            with open(SLOT / f"{name}.log", "w") as log:
                process = subprocess.Popen(
                    [sys.executable, *command], stdout=log, stderr=log, start_new_session=True
                )
            pid = self.state["background"][name] = process.pid
            self.save()
        while self.left() > 0:
            if not is_running(pid):
                self.done(name)
                return
            time.sleep(POLL_SECONDS)

    def done(self, name: str) -> None:
        self.state["done"] = sorted({*self.state["done"], name})
        self.save()


def is_running(pid: int) -> bool:
    """Whether there is such a process and it has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def best_flags() -> list[str]:
    """train.py's fastest flags by the sweep; none where it came to nothing."""
    try:
        best = json.loads(SWEEP.read_text())["best"]
    except (OSError, ValueError, KeyError):
        return []
    compiled = ["--compile", best["compile"]] if best["compile"] else []
    return compiled + ["--channels-last"] * bool(best["channels_last"])


def complete(folder: Path) -> bool:
    """Whether the run in this folder has seen all its images."""
    try:
        about = json.loads((folder / "config.json").read_text())["about"]
    except (OSError, ValueError, KeyError):
        return False
    return about["images_seen"] >= about["settings"]["total_images"]


def train(slot: Slot, size: Size, name: str, *flags: str) -> bool:
    """Train until this call's time is up or the run is complete; returns whether it is complete."""
    out = Path("runs") / name
    if not complete(out):
        limit = f"{max(slot.left() - STOPPING, 1):.0f}"
        slot.run(f"train {name}", size.trainer, *flags, "--time-limit", limit, "--out", str(out))
    return complete(out)


def install(slot: Slot) -> None:
    """What wheels/ holds, for where nothing can be fetched."""
    wheels = sorted(map(str, WHEELS.glob("*.whl")))
    if wheels:
        slot.once("packages", "-m", "pip", "install", "-q", "--no-index", "--no-deps", *wheels)
    places = [str(WHEELS.resolve()), os.environ.get("LD_LIBRARY_PATH", "")]
    os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, places))


def evaluate(slot: Slot, name: str, data: list[str], *options: str, judge: str = "quality") -> None:
    """Ship the run, then measure what it ships with benchmarks.`judge`."""
    shipped = f"checkpoints/{name}"
    if f"ship {name}" not in slot.state["done"]:
        shutil.rmtree(shipped, ignore_errors=True)  # figures of other weights among it
    slot.once(f"ship {name}", "-m", "tools.ship", f"runs/{name}", shipped, *data)
    measure = ("-m", f"benchmarks.{judge}", shipped, *data, "--skip-known", *options)
    if slot.run(f"{judge} {name}", *measure):
        slot.done(f"{judge} {name}")


def first(slot: Slot, size: Size, data: list[str]) -> Iterator[bool]:
    """CIFAR-10; yields after each stage whether it is finished."""
    sweep = ("-m", "benchmarks.throughput", "cifar10", *data, *size.device, *size.sweep)
    slot.once("sweep", *sweep, "--out", str(SWEEP), at_most=200)
    yield "sweep" in slot.state["done"]
    slot.once("classifier", "-m", "benchmarks.classifier", "cifar10", *data, *size.device, at_most=150)
    yield "classifier" in slot.state["done"]
    length = size.training or ("--minutes", f"{slot.training_minutes():.2f}")
    yield train(slot, size, "cifar10", "cifar10", *data, *size.device, *best_flags(), *length)
    evaluate(slot, "cifar10", data, "--guidance", "1.5", *size.device, *size.samples)
    yield "quality cifar10" in slot.state["done"]


def second(slot: Slot, size: Size, data: list[str]) -> Iterator[bool]:
    """MNIST under both schedules, then the peers; yields after each stage whether it is finished."""
    install(slot)
    for schedule in ("cosine", "linear"):
        name = f"mnist-{schedule}"
        yield train(slot, size, name, "mnist", *data, *size.device, "--schedule", schedule, *size.training)
        samples = [option for option in size.samples if option != "--long"]
        evaluate(slot, name, data, *size.device, *samples)
        yield f"quality {name}" in slot.state["done"]
    peers = ("-m", "benchmarks.throughput", "cifar10", *data, *size.device, *size.sweep, "--peers")
    slot.once("peers", *peers, "--out", str(SLOT / "peers.json"), at_most=300)
    yield "peers" in slot.state["done"]
    minutes = 0.05 if size is REHEARSAL else slot.training_minutes()
    train_peer = ("-m", "benchmarks.peer", *data, *size.device, *size.peer, "--minutes", f"{minutes:.2f}")
    slot.in_background("peer", *train_peer, "--out", str(PEER))
    yield "peer" in slot.state["done"]
    judge = ("-m", "benchmarks.peer", *data, *size.device, "--judge", "checkpoints/cifar10")
    slot.once("judge", *judge, "--out", str(PEER))
    yield "judge" in slot.state["done"]


def emoji(slot: Slot, size: Size, data: list[str]) -> Iterator[bool]:
    """Emoji from text, in three stages; yields after each whether it is finished."""
    install(slot)
    carried = Path(data[-1]) / FONT
    font = ["--emoji-font", str(carried)] if carried.exists() else []
    for name, length in (("emoji-autoencoder", size.autoencoder), ("emoji-text", size.text)):
        yield train(slot, size, name, name, *font, *size.device, *length)
    length = size.training or ("--minutes", f"{slot.training_minutes():.2f}")
    yield train(slot, size, "emoji", "emoji", *font, *size.device, *size.compiled, *length)
    evaluate(slot, "emoji", font, *size.device, *size.prompts, judge="prompts")
    yield "prompts emoji" in slot.state["done"]


SLOTS: dict[str, Callable[[Slot, Size, list[str]], Iterator[bool]]] = {
    "first": first,
    "second": second,
    "emoji": emoji,
}


def pack(slot_name: str, out: Path) -> None:
    """Everything made so far into OUT, in pieces that are small enough to travel."""
    made = [str(path) for pattern in RESULTS[slot_name] for path in Path().glob(pattern)]
    tar = subprocess.run(["tar", "c", *made], capture_output=True, check=True).stdout
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("result.tar.*"):
        old.unlink()
    for number, start in enumerate(range(0, len(tar), PIECE_BYTES)):
        (out / f"result.tar.{number:02d}").write_bytes(tar[start : start + PIECE_BYTES])
    print(f"{len(tar) / 2**20:.1f} MiB in {out}", flush=True)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("slot", choices=SLOTS)
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the data sets are")
    parser.add_argument("--out", type=Path, required=True, help="where the packed results go")
    parser.add_argument("--seconds", type=float, default=570, help="of this call")
    parser.add_argument("--slot-seconds", type=float, default=1590, help="of all calls together")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with next to no images")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    slot = Slot(options.slot, options.seconds, options.slot_seconds)
    size = REHEARSAL if options.rehearse else Size()
    finished = all(SLOTS[options.slot](slot, size, ["--data-dir", str(options.data_dir)]))
    pack(options.slot, options.out)
    print("The slot is finished." if finished else "Not finished: call again.", flush=True)


if __name__ == "__main__":
    main(parse_arguments())
