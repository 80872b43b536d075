"""Export a checkpoint to diffusers: a folder that DDIMPipeline loads and draws the same pictures with.

    python -m diffusion.models.export CHECKPOINT OUT
    python -m diffusion.models.export runs/digits digits-3 --class 3

CHECKPOINT is a folder or a Hub repo. A network with classes is exported as one that draws a single class,
or, with --any-class, whatever it draws when it is told none. What has no place in diffusers' UNet2DModel is
refused with a sentence that names it; see docs/training.md.
"""

import argparse
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import safetensors.torch

from diffusion.files import to_json, write_atomically
from diffusion.hub import HubError, load_model
from diffusion.models.card import CARD_FILE, exported_card
from diffusion.models.diffusers_format import (
    has_expressible_classes,
    pipeline_config,
    scheduler_config,
    unet_config,
    unet_weights,
    why_not_expressible,
)
from diffusion.models.model import Model
from diffusion.models.weights import CheckpointError
from diffusion.names import on_disk, readable
from diffusion.nets.unet import UNet

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"
INSTEAD = "load it with diffusion.load_model, and it draws with diffusion.sample as it is"
ONE_OF_THEM = "export one of them with --class NAME, or what it draws without any with --any-class"


def export(model: Model, out: Path) -> None:
    """Write a model as the folder of a diffusers pipeline.

    Args:
        model: of a network that is told nothing but the noise level; see `of_one_class`.
        out: a folder that is new or empty.

    Raises:
        CheckpointError: diffusers cannot express it, or the folder holds something; nothing is written.
        OSError: it cannot be written.
    """
    if reason := why_not_expressible(model):
        instead = ONE_OF_THEM if has_expressible_classes(model) else INSTEAD
        raise CheckpointError(f"{model.name} cannot be a pipeline of diffusers: {reason}; {instead}.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise CheckpointError(f"{readable(out)} is there and not empty: choose a new folder for the export.")
    described = {
        "unet/config.json": unet_config(model),
        "scheduler/scheduler_config.json": scheduler_config(model),
        "model_index.json": pipeline_config(),
    }
    for folder in (out, out / "unet", out / "scheduler"):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(out / CARD_FILE, exported_card(model).encode())
    write_atomically(out / WEIGHTS, safetensors.torch.save(unet_weights(model.net), {"format": "pt"}))
    for name, content in described.items():  # the index comes last: with it the folder is a pipeline
        write_atomically(out / name, to_json(content, indent=2).encode())


def of_one_class(model: Model, name: str | None) -> Model:
    """The same, of a network without classes that draws only this one; None is what it draws without a class.

    What the class adds to the embedding of t is the same at every t: it goes into the bias of that.

    Raises:
        CheckpointError: the model has no classes, or none of this name.
    """
    labels = {known: label for label, known in enumerate(model.classes or ())}
    if not labels:
        raise CheckpointError(f"{model.name} has no classes: export it without naming one.")
    if name is not None and name not in labels:
        raise CheckpointError(f"{model.name} has no class {name}: it has {', '.join(labels)}.")
    net = UNet(replace(model.net.config, num_classes=None)).to(model.device)
    weights = dict(deepcopy(model.net.state_dict()))
    vectors = weights.pop("class_embedding.weight")
    weights["time_mlp.2.bias"] += vectors[-1 if name is None else labels[name]]
    net.load_state_dict(weights)
    return replace(model, net=_frozen(net), classes=None)


def _frozen(net: UNet) -> UNet:
    net.eval().requires_grad_(False)
    return net


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Export a checkpoint to diffusers.")
    parser.add_argument("checkpoint", help="a folder or a Hub repo")
    parser.add_argument("out", type=on_disk, help="the folder to write")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--class", dest="class_name", metavar="NAME", help="of classes, the one to export")
    chosen.add_argument("--any-class", action="store_true", help="what is drawn without a class")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    try:
        model = load_model(options.checkpoint)
        if options.any_class or options.class_name is not None:
            model = of_one_class(model, options.class_name)
        export(model, options.out)
    except (CheckpointError, HubError) as error:
        sys.exit(f"export: {error}")
    except OSError as error:
        sys.exit(f"export: {error.filename or options.out} cannot be written: {error.strerror or error}.")
    print(f"{model.name} → {options.out}, for diffusers.DDIMPipeline.from_pretrained.")


if __name__ == "__main__":
    main()
