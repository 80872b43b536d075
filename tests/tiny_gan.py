"""Runs of `benchmarks.gan` that take seconds: two steps each of the real networks, on pictures of bars."""

from pathlib import Path

import pytest
import torch

from benchmarks import gan, gan_histories
from benchmarks.gan_networks import BATCH_SIZE
from diffusion.data.image_sets import ImageData
from diffusion.files import to_json
from diffusion.models.digit_judge import DIGITS

STEPS, SEEDS = 2, (0, 1)
TOTAL = STEPS * BATCH_SIZE
NUM_LOOK = 20  # two of each class, or none has a nearest one


def bars() -> ImageData:
    """As many pictures of every class, each with a bar in a place of its own."""
    labels = torch.arange(300) % 10
    images = torch.zeros(300, 1, 28, 28, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist()):
        image[0, 2 * label + 4 : 2 * label + 6, 4:24] = 255
    return ImageData("MNIST", images, labels, DIGITS)


def small(patch: pytest.MonkeyPatch) -> None:
    """Let the commands train on bars, and judge few samples."""
    for module in (gan, gan_histories):
        patch.setattr(module, "load_data", lambda name, data_dir, train=True: bars())
        patch.setattr(module, "NUM_LOOK", NUM_LOOK)
    patch.setattr(gan_histories, "TIMED", NUM_LOOK)
    patch.setattr(gan_histories, "ROUNDS", 1)


def make_runs(out: Path) -> None:
    """All runs, as the command makes them, of a plan that is made already."""
    out.mkdir(parents=True)
    for method in gan.METHODS:
        plan = {"minutes": gan.parse_arguments([]).minutes, "total_images": TOTAL}
        (out / f"{method}.json").write_text(to_json(plan))
    gan.main(gan.parse_arguments(["--out", str(out), "--seeds", *map(str, SEEDS)]))


def ship_runs(out: Path, into: Path, *more: str) -> None:
    """Their histories, as the command writes them."""
    flags = ("--out", str(out), "--into", str(into), "--num", "20", "--seeds", *map(str, SEEDS), *more)
    gan_histories.main(gan_histories.parse_arguments(flags))
