"""All that a borrowed GPU is to do, as one command that is repeated until it says that it is finished.

    python -m benchmarks.gpu_slot first  --data-dir data --out OUT   # cats, CIFAR-10: train, ship, measure
    python -m benchmarks.gpu_slot second --data-dir data --out OUT   # MNIST under both schedules, the peers
    python -m benchmarks.gpu_slot emoji  --data-dir data --out OUT   # emoji from text, in three stages
    python -m benchmarks.gpu_slot first  --data-dir data --out OUT --rehearse   # the same on a CPU, tiny

It is made for a machine that is borrowed for half an hour and whose calls last ten minutes. Every part is a
process that goes on when the call returns, after --seconds, and that the next call waits for: make it at
once. The slot ends --slot-seconds after the first call. Training ends in time for the rest; all but MNIST
is trained for as many images as fit in, so that the learning rate reaches 0. What there is then is shipped,
and measured while there is time; a larger network of cats stays only if it draws better ones than that of
checkpoints/cats. At the end of every call OUT holds what was made so far, as
result.tar in pieces of 15 MiB: `cat result.tar.* | tar x` in the project's folder puts it in place.

Where little can be sent, send the code without checkpoints, pictures and tests, 3 MB:

    git sparse-checkout set benchmarks diffusion tools     # in the end: git sparse-checkout disable
    git sparse-checkout add checkpoints/cats               # first: 6 MB, with which the larger one competes

What git ignores has to be named to be carried; it stays there, so the first call is enough. That is the data
and wheels/, from which packages are installed into runs/site, and where shared libraries are looked for. With
the other machine's version of Python:

    alias get='pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels'
    get robohash natsort                                                # first
    zip -d wheels/robohash-*.whl 'robohash/sets/set[35]/*'              # first: 12 instead of 44 MB
    get denoising-diffusion-pytorch ema-pytorch pytorch-fid diffusers   # second
    get emoji tokenizers                                                # emoji
    cp /usr/lib/x86_64-linux-gnu/libfribidi.so.0 wheels/                # emoji: joins the parts of one
    cp /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf data/          # emoji: used instead of the system's

`second` compares the peers with checkpoints/cifar10: from its second call on, when the data is there, send
that too (`git sparse-checkout add checkpoints/cifar10`). It times the fastest of our ways to train again;
name runs/slot/sweep.json, which `first` made, to tell it which.
"""

import argparse
import io
import json
import math
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.background import SLOT, CallOver, Slot
from benchmarks.slot_size import REHEARSAL, Size
from diffusion.data.sources import decoded_file
from diffusion.files import STATE_FILE
from diffusion.models.card import load_metrics

DATA, SITE, PEER = (Path("runs") / name for name in ("data", "site", "peer"))
SWEEP, WHEELS, FONT = SLOT / "sweep.json", Path("wheels"), "NotoColorEmoji.ttf"
AFTER_TRAINING, EXPORTING, STARTING, MAX_STARTS = 300, 60, 60, 4  # three of them in seconds
CATS_MINUTES, JUDGING = 5, 150  # of training; seconds
MIN_NEW = 87  # percent of cats that are not remembered: of all that there can be 90 are new
PIECE_BYTES = 15 * 2**20
RESULTS = {
    "first": ("checkpoints/cats-large", "checkpoints/cifar10", "runs/slot", "runs/c*/log.jsonl"),
    "second": ("checkpoints/mnist-cosine", "checkpoints/mnist-linear", "runs/slot", "runs/peer/*.json"),
    "emoji": ("checkpoints/emoji", "runs/slot", "runs/emoji*/log.jsonl", "runs/emoji*/samples*"),
}


def best_row() -> dict[str, Any]:
    """The fastest row of the sweep, with train.py's flags for it; nothing where it came to nothing."""
    with suppress(OSError, ValueError, KeyError):
        return json.loads(SWEEP.read_text())["best"] or {}
    return {}


def best_flags() -> list[str]:
    best = best_row()
    compiled = ["--compile", best["compile"]] if best.get("compile") else []
    return compiled + ["--channels-last"] * best.get("channels_last", True)


def complete(folder: Path) -> bool:
    """Whether the run in this folder has seen all its images."""
    with suppress(OSError, ValueError, KeyError):
        about = json.loads((folder / "config.json").read_text())["about"]
        return about["images_seen"] >= about["settings"]["total_images"]
    return False


def train(slot: Slot, size: Size, name: str, *flags: str, seconds: float, fast: Sequence[str] = ()) -> None:
    """Train until the run in runs/`name` is complete or its time is over; what there is then is used.

    Args:
        slot, size: when, and how much.
        name: of the run, and of the preset unless `flags` begin with another.
        flags: arguments of train.py.
        seconds: from now to the last step, decided once.
        fast: more of them, which it does without if it fails before its first step.

    Raises:
        CallOver: it goes on in the background.
    """
    part, out = slot.part(task := f"train {name}", seconds), Path("runs") / name
    while not part["done"]:
        if size.interrupted and part["starts"] == 1:
            process = slot.wait(task, part["end"] + EXPORTING, until=lambda: has_stepped(out))
            if process:
                process.interrupt()
        slot.wait(task, part["end"] + EXPORTING)
        left = part["end"] - time.time()
        if complete(out) or left <= 0 or part["starts"] == MAX_STARTS:
            slot.finish(task)
            break
        quick = fast if not part["starts"] or (out / STATE_FILE).exists() else ()
        limit = ("--time-limit", f"{left:.0f}", "--out", str(out))
        slot.start(task, size.trainer, *flags, *size.device, *quick, *limit)


def has_stepped(run: Path) -> bool:
    """Whether there is a row in a run's log."""
    log = run / "log.jsonl"
    return log.exists() and log.stat().st_size > 0


def that_fits(size: Size, seconds: float) -> tuple[str, ...]:
    """train.py's arguments for as many images as fit into a time, or for a rehearsal's."""
    return size.training or ("--minutes", f"{max(seconds - STARTING, 1) / 60:.2f}")


def until_evaluation(slot: Slot) -> float:
    """The seconds that are left but for shipping and measuring."""
    return slot.end - AFTER_TRAINING - time.time()


def decoded(slot: Slot, size: Size, name: str, data_dir: Path) -> list[str]:
    """Have a data set decoded once for all parts; returns the arguments with which they find it."""
    command = ("-m", "tools.decode", name, "--data-dir", str(data_dir), "--out", str(DATA), *size.decode)
    slot.run(f"decode {name}", *command, at_most=120)
    return ["--data-dir", str(DATA if decoded_file(DATA, name, train=True).exists() else data_dir)]


def install(slot: Slot) -> None:
    """What wheels/ holds, for where nothing can be fetched."""
    wheels = sorted(map(str, WHEELS.glob("*.whl")))
    if wheels:
        beside = ("--no-index", "--no-deps", "--upgrade", "--target", str(SITE))
        slot.run("packages", "-m", "pip", "install", "-q", *beside, *wheels, at_most=120)
    for variable, place in (("PYTHONPATH", SITE), ("LD_LIBRARY_PATH", WHEELS)):
        os.environ[variable] = ":".join(filter(None, (str(place.resolve()), os.environ.get(variable))))


def evaluate(
    slot: Slot, name: str, data: list[str], *options: str, judge: str = "quality", at_most: float = math.inf
) -> None:
    """Ship the run, whether it is complete or not, then measure what it ships with benchmarks.`judge`."""
    ship, shipped = f"ship {name}", f"checkpoints/{name}"
    if ship not in slot.state["parts"]:
        shutil.rmtree(shipped, ignore_errors=True)  # figures of other weights among it
    slot.run(ship, "-m", "tools.ship", f"runs/{name}", shipped, *data, at_most=180, late=True)
    command = ("-m", f"benchmarks.{judge}", shipped, *data, *options)
    slot.run(f"{judge} {name}", *command, at_most=at_most)


def cats(slot: Slot, size: Size) -> None:
    """Cats with a larger network than the shipped one, which stays if it draws better ones."""
    seconds, name = 60 * CATS_MINUTES + STARTING, "cats-large"
    train(slot, size, name, name, *that_fits(size, seconds), seconds=seconds, fast=size.blocks)
    judged = (*size.device, *size.cats)
    evaluate(slot, name, [], *judged, judge="cats", at_most=JUDGING)
    known = ("-m", "benchmarks.cats", "checkpoints/cats", *judged, "--only", "samples", "--skip-known")
    slot.run("cats cats", *known, at_most=JUDGING)
    if "larger is better" not in slot.state:  # decided once: the next call may bring the old figures again
        slot.state["larger is better"] = better(Path("checkpoints", name), Path("checkpoints/cats"))
        slot.save()
    if not slot.state["larger is better"]:
        shutil.rmtree(Path("checkpoints", name), ignore_errors=True)


def better(folder: Path, other: Path) -> bool:
    """Whether more of a network's cats are sharp than of another one's, if there is one, and most are new."""
    sharp, others = share(folder, "sharp cats"), share(other, "sharp cats") if other.exists() else 0.0
    new = share(folder, "never trained on")
    print(f"{folder}: {sharp:g} % sharp ({other}: {others:g} %), {new:g} % of them new", flush=True)
    return sharp > others and new >= MIN_NEW


def share(folder: Path, name: str) -> float:
    """A figure of benchmarks.cats, in percent; not a number where it is not known."""
    with suppress(ValueError):
        return float(str(load_metrics(folder).get(name)).partition("%")[0])
    return math.nan


def first(slot: Slot, size: Size, data_dir: Path) -> None:
    """Cats, then CIFAR-10, and the full table of what makes training fast."""
    cats(slot, size)
    data = decoded(slot, size, "cifar10", data_dir)
    throughput = ("-m", "benchmarks.throughput", "cifar10", *data, *size.device, *size.sweep)
    slot.run("sweep", *throughput, "--only", size.candidates, "--out", str(SWEEP), at_most=200)
    classifier = ("-m", "benchmarks.classifier", "cifar10", *data, *size.device, *size.classifier)
    slot.run("classifier", *classifier, at_most=150)
    seconds = until_evaluation(slot)
    length = that_fits(size, seconds)
    train(slot, size, "cifar10", "cifar10", *data, *length, seconds=seconds, fast=best_flags())
    evaluate(slot, "cifar10", data, "--guidance", "1.5", "--long", *size.device, *size.samples)
    slot.run("table", *throughput, *size.table, "--out", str(SLOT / "throughput.json"))


def second(slot: Slot, size: Size, data_dir: Path) -> None:
    """MNIST under both schedules, then the peers."""
    digits = decoded(slot, size, "mnist", data_dir)
    classifier = ("-m", "benchmarks.classifier", "mnist", *digits, *size.device, *size.classifier)
    slot.run("classifier", *classifier, at_most=60)
    for schedule in ("cosine", "linear"):
        name, length = f"mnist-{schedule}", ("--schedule", schedule, *size.training)
        train(slot, size, name, "mnist", *digits, *length, seconds=min(240, until_evaluation(slot)))
        evaluate(slot, name, digits, *size.device, *size.samples)
    data = decoded(slot, size, "cifar10", data_dir)
    rows = ("--peers", "--only", f"{best_row().get('name', size.candidates)},{size.peers}")
    throughput = ("-m", "benchmarks.throughput", "cifar10", *data, *size.device, *size.sweep, *rows)
    slot.run("peers", *throughput, "--out", str(SLOT / "peers.json"), at_most=300)
    minutes = size.peer_minutes or max(until_evaluation(slot), 1) / 60
    peer = ("-m", "benchmarks.peer", *data, *size.device, "--out", str(PEER))
    slot.run("peer", *peer, *size.peer, "--minutes", f"{minutes:.2f}")
    slot.run("judge", *peer, "--judge", "checkpoints/cifar10", at_most=120, late=True)


def emoji(slot: Slot, size: Size, data_dir: Path) -> None:
    """Emoji from text, in three stages."""
    carried = data_dir / FONT
    font = ["--emoji-font", str(carried)] if carried.exists() else []
    for name, minutes in (("emoji-autoencoder", 4), ("emoji-text", 3)):
        seconds = 60 * minutes + STARTING
        train(slot, size, name, name, *font, *that_fits(size, seconds), seconds=seconds)
    seconds = until_evaluation(slot)
    train(slot, size, "emoji", "emoji", *font, *that_fits(size, seconds), seconds=seconds, fast=size.blocks)
    evaluate(slot, "emoji", font, *size.device, *size.prompts, judge="prompts")


SLOTS: dict[str, Callable[[Slot, Size, Path], None]] = {"first": first, "second": second, "emoji": emoji}


def pack(slot_name: str, out: Path) -> None:
    """Everything made so far into OUT, in pieces that are small enough to travel."""
    made = (path for pattern in RESULTS[slot_name] for path in sorted(Path().glob(pattern)))
    files = {file for path in made for file in (path, *path.rglob("*")) if file.is_file()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in sorted(files):
            with suppress(FileNotFoundError):  # it was a temporary one
                content, entry = file.read_bytes(), tar.gettarinfo(file)
                entry.size = len(content)  # of what was read: logs grow meanwhile
                tar.addfile(entry, io.BytesIO(content))
    content = buffer.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("result.tar.*"):
        old.unlink()
    for number, start in enumerate(range(0, len(content), PIECE_BYTES)):
        (out / f"result.tar.{number:02d}").write_bytes(content[start : start + PIECE_BYTES])
    print(f"{len(content) / 2**20:.1f} MiB in {out}", flush=True)


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
    name = options.slot + " (rehearsal)" * options.rehearse
    slot = Slot(name, options.seconds, options.slot_seconds)
    outcome = "The slot is finished."
    try:
        install(slot)
        SLOTS[options.slot](slot, REHEARSAL if options.rehearse else Size(), options.data_dir)
    except CallOver:
        outcome = "Not finished: call again."
    pack(options.slot, options.out)
    print(outcome, flush=True)


if __name__ == "__main__":
    main(parse_arguments())
