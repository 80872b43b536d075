"""Networks that are trained alone, before the model that they become part of: each a folder of its own."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from diffusion.files import CONFIG_FILE
from diffusion.models.stored import (
    TOKENIZER_FILE,
    Network,
    Shape,
    described_by,
    load_parts,
    on_meta,
    read_tokenizer,
    to_store,
    write_tokenizer,
)
from diffusion.models.weights import CheckpointError, read_object, write_model
from diffusion.nets.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nets.text_encoder import TextConfig, TextEncoder

PARTS = {"autoencoder": "autoencoder", "text": "text encoder"}


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
    write_tokenizer(path, tokenizer)


def load_text_encoder(path: Path, device: torch.device | str = "cpu") -> tuple[TextEncoder, Tokenizer]:
    """Read what `save_text_encoder` wrote. Raises as `load_autoencoder`."""
    text = _load_part(path, "text", TextEncoder, TextConfig, device)
    return text, read_tokenizer(path / TOKENIZER_FILE, text.config)


def _save_part(path: Path, kind: str, part: Autoencoder | TextEncoder, about: dict[str, Any]) -> None:
    weights = to_store(f"The {PARTS[kind]}", {"": part})
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
    with described_by(path):
        part = on_meta(module, shape, config[kind])
    load_parts(path, {"": part}, device)
    return part
