"""The data that a run's settings name: what it trains on, and what is held out of it."""

from typing import TypeAlias

from torch import Tensor

from diffusion.data.cats import Cats, load_cats
from diffusion.data.emoji import EmojiSet, load_emoji
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.sources import load_data
from diffusion.training.config import (
    CatData,
    EmojiData,
    FolderData,
    PictureData,
    TrainConfig,
)

Pictures: TypeAlias = ImageData | Cats
Data: TypeAlias = Pictures | EmojiSet


def load_held_out(preset: str, data: PictureData | CatData) -> ImageData | None:
    """Pictures that are not trained on; None where there are none.

    Raises:
        DataError: they are neither there nor to be had, or broken.
    """
    if isinstance(data, CatData):
        return load_cats(data.image_size).held_out()
    return _load_pictures(preset, data, train=False)


def _load_pictures(preset: str, data: PictureData, train: bool) -> ImageData | None:
    size = {"size": data.image_size} if isinstance(data, FolderData) else {}
    return load_data(preset, data.data_dir, train=train, **size)


def load_all_emoji(data: EmojiData) -> EmojiSet:
    """Emoji to train on together with those held out.

    Raises:
        DataError: the font or the package with their names is missing.
    """
    return load_emoji(data.image_size, data.skin_tones, data.emoji_font)


def held_out_emoji_of(data: EmojiData) -> EmojiSet:
    """Emoji that are not trained on. Raises as `load_all_emoji`."""
    emoji = load_all_emoji(data)
    return emoji.subset(emoji.held_out)


def held_out_pictures(data: EmojiData | CatData) -> Tensor:
    """(N, 3, S, S) uint8 that are not trained on. Raises as `load_training_data`."""
    if isinstance(data, CatData):
        return load_cats(data.image_size).held_out().images
    return held_out_emoji_of(data).images


def load_training_data(config: TrainConfig) -> Data:
    """What a run trains on.

    Raises:
        DataError: it is neither there nor to be had, or broken.
    """
    data = config.stage.data
    if isinstance(data, CatData):
        return load_cats(data.image_size)
    if isinstance(data, EmojiData):
        emoji = load_all_emoji(data)
        return emoji.subset(~emoji.held_out)
    pictures = _load_pictures(config.data_name, data, train=True)
    if pictures is None:
        raise DataError(f"{config.preset} has nothing to train on.")
    return pictures
