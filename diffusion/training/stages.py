"""Which stage a run's settings ask for."""

from typing import TypeAlias

import torch

from diffusion.data.cats import Cats
from diffusion.data.emoji import EmojiSet
from diffusion.data.image_sets import ImageData
from diffusion.models.model import Model
from diffusion.training.autoencoder_stage import AutoencoderTraining
from diffusion.training.config import (
    AutoencoderSettings,
    MatchingSettings,
    PartMatchingSettings,
    PixelDiffusionSettings,
    StudentSettings,
    TextDiffusionSettings,
    TrainConfig,
)
from diffusion.training.data import Data
from diffusion.training.latent_stage import TextDiffusion
from diffusion.training.matching_stages import PartMatching, TextMatching
from diffusion.training.pixel_stage import PixelDiffusion
from diffusion.training.student_stage import Distillation

AnyStage: TypeAlias = PixelDiffusion | AutoencoderTraining | TextMatching | PartMatching | TextDiffusion


def build_stage(
    config: TrainConfig, data: Data, device: torch.device, start: Model | None = None
) -> AnyStage:
    """The stage of a run, on data of the kind that it needs.

    Args:
        config, data, device: as of every Stage.
        start: the model that diffusion on pictures begins with, and that a student learns from.

    Raises:
        TypeError: they are of the other kind, or a student has nobody to learn from.
        CheckpointError: the run's network cannot begin with this model.
    """
    settings = config.stage
    if isinstance(data, EmojiSet | Cats):
        if isinstance(settings, AutoencoderSettings):
            return AutoencoderTraining(config, settings, data, device)
        if isinstance(settings, TextDiffusionSettings):
            return TextDiffusion(config, settings, data, device)
    if isinstance(data, EmojiSet) and isinstance(settings, MatchingSettings):
        return TextMatching(config, settings, data, device)
    if isinstance(data, Cats) and isinstance(settings, PartMatchingSettings):
        return PartMatching(config, settings, data, device)
    if isinstance(data, ImageData | Cats) and isinstance(settings, StudentSettings):
        if start is None:
            raise TypeError(f"{config.preset} learns from a model.")
        return Distillation(config, settings, data, device, start)
    if isinstance(data, ImageData | Cats) and isinstance(settings, PixelDiffusionSettings):
        return PixelDiffusion(config, settings, data, device, start)
    raise TypeError(f"{config.preset} is not trained on {data.title}.")
