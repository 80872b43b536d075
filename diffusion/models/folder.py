"""Trained models as folders, in the layout of a Hub model repo: config.json and the weights.

Nothing here unpickles.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from diffusion.checks import check_whole
from diffusion.data.cats import PARTS_FILES, Cats, read_cats, save_cats
from diffusion.data.image_sets import DataError
from diffusion.files import CONFIG_FILE, WEIGHTS_FILE, write_atomically
from diffusion.models.model import LatentModel, Model
from diffusion.models.weights import (
    INDEX_FILE,
    SHARDS,
    CheckpointError,
    all_finite,
    read_object,
    read_weights,
    shapes_of,
    write_model,
)
from diffusion.names import nfc
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.schedules import named_schedule

TOKENIZER_FILE = "tokenizer.json"
PARTS = {"autoencoder": "autoencoder", "text": "text encoder"}  # that are trained alone, before the model
# All that `save_model` may write, as globs.
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE, SHARDS, TOKENIZER_FILE, *PARTS_FILES)
MAX_LENGTH, MAX_SIDE = 10_000, 1024  # of a schedule and of x_T, in a config that may be a stranger's
Shape = TypeVar("Shape")
Network = TypeVar("Network", bound=nn.Module)


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
    weights = _to_store(model.name, model.parts(), dtype)
    path.mkdir(parents=True, exist_ok=True)
    if isinstance(model, LatentModel):
        _write_tokenizer(path, model.tokenizer)
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


def _write_tokenizer(path: Path, tokenizer: Tokenizer) -> None:
    write_atomically(path / TOKENIZER_FILE, tokenizer.to_str(pretty=True).encode())


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
    _write_tokenizer(path, tokenizer)


def load_text_encoder(path: Path, device: torch.device | str = "cpu") -> tuple[TextEncoder, Tokenizer]:
    """Read what `save_text_encoder` wrote. Raises as `load_autoencoder`."""
    text = _load_part(path, "text", TextEncoder, TextConfig, device)
    return text, _read_tokenizer(path / TOKENIZER_FILE, text.config)


def _save_part(path: Path, kind: str, part: Autoencoder | TextEncoder, about: dict[str, Any]) -> None:
    weights = _to_store(f"The {PARTS[kind]}", {"": part})
    path.mkdir(parents=True, exist_ok=True)
    write_model(path, weights, {kind: asdict(part.config), "about": about})


def _load_part(
    path: Path,
    kind: str,
    module: Callable[[Shape], Network],
    shape: Callable[..., Shape],
    device: torch.device | str,
) -> Network:
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

    Returns:
        A Model, or a LatentModel if it is told by text.

    Raises:
        CheckpointError: something in it is missing, broken or foreign; says what.
    """
    if not (path / CONFIG_FILE).is_file():
        raise CheckpointError(f"{path} is not a checkpoint: it has no {CONFIG_FILE}.")
    config = read_object(path / CONFIG_FILE)
    with _described_by(path):
        model = _untrained_model(path, config, nfc(name or path.resolve().name))
    _load_parts(path, model.parts(), device)
    return model


@contextmanager
def _described_by(path: Path) -> Iterator[None]:
    """What goes wrong inside is the config's fault."""
    try:
        yield
    except CheckpointError:  # it is another file's
        raise
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


def _on_meta(
    module: Callable[[Shape], Network], shape: Callable[..., Shape], values: dict[str, Any]
) -> Network:
    """A network of this shape without memory: a foreign config cannot ask for any."""
    with torch.device("meta"):
        return module(shape(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}))


def _untrained_model(path: Path, config: dict[str, Any], name: str) -> Model:
    """What a config describes, with networks that have no memory yet."""
    net = _on_meta(UNet, UNetConfig, config["unet"])
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
        "cats": _cats(path, config),
    }
    if "text" in config and "autoencoder" in config:
        text = _on_meta(TextEncoder, TextConfig, config["text"])
        autoencoder = _on_meta(Autoencoder, AutoencoderConfig, config["autoencoder"])
        _check_latent(net.config, text.config, autoencoder.config, settings["sample_shape"])
        tokenizer = _read_tokenizer(path / TOKENIZER_FILE, text.config)
        return LatentModel(**settings, text=text, tokenizer=tokenizer, autoencoder=autoencoder)
    if "text" in config or "autoencoder" in config:
        raise ValueError("a text encoder and an autoencoder go together")
    if net.config.context_dim is not None:
        raise ValueError("the network is told by text, and there is no text encoder")
    return Model(**settings)


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


def _cats(path: Path, config: dict[str, Any]) -> Cats | None:
    """The parts beside the weights of a model of cats, which have to fit. Raises CheckpointError."""
    if not is_of_cats(config):  # an earlier model may have left its parts
        return None
    try:
        cats = read_cats(path)
    except DataError as error:
        raise CheckpointError(str(error)) from None
    if cats and (list(cats.classes), list(cats.image_shape)) != (config["classes"], config["sample_shape"]):
        raise CheckpointError(f"The parts in {path} are not those of the model's classes and pictures.")
    return cats


def is_of_cats(config: dict[str, Any]) -> bool:
    """Whether a config describes a model that was trained on cats, which has their parts."""
    about = config.get("about")
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
    if net.sketch_side is None:
        raise ValueError("a network that is told by text needs a sketch_side")
    if sample_shape[1:] != (net.sketch_side, net.sketch_side):
        raise ValueError("sketch_side does not fit sample_shape")
