"""Beginning with the weights of another model: fine-tuning."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from diffusion.addresses import repo_address
from diffusion.models.model import LatentModel, Model
from diffusion.models.weights import CheckpointError
from diffusion.names import on_disk, readable
from diffusion.nets.unet import UNet
from diffusion.process import Prediction

CLASS_VECTORS = "class_embedding.weight"
SHAPE = {  # what two networks have to share, in words
    "in_channels": "channels of a picture",
    "patch_size": "pixels along a patch",
    "channels": "width",
    "channel_mult": "widths of the levels in units of that",
    "blocks_per_level": "blocks on a level",
    "attention_levels": "levels that attend",
}


def origin(init: str) -> str:
    """What a checkpoint is called, wherever it lies: as its folder, or by the whole name of its Hub repo."""
    path = on_disk(init)
    if os.path.isdir(path):
        return readable(os.path.basename(os.path.abspath(path)))
    return str(repo_address(init) or init)


def lineage(model: Model, name: str) -> list[dict[str, Any]]:
    """What a run tells of a model that it begins with, called so: its name, data and licence; then those of
    the one that it began with itself, and so on."""
    told = {key: model.about[key] for key in ("data", "licence") if key in model.about}
    return [{"name": name} | told, *model.about.get("began_with", [])]


@torch.no_grad()
def begin_with(net: UNet, prediction: Prediction, classes: Sequence[str] | None, model: Model) -> None:
    """Give a network a model's weights: without a class it is what the model is without one.

    Of the classes those whose names agree are what they are to the model; others begin as no class.

    Args:
        net: to be trained, in place.
        prediction: what it is to output.
        classes: the names of its classes, if it has any.
        model: of a network that differs in its classes alone.

    Raises:
        CheckpointError: it is another network; says in what.
    """
    if isinstance(model, LatentModel):
        raise CheckpointError(f"{model.name} is told by text: a run on pictures cannot begin with it.")
    ours, theirs = asdict(net.config), asdict(model.net.config)
    differences = [
        f"{words} {_told(theirs[name])} instead of {_told(ours[name])}"
        for name, words in SHAPE.items()
        if theirs[name] != ours[name]
    ]
    if model.prediction != prediction:
        differences.append(f"output {model.prediction} instead of {prediction}")
    if differences:
        raise CheckpointError(
            f"{model.name} is another network than this run's, which cannot begin with it: "
            f"{', '.join(differences)}."
        )
    weights = dict(model.net.state_dict())
    weights.pop(CLASS_VECTORS, None)
    net.load_state_dict(weights, strict=False)
    _begin_classes(net, classes or (), model)


def _begin_classes(net: UNet, classes: Sequence[str], model: Model) -> None:
    """What a class adds to the embedding of t, and what no class adds: to networks without classes always."""
    theirs, known = model.net.class_embedding, model.classes or ()
    nothing = torch.zeros(()) if theirs is None else theirs.weight[-1]
    if net.class_embedding is None:
        bias = net.time_mlp[-1].get_parameter("bias")
        bias.add_(nothing.to(bias.device))
        return
    for vector, name in zip(net.class_embedding.weight, (*classes, None)):
        vector.copy_(theirs.weight[known.index(name)] if theirs is not None and name in known else nothing)


def _told(value: Any) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
