"""Make a finished run's folder small enough to ship: weights in float16, and the small files beside them.

    python -m benchmarks.ship runs/mnist checkpoints/mnist --data-dir data

The folder is written only if the rounded weights have the loss of the others on held-out images, up to
0.1 %. Prints the folder's size and how much the loss changes.
"""

import argparse
import shutil
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch

from benchmarks.classifier import data_of
from diffusion.checkpoint import MODEL_FILES, CheckpointError, Model, load_folder, save_model
from diffusion.data import DataError, ImageData, load_data
from diffusion.history import loss_by_quartile
from diffusion.hub import HUB_FILES, load_metrics, write_model_card

WRITTEN_ANEW = (*MODEL_FILES, "README.md")
NUM_JUDGED = 512
MAX_CHANGE = 1e-3  # of the loss, relative


def rounded(model: Model) -> Model:
    """The model as its float16 file will be read again."""
    net = deepcopy(model.net)
    net.load_state_dict({name: weight.half().float() for name, weight in net.state_dict().items()})
    return replace(model, net=net)


def change_of_loss(model: Model, data: ImageData) -> float:
    """By what share rounding to float16 changes the loss on the first images, with the same t and noise."""
    judged = data.images[:NUM_JUDGED], data.labels[:NUM_JUDGED]
    before, after = (mean(loss_by_quartile(each, *judged)) for each in (model, rounded(model)))
    return after / before - 1


def ship(run: Path, target: Path, data_dir: Path) -> float:
    """Write the folder to ship.

    Args:
        run: the folder of a finished run.
        target: the new folder, whose name becomes the model's.
        data_dir: where the data that it was trained on is.

    Returns:
        The relative change of the loss.

    Raises:
        CheckpointError: there is no usable model, or it changes too much; nothing is written.
        DataError: the held-out images cannot be read.
    """
    if run.resolve() == target.resolve():
        raise CheckpointError(f"{run} cannot be shipped into itself: name another folder.")
    model = load_folder(run, name=target.resolve().name)
    change = change_of_loss(model, load_data(data_of(model), data_dir, train=False))
    if not abs(change) < MAX_CHANGE:
        raise CheckpointError(f"{run} is not shipped: float16 changes its held-out loss by {change:+.3%}.")
    save_model(target, model, torch.float16)
    for name in HUB_FILES:
        if name not in WRITTEN_ANEW and (run / name).is_file():
            shutil.copyfile(run / name, target / name)
    write_model_card(target, model, load_metrics(run))
    return change


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("target", type=Path, help="the folder to write, such as checkpoints/mnist")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the data is, or will be")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    change = ship(options.run, options.target, options.data_dir)
    size = sum(file.stat().st_size for file in options.target.iterdir())
    print(f"{options.target}: {size / 1e6:.2f} MB; float16 changes the held-out loss by {change:+.4%}.")


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
