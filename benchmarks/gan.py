"""A GAN beside a diffusion network: the same digits, the same minutes of a CPU, several seeds of each.

    python -m benchmarks.gan --data-dir data                             # all six runs, one after the other
    python -m benchmarks.gan --data-dir data --only gan                  # or side by side, in two terminals
    python -m benchmarks.gan --data-dir data --only diffusion
    python -m benchmarks.gan_histories --data-dir data                   # afterwards: tables
    python -m benchmarks.gan_histories --into diffusion/films/gan        # and the histories, for the page

The GAN is a class-conditional DCGAN (benchmarks/gan_networks.py), the other is `train.py mnist` in all but
its length. Minutes are those that a process computes on one core, so that whatever else the machine does
takes nothing away; looking and saving do not count. How many images fit into them is measured first, and is
the same for all seeds. A run that was stopped goes on with the same command, bit for bit as if it had not
been.

At each look: the losses since the last one, and of pictures from always the same noise, of all classes
equally, the share that the shipped classifier recognises, their Fréchet distance in its features to the test
set, how many are recognised as each class, and how far each is from the nearest other one of its class.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from benchmarks.classifier import classify, shipped_classifier
from benchmarks.common import names_in
from benchmarks.figures import binomial
from benchmarks.gan_networks import BATCH_SIZE, CPU, Gan
from benchmarks.metrics import frechet_distance, nearest_of_class
from benchmarks.samples import HEADLINE, draw
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.sources import load_data
from diffusion.devices import has_bf16
from diffusion.files import to_json, write_atomically
from diffusion.films.beside import METHODS
from diffusion.films.training_history import Looks
from diffusion.models.digit_judge import DIGITS
from diffusion.models.folder import CheckpointError
from diffusion.nets.digit_classifier import DigitClassifier
from diffusion.training.command_line import parse_config
from diffusion.training.run_folder import own_folder
from train import Run

JUDGE = Path(__file__).parents[1] / "checkpoints/mnist"
LOG_FILE = "log.jsonl"
PARTS = 64  # of a run; after each of them its losses are noted
LOOKS = (0, 2, 4, 8, 16, 24, 32, 48, 64)  # the parts after which it is looked at
NUM_LOOK, NUM_SHOWN = 200, 40  # samples that are judged at a look, and of these that are kept
WARM_UP_STEPS, SPEED_SECONDS, SAVE_SECONDS = 3, 8, 20  # of the CPU


class Contestant(Protocol):
    """A run of either kind."""

    images_seen: int

    def step(self) -> dict[str, Tensor]:
        """A step of training; its losses by name."""

    def draw(self, class_labels: Tensor) -> Tensor:
        """Pictures of these classes (N,), always from the same noise: (N, 1, 28, 28) uint8."""

    def save(self) -> None:
        """Write the state."""

    def resume(self) -> None:
        """Go on from it, if there is one."""


class Diffusion:
    """`train.py mnist`, of another length; arguments as those of Gan."""

    def __init__(self, data: ImageData, folder: Path, seed: int, total_images: int) -> None:
        flags = ("mnist", "--out", str(folder), "--seed", str(seed), "--total-images", str(total_images))
        self.run = Run(parse_config([*flags, "--device", "cpu"]), data, CPU)
        self.save, self.resume = self.run.save, self.run.resume

    @property
    def images_seen(self) -> int:
        return self.run.images_seen

    def step(self) -> dict[str, Tensor]:
        return {"noise": self.run.step()}

    def draw(self, class_labels: Tensor) -> Tensor:
        """In bf16 where the hardware has it, as the GAN's are."""
        model = self.run.stage.model(self.run.ema.weights, self.images_seen)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16(CPU)):
            return draw(model, len(class_labels), HEADLINE, class_labels)


KINDS: dict[str, Callable[[ImageData, Path, int, int], Contestant]] = {"gan": Gan, "diffusion": Diffusion}


# ---- what a run is judged by -----------------------------------------------------------------------------


class Judge(NamedTuple):
    """The shipped classifier, and what it sees in the test set: features (N, F)."""

    net: DigitClassifier
    reference: Tensor

    def row(self, images: Tensor, labels: Tensor) -> dict[str, Any]:
        """Figures of pictures (N, 1, 28, 28) uint8 and the classes that were asked for (N,)."""
        features, classes = classify(self.net, images)
        share, error = binomial(classes == labels)
        return {
            "num_samples": len(images),
            "recognised": round(share, 4),
            "recognised_error": round(error, 4),
            "frechet": round(frechet_distance(features, self.reference), 3),
            "counts": classes.bincount(minlength=10).tolist(),
            "nearest": round(nearest_of_class(images, labels), 4),
        }


def load_judge(test: ImageData) -> Judge:
    """The judge of digits. Raises CheckpointError if it is not there."""
    net = shipped_classifier(JUDGE)
    return Judge(net, classify(net, test.images)[0])


# ---- a run -----------------------------------------------------------------------------------------------


def ends_of_parts(total_images: int) -> list[int]:
    """Images seen after each part of a run: whole steps; the first is 0."""
    last = -(-total_images // BATCH_SIZE)
    return [round(part * last / PARTS) * BATCH_SIZE for part in range(PARTS + 1)]


class Log:
    """What every part of a run cost and lost: log.jsonl in its folder, of which later rows are dropped."""

    def __init__(self, folder: Path, images_seen: int) -> None:
        self.file, self.rows = folder / LOG_FILE, []
        if images_seen:
            rows = map(json.loads, self.file.read_text("utf-8").splitlines())
            self.rows = [row for row in rows if row["images_seen"] <= images_seen]

    @property
    def seconds(self) -> float:
        """What the steps have cost so far, of one core."""
        return self.rows[-1]["cpu_seconds"] if self.rows else 0.0

    def train(self, run: Contestant, end: int) -> None:
        """Let a run go on to so many images seen."""
        steps, started = [], time.process_time()
        while run.images_seen < end:
            steps.append(run.step())
        losses = {name: mean(step[name].item() for step in steps) for name in steps[0]}
        seconds = self.seconds + time.process_time() - started
        self.rows.append({"images_seen": end, "cpu_seconds": round(seconds, 3), "losses": losses})
        if not all(map(math.isfinite, losses.values())):
            raise FloatingPointError(
                f"A loss is not finite at {end:,} images; what was saved is from before."
            )

    def write(self) -> None:
        write_atomically(self.file, "".join(to_json(row) + "\n" for row in self.rows).encode())


def look(run: Contestant, judge: Judge, log: Log) -> tuple[np.ndarray, dict[str, Any]]:
    """What is kept of a moment: some pictures (B, 28, 28, 1) uint8, and the figures of NUM_LOOK."""
    labels = torch.arange(NUM_LOOK) % len(DIGITS)
    images = run.draw(labels)
    row = {"images_seen": run.images_seen, "cpu_seconds": log.seconds} | judge.row(images, labels)
    return images[:NUM_SHOWN].permute(0, 2, 3, 1).numpy(), row


def train(run: Contestant, folder: Path, total_images: int, judge: Judge, stop_at: float = math.inf) -> None:
    """Train a run from where its state is to its end, or until it has seen so many images."""
    run.resume()
    ends, log = ends_of_parts(total_images), Log(folder, run.images_seen)
    looks = Looks(folder, sorted({ends[part] for part in LOOKS}), run.images_seen)
    saved = log.seconds
    for end in sorted({end for end in ends if end >= run.images_seen}):
        if run.images_seen < end:
            log.train(run, end)
        if looks.due(end):
            looks.add(*look(run, judge, log))
        if end in (ends[0], ends[-1]) or end >= stop_at or log.seconds > saved + SAVE_SECONDS:
            log.write()
            run.save()
            saved = log.seconds
        if end >= stop_at:
            return


def planned_images(method: str, options: argparse.Namespace, data: ImageData) -> int:
    """How many images fit into the minutes, measured once for all seeds and kept in the folder."""
    file = options.out / f"{method}.json"
    if not file.exists():
        run = KINDS[method](data, options.out / method, 0, sys.maxsize)
        steps, started = 0, math.inf
        while steps < WARM_UP_STEPS or time.process_time() < started + SPEED_SECONDS:
            steps += 1
            run.step()
            if steps == WARM_UP_STEPS:
                started = time.process_time()
        seconds = (time.process_time() - started) / (steps - WARM_UP_STEPS)
        images = max(1, round(60 * options.minutes / seconds)) * BATCH_SIZE
        write_atomically(file, to_json({"minutes": options.minutes, "total_images": images}).encode())
    plan = json.loads(file.read_text("utf-8"))
    if plan["minutes"] != options.minutes:
        raise CheckpointError(f"{options.out} has runs of {plan['minutes']:g} minutes: choose another --out.")
    return plan["total_images"]


# ---- the command -----------------------------------------------------------------------------------------


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST is, or will be")
    parser.add_argument("--out", type=Path, default=Path("runs/gan"), help="folder of the runs")
    parser.add_argument("--minutes", type=float, default=8.0, help="of one core for each run; default: 8")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs; default: 0 1 2")
    parser.add_argument("--only", default=",".join(METHODS), help="gan or diffusion; default: both")
    options = parser.parse_args(arguments)
    options.only = names_in(parser, options.only, METHODS)
    return options


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    data = load_data("mnist", options.data_dir)
    judge = load_judge(load_data("mnist", options.data_dir, train=False))
    options.out.mkdir(parents=True, exist_ok=True)
    for method in options.only:
        total_images = planned_images(method, options, data)
        for seed in options.seeds:
            folder = options.out / f"{method}-{seed}"
            print(f"{folder}: {total_images:,} images", flush=True)
            with own_folder(folder):
                train(KINDS[method](data, folder, seed, total_images), folder, total_images, judge)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except KeyboardInterrupt:
        sys.exit(130)
    except (CheckpointError, DataError, FloatingPointError) as error:
        sys.exit(str(error))
