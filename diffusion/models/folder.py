"""Trained models as folders, in the layout of a Hub model repo: config.json and the weights.

Nothing here unpickles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from diffusion.checks import check_whole
from diffusion.files import write_atomically
from diffusion.models.model import Model
from diffusion.models.weights import (
    CONFIG_FILE,
    INDEX_FILE,
    SHARDS,
    WEIGHTS_FILE,
    CheckpointError,
    all_finite,
    read_object,
    read_weights,
    shapes_of,
    write_model,
)
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.process import PREDICTIONS
from diffusion.schedules import SCHEDULES

TOKENIZER_FILE = "tokenizer.json"
PARTS = {"autoencoder": "autoencoder", "text": "text encoder"}  # that are trained alone, before the model
MODEL_FILES = (
    CONFIG_FILE,
    WEIGHTS_FILE,
    INDEX_FILE,
    SHARDS,
    TOKENIZER_FILE,
)  # as globs: all that `save_model` may write
MAX_TIMESTEPS, MAX_SIDE = 10_000, 1024


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
    config = {
        "unet": asdict(model.net.config),
        "schedule": {"name": model.schedule_name, "num_timesteps": model.schedule.num_timesteps},
        "prediction": model.prediction,
        "sample_shape": model.sample_shape,
        "classes": model.classes,
        "about": model.about,
    }
    if model.text is not None:
        config["text"] = asdict(model.text.config)
    if model.autoencoder is not None:
        config["autoencoder"] = asdict(model.autoencoder.config)
    weights = _to_store(model.name, model.parts(), dtype)
    path.mkdir(parents=True, exist_ok=True)
    if model.tokenizer is not None:
        write_atomically(path / TOKENIZER_FILE, model.tokenizer.to_str(pretty=True).encode())
    write_model(path, weights, config)


def _state(parts: dict[str, nn.Module]) -> dict[str, Tensor]:
    """All weights of the networks, by their names in a file."""
    return {f"{prefix}{k}": v for prefix, part in parts.items() for k, v in part.state_dict().items()}


def _to_store(name: str, parts: dict[str, nn.Module], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The weights as they go into a file. Raises CheckpointError if they are not finite in this dtype."""
    weights = {k: v.to("cpu", dtype).contiguous() for k, v in _state(parts).items()}
    if not all_finite(weights):
        raise CheckpointError(f"{name} has weights that are not finite in {dtype or 'their type'}.")
    return weights


def _load_parts(path: Path, parts: dict[str, nn.Module], device: torch.device | str) -> None:
    """Give the networks the weights in a folder, and make them ready to be used."""
    weights = read_weights(path, shapes_of(_state(parts)))
    for prefix, part in parts.items():
        part.load_state_dict({k: weights[f"{prefix}{k}"] for k in part.state_dict()}, assign=True)
        part.to(device).eval().requires_grad_(False)


def save_autoencoder(path: Path, autoencoder: Autoencoder, about: dict[str, Any]) -> None:
    """Write a folder with an autoencoder alone, the first stage of a latent model.

    Raises:
        CheckpointError: weights that are not finite; nothing is written.
        OSError: the folder cannot be written.
    """
    _save_part(path, "autoencoder", autoencoder, about)


def load_autoencoder(path: Path, device: torch.device | str = "cpu") -> Autoencoder:
    """Read what `save_autoencoder` wrote.

    Raises:
        CheckpointError: something is missing, broken or foreign; says what.
    """
    return _load_part(path, "autoencoder", Autoencoder, AutoencoderConfig, device)


def save_text_encoder(path: Path, text: TextEncoder, tokenizer: Tokenizer, about: dict[str, Any]) -> None:
    """The same with a text encoder and its vocabulary, the second stage. Raises as `save_autoencoder`."""
    _save_part(path, "text", text, about)
    write_atomically(path / TOKENIZER_FILE, tokenizer.to_str(pretty=True).encode())


def load_text_encoder(path: Path, device: torch.device | str = "cpu") -> tuple[TextEncoder, Tokenizer]:
    """Read what `save_text_encoder` wrote. Raises as `load_autoencoder`."""
    text = _load_part(path, "text", TextEncoder, TextConfig, device)
    return text, _read_tokenizer(path / TOKENIZER_FILE, text.config)


def _save_part(path: Path, kind: str, part: Autoencoder | TextEncoder, about: dict[str, Any]) -> None:
    weights = _to_store(f"The {PARTS[kind]}", {"": part})
    path.mkdir(parents=True, exist_ok=True)
    write_model(path, weights, {kind: asdict(part.config), "about": about})


def _load_part(
    path: Path, kind: str, module: type[nn.Module], shape: type, device: torch.device | str
) -> Any:
    if not (path / CONFIG_FILE).is_file():
        flag = PARTS[kind].replace(" ", "-")
        raise CheckpointError(f"{path} holds no trained {PARTS[kind]}: train it first, or name --{flag}.")
    config = read_object(path / CONFIG_FILE)
    with _described_by(path):
        part = _on_meta(module, shape, config[kind])
    _load_parts(path, {"": part}, device)
    return part


def load_folder(path: Path, device: torch.device | str = "cpu", name: str | None = None) -> Model:
    """Read a model's folder, weights as float32; the model is called `name`, or as the folder is.

    Raises:
        CheckpointError: something in it is missing, broken or foreign; says what.
    """
    if not (path / CONFIG_FILE).is_file():
        raise CheckpointError(f"{path} is not a checkpoint: it has no {CONFIG_FILE}.")
    config = read_object(path / CONFIG_FILE)
    with _described_by(path):
        model = _untrained_model(config, name or path.resolve().name)
    if model.text is not None:
        model = replace(model, tokenizer=_read_tokenizer(path / TOKENIZER_FILE, model.text.config))
    _load_parts(path, model.parts(), device)
    return replace(model, folder=path)


@contextmanager
def _described_by(path: Path) -> Iterator[None]:
    """What goes wrong inside is the config's fault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wrong = f"{error} is missing" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path / CONFIG_FILE} does not describe a model: {wrong}.") from None


def _read_tokenizer(file: Path, config: TextConfig) -> Tokenizer:
    if not file.is_file():
        raise CheckpointError(f"{file.parent} has no {file.name}.")
    try:
        tokenizer = Tokenizer.from_file(str(file))
        length = len(tokenizer.encode("").ids)
    except Exception:  # the library raises nothing more exact
        raise CheckpointError(f"{file} is broken, or not a tokenizer.") from None
    if tokenizer.get_vocab_size() != config.vocabulary_size or length != config.num_tokens:
        raise CheckpointError(f"{file} does not fit the text encoder that {CONFIG_FILE} describes.")
    return tokenizer


def _on_meta(module: type[nn.Module], shape: type, values: dict[str, Any]) -> Any:
    """A network of this shape without memory: a foreign config cannot ask for any."""
    with torch.device("meta"):
        return module(shape(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}))


def _untrained_model(config: dict[str, Any], name: str) -> Model:
    """What a config describes, its network without memory: a foreign config cannot ask for any."""
    classes, about = config["classes"], config.get("about", {})
    if not isinstance(about, dict) or not isinstance(classes, list | None):
        raise ValueError("about must be an object, and classes a list or null")
    net = _on_meta(UNet, UNetConfig, config["unet"])
    shape = net.config
    text = _on_meta(TextEncoder, TextConfig, config["text"]) if "text" in config else None
    latent = "autoencoder" in config
    autoencoder = _on_meta(Autoencoder, AutoencoderConfig, config["autoencoder"]) if latent else None
    if shape.context_dim != (text.config.width if text else None):
        raise ValueError("the text encoder does not fit the network")
    if (text is None) != (autoencoder is None):
        raise ValueError("a text encoder and an autoencoder go together")
    if autoencoder and shape.in_channels != autoencoder.config.latent_channels:
        raise ValueError("the autoencoder does not fit the network")
    if shape.num_classes != (len(classes) if classes else None):
        raise ValueError("classes do not fit the network")
    in_channels, *sides = config["sample_shape"]
    for side in (in_channels, *sides):
        check_whole("sample_shape", side, 1, MAX_SIDE)
    halvings = len(shape.channel_mult) - 1
    if in_channels != shape.in_channels or len(sides) != 2 or any(side % 2**halvings for side in sides):
        raise ValueError("sample_shape does not fit the network")
    if text and shape.sketch_side is None:
        raise ValueError("a network that is told by text needs a sketch_side")
    if text and sides != [shape.sketch_side] * 2:
        raise ValueError("sketch_side does not fit sample_shape")
    schedule_name, prediction = config["schedule"]["name"], config["prediction"]
    num_timesteps = config["schedule"]["num_timesteps"]
    check_whole("num_timesteps", num_timesteps, 2, MAX_TIMESTEPS)
    if schedule_name not in SCHEDULES or prediction not in PREDICTIONS:
        raise ValueError(f"schedule {schedule_name!r} or prediction {prediction!r} is unknown")
    return Model(
        name,
        net,
        schedule_name,
        SCHEDULES[schedule_name](num_timesteps),
        prediction,
        (in_channels, *sides),
        tuple(map(str, classes)) if classes else None,
        about,
        text,
        None,
        autoencoder,
    )
