"""Which pictures a checkpoint of pixels does not know: the page's sentence about that, tried on many.

    python -m benchmarks.typical checkpoints/mnist checkpoints/cats --data-dir data

Writes what is usual for held-out pictures into the checkpoint's typical.json, and prints how often the
sentence comes on other held-out ones, where it is a false alarm, and on pictures of another kind, where it
should. Held out are MNIST's test digits, or cats that were never trained on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from tqdm import tqdm

from benchmarks.common import markdown_table
from benchmarks.figures import binomial, percent
from diffusion.data.image_sets import DataError
from diffusion.data.images import to_signed
from diffusion.data.sources import load_data
from diffusion.devices import best_device
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.models.model import Model
from diffusion.models.typical import Typical, measured, picture_losses, save_typical

BATCH = 25
LUMINANCE = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
BLANKS = 11  # greys, evenly from black to white
COLOURS = ("ff0000", "00ff00", "0000ff", "ffff00", "00ffff", "ff00ff")


def mixed(images: Tensor, number: int, seed: int = 0) -> Tensor:
    """The first `number` of some pictures in an order that the seed decides."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[order[:number]]


def as_of(model: Model, images: Tensor) -> Tensor:
    """(N, C, H, W) uint8 in whatever size and colours → x_0 of the model."""
    channels, *size = model.sample_shape
    pictures = images.float()
    if pictures.shape[2:] != tuple(size):
        pictures = interpolate(pictures, tuple(size), mode="bilinear", antialias=True)
    if channels == 1 and pictures.shape[1] == 3:
        pictures = (LUMINANCE * pictures).sum(1, keepdim=True)
    return to_signed(pictures.round().expand(-1, channels, -1, -1))


def blanks(model: Model) -> Tensor:
    """Pages of one colour, uint8."""
    greys = torch.linspace(0, 255, BLANKS).round().view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    if model.sample_shape[0] == 1:
        return greys.to(torch.uint8)
    colours = torch.tensor([list(bytes.fromhex(code)) for code in COLOURS]).view(-1, 3, 1, 1)
    return torch.cat([greys.to(torch.uint8), colours.expand(-1, -1, 8, 8).to(torch.uint8)])


def sets_of(model: Model, options: argparse.Namespace) -> dict[str, Tensor]:
    """The held-out pictures, and by name those of another kind, uint8; of a model of cats or of digits."""
    digits = mixed(load_data("mnist", options.data_dir, train=False).images, 2 * options.number)
    held_out = mixed(model.cats.held_out().images, 2 * options.number) if model.cats else digits
    others = {"digits": digits[: options.others]} if model.cats else {}
    photos = load_data("cifar10", options.data_dir, train=False).images
    return {
        "held out": held_out,
        **others,
        "inverted digits": 255 - digits[-options.others :],
        "photos (CIFAR-10)": mixed(photos, options.others),
        "pages of one colour": blanks(model),
    }


def losses_of(model: Model, images: Tensor, name: str) -> Tensor:
    """(N,) of `picture_losses`."""
    batches = tqdm(as_of(model, images).split(BATCH), name, leave=False)
    return torch.cat([picture_losses(model, x_0) for x_0 in batches])


def row(name: str, typical: Typical, losses: Tensor) -> tuple[object, ...]:
    """How often pictures are said to be too easy, or unlike, and either."""
    easy, unlike = losses < typical.low, losses > typical.high
    low, high = losses.min().item(), losses.max().item()
    said = percent(*binomial(easy | unlike))
    return name, len(losses), int(easy.sum()), int(unlike.sum()), said, f"{low:.4f} … {high:.4f}"


def report(model: Model, folder: Path, options: argparse.Namespace) -> None:
    """Measure what is usual, keep it, and print the table."""
    sets = sets_of(model, options)
    usual, others = losses_of(model, sets.pop("held out"), "held out").chunk(2)
    typical = measured(usual)
    save_typical(folder, typical)
    rows = [row("other held-out pictures", typical, others)]
    rows += [row(name, typical, losses_of(model, images, name)) for name, images in sets.items()]
    print(f"\n{model.name}: usual from {typical.low:.4f} to {typical.high:.4f}, of {len(usual)} pictures\n")
    print(markdown_table(("pictures", "number", "too easy", "unlike", "said", "losses"), rows), flush=True)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="checkpoints of MNIST or of cats")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST and CIFAR-10 are")
    parser.add_argument(
        "--number", type=int, default=500, help="held-out pictures to measure, and to try it on"
    )
    parser.add_argument("--others", type=int, default=200, help="pictures of each other kind")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse_arguments()
    try:
        for folder in options.folders:
            report(load_folder(folder).to(best_device()), folder, options)
    except (CheckpointError, DataError, OSError) as error:
        sys.exit(f"benchmarks.typical: {error}")


if __name__ == "__main__":
    main()
