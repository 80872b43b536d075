"""Make a finished run's folder small enough to ship: weights in float16, and the small files beside them.

    python -m tools.ship runs/mnist checkpoints/mnist --data-dir data
    python -m tools.ship runs/emoji checkpoints/emoji
    python -m tools.ship runs/cats checkpoints/cats

The folder is written only if the rounded weights have the loss of the others on held-out images, up to
0.1 %; of a text model that is the loss of drawing held-out emoji from their English names, and the error of
its autoencoder. Held-out cats come from the run's own parts. Prints the folder's size and how much the loss
changes.
"""

import argparse
import shutil
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch
from torch import nn

from benchmarks.classifier import data_of
from benchmarks.gallery import emoji_of
from diffusion.data.emoji import EmojiSet
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


def rounded(model: Model) -> Model:
    """The model as its float16 file will be read again."""

    def half(part: nn.Module) -> nn.Module:
        part = deepcopy(part)
        part.load_state_dict({name: weight.half().float() for name, weight in part.state_dict().items()})
        return part

    parts = {prefix.strip(".") or "net": half(part) for prefix, part in model.parts().items()}
    return replace(model, **parts)


def losses(model: Model, data: ImageData | EmojiSet) -> list[float]:
    """What training makes small, on the first images, with the same t and noise at every call."""
    if isinstance(model, LatentModel):
        return losses_of_text(model, data)
    return [mean(loss_by_quartile(model, data.images[:NUM_JUDGED], data.labels[:NUM_JUDGED]))]


@torch.no_grad()
def losses_of_text(model: LatentModel, emoji: EmojiSet) -> list[float]:
    """‖ε − ε̂‖² of the latents, told the English names, and |x − x̂| of the autoencoder."""
    images, names = to_signed(emoji.images[:NUM_JUDGED]), emoji.names["en"][:NUM_JUDGED]
    x_0, generator = model.encode(images), torch.Generator().manual_seed(0)
    t = stratified_timesteps(len(x_0), model.schedule.num_timesteps, generator)
    noise = torch.randn(x_0.shape, generator=generator)
    context = model.context(names)
    loss = diffusion_loss(
        model.net, model.schedule, x_0, t, noise, prediction=model.prediction, context=context
    )
    return [loss.mean().item(), (model.decode(x_0) - images).abs().mean().item()]


def change_of_loss(model: Model, data: ImageData | EmojiSet) -> float:
    """By what share rounding to float16 changes the loss; of several losses the one that changes most."""
    pairs = zip(losses(model, data), losses(rounded(model), data))
    return max((after / before - 1 for before, after in pairs), key=abs)


def held_out_data(model: Model, data_dir: Path, font: Path | None) -> ImageData | EmojiSet:
    """Images that the model was not trained on. Raises as `ship` does."""
    if model.cats is not None:
        return model.cats.held_out()
    if not isinstance(model, LatentModel):
        return load_data(data_of(model), data_dir, train=False)
    emoji = emoji_of(model, font)
    return emoji.subset(emoji.held_out)


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
