"""Which digit a picture shows: a small classifier in a file beside the weights of a model of digits.

Nothing here unpickles.
"""

from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from diffusion.files import write_atomically
from diffusion.models.model import Model
from diffusion.models.weights import CheckpointError, opened_weights, read_tensors, shapes_of
from diffusion.nets.digit_classifier import DigitClassifier

CLASSIFIER_FILE = "digit_classifier.safetensors"
DIGITS = tuple(map(str, range(10)))
DIGIT_SHAPE = (1, 28, 28)
ACCURACY = "accuracy"  # in the file's header: the share of the test set that is recognised


class Recognised(NamedTuple):
    """What N pictures show: (N,) int64, and how sure that is, (N,) from 0 to 1."""

    digits: Tensor
    certainty: Tensor


def draws_digits(model: Model) -> bool:
    """Whether a model's pictures are those that the classifier knows."""
    return model.classes == DIGITS and model.sample_shape == DIGIT_SHAPE


def save_classifier(folder: Path, net: DigitClassifier, accuracy: float) -> None:
    """Write a classifier into a model's folder, in float16."""
    weights = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in net.state_dict().items()
    }
    content = safetensors.torch.save(weights, {"format": "pt", ACCURACY: f"{accuracy:.4f}"})
    write_atomically(folder / CLASSIFIER_FILE, content)


def load_classifier(folder: Path) -> DigitClassifier | None:
    """The classifier in a model's folder, if it has one.

    Raises:
        CheckpointError: its file is broken, or holds another network.
    """
    if not (folder / CLASSIFIER_FILE).is_file():
        return None
    net = DigitClassifier().eval().requires_grad_(False)
    net.load_state_dict(read_tensors(folder / CLASSIFIER_FILE, shapes_of(net.state_dict())))
    return net


def stated_accuracy(folder: Path) -> float | None:
    """The accuracy that a folder's classifier was saved with; None if there is none."""
    if not (folder / CLASSIFIER_FILE).is_file():
        return None
    try:
        with opened_weights(folder / CLASSIFIER_FILE) as stored:
            return float((stored.metadata() or {})[ACCURACY])
    except (CheckpointError, KeyError, ValueError):
        return None


@torch.no_grad()
def recognise(net: DigitClassifier, images: Tensor) -> Recognised:
    """What pictures show, (N, 1, 28, 28) in [−1, 1]."""
    certainty, digits = net(images).softmax(-1).max(-1)
    return Recognised(digits, certainty)
