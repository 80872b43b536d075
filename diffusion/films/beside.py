"""Networks of two kinds beside each other, trained on the same data for the same time: their histories.

What comes along lies in gan/: a WebP for each run, a row for each sample and a column for each look, and
histories.json with all numbers. `benchmarks.gan_histories` writes both.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion.data.grids import UNREADABLE

NUMBERS_FILE = "histories.json"
SHIPPED = Path(__file__).parent / "gan"
METHODS = ("gan", "diffusion")


@dataclass(frozen=True, eq=False)
class Beside:
    """Histories of several seeds of each method.

    Args:
        info: "minutes" of one core for each run, "image_shape" and "num_images" of the samples,
            "num_samples" that a look judges; "parameters", "calls" of a network for a picture and "seconds"
            for 100 pictures, by method; "real", the figures of as many real pictures; and "runs", one
            dictionary for each: method, seed, "log", rows of images_seen, cpu_seconds and mean losses, and
            "moments", the looks: images_seen, cpu_seconds, recognised, frechet, counts of the ten classes,
            and nearest, how far a sample is from the nearest other one of its class.
        sprites: of each run, a WebP file's content.
    """

    info: dict[str, Any]
    sprites: tuple[bytes, ...]


def file_of(run: dict[str, Any]) -> str:
    """The name of the file with a run's samples."""
    return f"{run['method']}-{run['seed']}.webp"


def load_beside(folder: Path | None = None) -> Beside | None:
    """What lies in a folder, or of what comes along; None if it is not there, or broken."""
    folder = folder or SHIPPED
    try:
        info = json.loads((folder / NUMBERS_FILE).read_text("utf-8"))
        runs = info["runs"]
        if {run["method"] for run in runs} != set(METHODS) or not all(run["moments"] for run in runs):
            return None
        return Beside(info, tuple((folder / file_of(run)).read_bytes() for run in runs))
    except UNREADABLE:
        return None
