"""Make a finished run's folder small enough to ship: weights in float16, and the small files beside them.

    python -m tools.ship runs/mnist checkpoints/mnist --data-dir data
    python -m tools.ship runs/emoji checkpoints/emoji
    python -m tools.ship runs/cats checkpoints/cats

The folder is written only if the rounded weights have the loss of the others on held-out images, up to
0.1 %; of a text model that is the loss of drawing held-out emoji or cats that are named in English, and the
error of its autoencoder. Held-out cats come from the run's own parts. Prints the folder's size and how much
the loss changes.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import mean
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.classifier import data_of
from benchmarks.gallery import emoji_of
from diffusion.data.captions import exact_names
from diffusion.data.cat_words import caption
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.images import to_signed
from diffusion.data.sources import load_data
from diffusion.files import write_atomically
from diffusion.films.training_history import LIGHT_FILE, SPRITE_FILE, light_sprite, loss_by_quartile
from diffusion.hub import HUB_FILES
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.models.card import CARD_FILE, load_metrics, write_model_card
from diffusion.models.folder import MODEL_FILES, CheckpointError, load_folder, save_model
from diffusion.models.model import LatentModel, Model

WRITTEN_ANEW = (*MODEL_FILES, CARD_FILE)
NUM_JUDGED = 512
MAX_CHANGE = 1e-3  # of the loss, relative


class Named(NamedTuple):
    """(N, C, H, W) uint8 pictures, and what each of them is called."""

    images: Tensor
    names: Sequence[str]


def rounded(model: Model) -> Model:
    """The model as its float16 file will be read again."""

    def half(part: nn.Module) -> nn.Module:
        part = deepcopy(part)
        part.load_state_dict({name: weight.half().float() for name, weight in part.state_dict().items()})
        return part

    parts = {prefix.strip(".") or "net": half(part) for prefix, part in model.parts().items()}
    return replace(model, **parts)


def losses(model: Model, data: ImageData | Named) -> list[float]:
    """What training makes small, on the first images, with the same t and noise at every call."""
    if isinstance(model, LatentModel):
        return losses_of_text(model, data)
    return [mean(loss_by_quartile(model, data.images[:NUM_JUDGED], data.labels[:NUM_JUDGED]))]


@torch.no_grad()
def losses_of_text(model: LatentModel, data: Named) -> list[float]:
    """‖ε − ε̂‖² of the latents, told the names, and |x − x̂| of the autoencoder."""
    images, names = to_signed(data.images[:NUM_JUDGED]), data.names[:NUM_JUDGED]
    x_0, generator = model.encode(images), torch.Generator().manual_seed(0)
    t = stratified_timesteps(len(x_0), model.schedule.num_timesteps, generator)
    noise = torch.randn(x_0.shape, generator=generator)
    context = model.context(names)
    loss = diffusion_loss(
        model.net, model.schedule, x_0, t, noise, prediction=model.prediction, context=context
    )
    return [loss.mean().item(), (model.decode(x_0) - images).abs().mean().item()]


def change_of_loss(model: Model, data: ImageData | Named) -> float:
    """By what share rounding to float16 changes the loss; of several losses the one that changes most."""
    pairs = zip(losses(model, data), losses(rounded(model), data))
    return max((after / before - 1 for before, after in pairs), key=abs)


def held_out_data(model: Model, data_dir: Path, font: Path | None) -> ImageData | Named:
    """Images that the model was not trained on. Raises as `ship` does."""
    if isinstance(model, LatentModel):
        return held_out_and_named(model, font)
    return model.cats.held_out() if model.cats else load_data(data_of(model), data_dir, train=False)


def held_out_and_named(model: LatentModel, font: Path | None) -> Named:
    """The same of a text model, with English names. Raises as `ship` does."""
    if model.cats is not None:
        cats, random = model.cats.never_trained_on(NUM_JUDGED), Random(0)
        names = [caption(exact_names(cat), "en", random) for cat in cats.tolist()]
        return Named(model.cats.render(cats), names)
    emoji = emoji_of(model, font)
    test = emoji.subset(emoji.held_out)
    return Named(test.images, test.names["en"])


def ship(run: Path, target: Path, data_dir: Path, font: Path | None = None) -> float:
    """Write the folder to ship.

    Args:
        run: the folder of a finished run.
        target: the new folder, whose name becomes the model's.
        data_dir: where the data that it was trained on is.
        font: of emoji, where it is not installed.

    Returns:
        The relative change of the loss.

    Raises:
        CheckpointError: there is no usable model, or it changes too much; nothing is written.
        DataError: the held-out images cannot be read.
    """
    if run.resolve() == target.resolve():
        raise CheckpointError(f"{run} cannot be shipped into itself: name another folder.")
    model = load_folder(run, name=target.resolve().name)
    change = change_of_loss(model, held_out_data(model, data_dir, font))
    if not abs(change) < MAX_CHANGE:
        raise CheckpointError(f"{run} is not shipped: float16 changes its held-out loss by {change:+.3%}.")
    save_model(target, model, torch.float16)
    for name in HUB_FILES:
        if name not in WRITTEN_ANEW and (run / name).is_file():
            shutil.copyfile(run / name, target / name)
    if (target / SPRITE_FILE).exists():
        write_atomically(target / LIGHT_FILE, light_sprite(target / SPRITE_FILE))
        (target / SPRITE_FILE).unlink()
    write_model_card(target, model, load_metrics(run))
    return change


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("target", type=Path, help="the folder to write, such as checkpoints/mnist")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the data is, or will be")
    parser.add_argument("--emoji-font", type=Path, help="NotoColorEmoji.ttf, where it is not installed")
    return parser.parse_args(arguments)


def main(options: argparse.Namespace) -> None:
    change = ship(options.run, options.target, options.data_dir, options.emoji_font)
    size = sum(file.stat().st_size for file in options.target.iterdir())
    print(f"{options.target}: {size / 1e6:.2f} MB; float16 changes the held-out loss by {change:+.4%}.")


if __name__ == "__main__":
    try:
        main(parse_arguments())
    except (CheckpointError, DataError) as error:
        sys.exit(str(error))
