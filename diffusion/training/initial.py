"""Beginning with the weights of another model: fine-tuning."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import torch

from diffusion.models.model import Model
from diffusion.models.weights import CheckpointError
from diffusion.nets.unet import UNet

CLASS_VECTORS = "class_embedding.weight"


@torch.no_grad()
def begin_with(net: UNet, classes: Sequence[str] | None, model: Model) -> None:
    """Give a network a model's weights; of its classes' vectors those whose names agree, and that of none.

    Args:
        net: to be trained, in place.
        classes: the names of its classes, if it has any.
        model: of a network that differs in its classes alone.

    Raises:
        CheckpointError: it is another network; says in what.
    """
    ours, theirs = asdict(net.config), asdict(replace(model.net.config, dropout=net.config.dropout))
    other = [name for name in ours if name != "num_classes" and ours[name] != theirs[name]]
    if other:
        differences = ", ".join(f"{name} {theirs[name]} instead of {ours[name]}" for name in other)
        raise CheckpointError(f"{model.name} is another network: {differences}.")
    weights = model.net.state_dict()
    vectors, known = weights.pop(CLASS_VECTORS, None), {name: i for i, name in enumerate(model.classes or ())}
    net.load_state_dict(weights, strict=False)
    if net.class_embedding is None or vectors is None:
        return
    target = net.class_embedding.weight
    target[-1] = vectors[-1]
    for i, name in enumerate(classes or ()):
        if name in known:
            target[i] = vectors[known[name]]
