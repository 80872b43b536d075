"""Networks as files, whichever they are: their weights, their shapes, a vocabulary.

Nothing here unpickles, and a foreign config cannot ask for memory.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from diffusion.files import CONFIG_FILE, write_atomically
from diffusion.models.weights import CheckpointError, all_finite, check_layout, read_weights, shapes_of
from diffusion.nets.text_encoder import TextConfig
from diffusion.nets.uninitialised import Uninitialised

TOKENIZER_FILE = "tokenizer.json"
Shape = TypeVar("Shape")
Network = TypeVar("Network", bound=nn.Module)


def write_tokenizer(path: Path, tokenizer: Tokenizer) -> None:
    write_atomically(path / TOKENIZER_FILE, tokenizer.to_str(pretty=True).encode())


def _state(parts: dict[str, nn.Module]) -> dict[str, Tensor]:
    """All weights of the networks, by their names in a file."""
    return {f"{prefix}{k}": v for prefix, part in parts.items() for k, v in part.state_dict().items()}


def to_store(name: str, parts: dict[str, nn.Module], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The weights as they go into a file. Raises CheckpointError if they are not finite in this dtype."""
    weights = {k: v.to("cpu", dtype).contiguous() for k, v in _state(parts).items()}
    if not all_finite(weights):
        raise CheckpointError(f"{name} has weights that are not finite in {dtype or 'their type'}.")
    return weights


def check_parts(path: Path, parts: dict[str, nn.Module]) -> None:
    """Compare what the files in a folder say of their weights with the networks; no weight is read.

    Raises:
        CheckpointError: a file is missing, broken, or holds other tensors; says which.
    """
    check_layout(path, shapes_of(_state(parts)))


def load_parts(path: Path, parts: dict[str, nn.Module], device: torch.device | str) -> None:
    """Give the networks the weights in a folder, and make them ready to be used.

    Raises:
        CheckpointError: as `check_parts`, or a weight is not finite.
    """
    weights = read_weights(path, shapes_of(_state(parts)))
    for prefix, part in parts.items():
        part.load_state_dict({k: weights[f"{prefix}{k}"] for k in part.state_dict()}, assign=True)
        part.to(device).eval().requires_grad_(False)


@contextmanager
def described_by(path: Path) -> Iterator[None]:
    """What goes wrong inside is the config's fault."""
    try:
        yield
    except CheckpointError:  # it is another file's
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wrong = f"{error} is missing" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path / CONFIG_FILE} does not describe a model: {wrong}.") from None


def read_tokenizer(file: Path, config: TextConfig) -> Tokenizer:
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


def on_meta(
    module: Callable[[Shape], Network], shape: Callable[..., Shape], values: dict[str, Any]
) -> Network:
    """A network of this shape without memory: a foreign config cannot ask for any."""
    with Uninitialised(), torch.device("meta"):
        return module(shape(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}))
