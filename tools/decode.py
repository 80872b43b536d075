"""Decode a data set once, into a folder that is then named as --data-dir and read in an instant.

    python -m tools.decode cifar10 --data-dir data --out runs/data
    python -m tools.decode mnist --data-dir data --out runs/data --every 50   # few pictures, for a rehearsal

Reading the JPEG copy of CIFAR-10 takes a quarter of a minute each time. Cats need none of this: they are put
together from their parts when they are trained on.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from diffusion.data.image_sets import DataError, save_images
from diffusion.data.sources import decoded_file, load_data


def decode(name: str, data_dir: Path, out: Path, every: int = 1) -> None:
    """Write both parts of a data set as they are in memory.

    Args:
        name: "mnist" or "cifar10".
        data_dir: where it is, or is fetched to.
        out: the folder to write.
        every: keep the first of so many pictures.

    Raises:
        DataError: it is neither there nor to be had, or broken.
        OSError: `out` cannot be written.
    """
    for train in (False, True):
        data = load_data(name, data_dir, train=train)
        kept = replace(data, images=data.images[::every], labels=data.labels[::every])
        save_images(decoded_file(out, name, train), kept)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", choices=("mnist", "cifar10"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the data is, or will be")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--every", type=int, default=1, help="keep one of so many pictures; default: all")
    options = parser.parse_args(arguments)
    if options.every < 1:
        parser.error("--every must be at least 1")
    return options


def main(options: argparse.Namespace) -> None:
    decode(options.data, options.data_dir, options.out, options.every)


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except DataError as error:
        sys.exit(str(error))
