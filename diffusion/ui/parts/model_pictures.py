"""A model's pictures: those that it is tried on, and one that is sent for it to look at."""

import base64
import binascii
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusion.data.images import to_signed
from diffusion.films.training_history import History, load_history
from diffusion.models.model import Model
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.parts.streaming import encode
from diffusion.ui.text import labels, shown_name


def checked_picture(model: Model, pixels: Any) -> Tensor:
    """base64 of (H, W, C) uint8 → (C, H, W) in [−1, 1]. Raises InputError if it is anything else."""
    channels, height, width = model.sample_shape
    try:
        values = bytearray(base64.b64decode(pixels or "", validate=True))
    except (binascii.Error, TypeError, ValueError):
        values = bytearray()
    if len(values) != channels * height * width:
        raise refusal("wrong_pixels")
    return to_signed(
        torch.frombuffer(values, dtype=torch.uint8).view(height, width, channels).permute(2, 0, 1)
    )


def history_of(model: Model) -> History | None:
    """What the model's folder tells of its training; None if it tells nothing that fits the model."""
    history = load_history(model.folder) if model.folder else None
    if history is None:
        return None
    channels, height, width = model.sample_shape
    example_labels = history.info.get("example_labels")
    known = range(len(model.classes or ()))
    fits = history.frames.shape[2:] == (height, width, channels) and (
        example_labels is None
        or len(example_labels) == len(history.examples)
        and all(label in known for label in example_labels)
    )
    return history if fits else None


def note_of(history: History) -> str:
    """What is said of the examples that it has."""
    return labels()["never_trained_on"] if history.held_out else ""


def examples_of(model: Model, history: History) -> list[dict[str, Any]]:
    """The pictures that the model's history has."""
    example_labels = history.info.get("example_labels") or [None] * len(history.examples)
    return [
        {
            "pixels": encode(picture),
            "label": label,
            "name": shown_name(model.classes[label]) if model.classes else "",
        }
        for picture, label in zip(history.examples, example_labels)
    ]


def other_examples(model: Model) -> list[dict[str, Any]]:
    """The preset pictures, in the model's size and colours."""
    return [as_example(model, picture, labels()[name]) for name, picture in preset_pictures().items()]


def as_example(model: Model, picture: Image.Image, name: str) -> dict[str, Any]:
    """A picture in the model's size and colours, as an example that is called so."""
    channels, height, width = model.sample_shape
    mode = "L" if channels == 1 else "RGB"
    return {"pixels": encode(np.asarray(picture.convert(mode).resize((width, height)))), "name": name}
