"""Trained models as folders, in the layout of a Hub model repo: config.json and the weights.

Nothing here unpickles.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from diffusion.checks import check_whole
from diffusion.data.cats import PARTS_FILES, Cats, read_cats, save_cats
from diffusion.data.image_sets import DataError
from diffusion.files import CONFIG_FILE, WEIGHTS_FILE
from diffusion.models.model import LatentModel, Model
from diffusion.models.stored import (
    TOKENIZER_FILE,
    check_parts,
    described_by,
    on_meta,
    read_tokenizer,
    to_store,
    write_tokenizer,
)
from diffusion.models.weights import (
    INDEX_FILE,
    SHARDS,
    CheckpointError,
    read_object,
    write_model,
)
from diffusion.names import nfc
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.schedules import named_schedule

# All that `save_model` may write, as globs.
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE, SHARDS, TOKENIZER_FILE, *PARTS_FILES)
MAX_LENGTH, MAX_SIDE = 10_000, 1024  # of a schedule and of x_T, in a config that may be a stranger's


def save_model(path: Path, model: Model, dtype: torch.dtype | None = None) -> None:
    """Write a model's folder.

    Args:
        path: the folder; made if need be.
        model: what to write.
        dtype: of the weights in the file, float16 to ship; None keeps theirs.

    Raises:
        CheckpointError: weights that are not finite (in this dtype); nothing is written.
        OSError: the folder cannot be written; it holds the old model or the new one.
    """
    weights = to_store(model.name, model.parts(), dtype)
    path.mkdir(parents=True, exist_ok=True)
    if isinstance(model, LatentModel):
        write_tokenizer(path, model.tokenizer)
    if model.cats is not None:
        save_cats(path, model.cats)
    write_model(path, weights, _config(model))


def _config(model: Model) -> dict[str, Any]:
    """What config.json says: all of a model but its weights, and what `_untrained_model` takes."""
    config = {
        "unet": asdict(model.net.config),
        "schedule": {"name": model.schedule_name, "num_timesteps": model.schedule.num_timesteps},
        "prediction": model.prediction,
        "sample_shape": model.sample_shape,
        "classes": model.classes,
        "about": model.about,
    }
    if model.cats is not None:  # whoever has the parts knows whose they are
        config["about"] = model.about | {"data": model.cats.title, "licence": model.cats.licence}
    if isinstance(model, LatentModel):
        config |= {"text": asdict(model.text.config), "autoencoder": asdict(model.autoencoder.config)}
    return config


def load_folder(path: Path, device: torch.device | str = "cpu", name: str | None = None) -> Model:
    """Read a model's folder, weights as float32; the model is called `name`, or as the folder is.

    Args:
        device: where the networks are to be; "meta" leaves the weights in the folder until `Model.to` is told
            another device.

    Returns:
        A Model, or a LatentModel if it is told by text.

    Raises:
        CheckpointError: something in it is missing, broken or foreign; says what.
    """
    if not (path / CONFIG_FILE).is_file():
        raise CheckpointError(f"{path} is not a checkpoint: it has no {CONFIG_FILE}.")
    config = read_object(path / CONFIG_FILE)
    with described_by(path):
        model = _untrained_model(path, config, nfc(name or path.resolve().name))
    check_parts(path, model.parts())
    return model if torch.device(device).type == "meta" else model.to(device)


def _untrained_model(path: Path, config: dict[str, Any], name: str) -> Model:
    """What a config describes, with networks that have no memory yet."""
    net = on_meta(UNet, UNetConfig, config["unet"])
    num_timesteps = config["schedule"]["num_timesteps"]
    check_whole("num_timesteps", num_timesteps, 2, MAX_LENGTH)
    settings = {
        "name": name,
        "net": net,
        "schedule_name": config["schedule"]["name"],
        "schedule": named_schedule(config["schedule"]["name"], num_timesteps),
        "prediction": config["prediction"],
        "sample_shape": _sample_shape(config["sample_shape"], net.config),
        "classes": _classes(config["classes"], net.config),
        "about": _about(config.get("about", {})),
        "folder": path,
    }
    model: Model
    if "text" in config and "autoencoder" in config:
        text = on_meta(TextEncoder, TextConfig, config["text"])
        autoencoder = on_meta(Autoencoder, AutoencoderConfig, config["autoencoder"])
        _check_latent(net.config, text.config, autoencoder.config, settings["sample_shape"])
        tokenizer = read_tokenizer(path / TOKENIZER_FILE, text.config)
        model = LatentModel(**settings, text=text, tokenizer=tokenizer, autoencoder=autoencoder)
    elif "text" in config or "autoencoder" in config:
        raise ValueError("a text encoder and an autoencoder go together")
    elif net.config.context_dim is not None:
        raise ValueError("the network is told by text, and there is no text encoder")
    else:
        model = Model(**settings)
    return replace(model, cats=_cats(path, model))


def _sample_shape(values: Any, shape: UNetConfig) -> tuple[int, int, int]:
    """(C, H, W) that the network can work on. Raises ValueError."""
    for value in values:
        check_whole("sample_shape", value, 1, MAX_SIDE)
    in_channels, *sides = values
    if in_channels != shape.in_channels or len(sides) != 2 or any(side % shape.factor for side in sides):
        raise ValueError("sample_shape does not fit the network")
    return (in_channels, *sides)


def _classes(names: Any, shape: UNetConfig) -> tuple[str, ...] | None:
    """The name of each of the network's classes, in the form in which it is typed. Raises ValueError."""
    if not isinstance(names, list | None):
        raise ValueError("classes must be a list or null")
    if shape.num_classes != (len(names) if names else None):
        raise ValueError("classes do not fit the network")
    return tuple(nfc(str(name)) for name in names) if names else None


def _cats(path: Path, model: Model) -> Cats | None:
    """The parts beside the weights of a model of cats, which have to fit. Raises CheckpointError."""
    if not is_of_cats(model.about):  # an earlier model may have left its parts
        return None
    try:
        cats = read_cats(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None
    fits = cats is None or (cats.image_shape == model.image_shape and model.classes in (None, cats.classes))
    if not fits:
        raise CheckpointError(f"The parts in {path} are not those of the model's classes and pictures.")
    return cats


def is_of_cats(about: Any) -> bool:
    """Whether what a config is "about" is a model that was trained on cats, which has their parts."""
    return isinstance(about, dict) and about.get("data") == Cats.title


def _about(values: Any) -> dict[str, Any]:
    if not (isinstance(values, dict) and all("name" in dict(each) for each in values.get("began_with", []))):
        raise ValueError("about must be an object, whose beginnings have names")
    return values


def _check_latent(
    net: UNetConfig, text: TextConfig, autoencoder: AutoencoderConfig, sample_shape: tuple[int, ...]
) -> None:
    """Raises ValueError, saying which, unless the parts fit together."""
    if net.context_dim != text.width:
        raise ValueError("the text encoder does not fit the network")
    if net.in_channels != autoencoder.latent_channels:
        raise ValueError("the autoencoder does not fit the network")
    if net.sketch_side is not None and sample_shape[1:] != (net.sketch_side, net.sketch_side):
        raise ValueError("sketch_side does not fit sample_shape")
