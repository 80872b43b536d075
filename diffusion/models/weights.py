"""A network's weights in a folder: one model.safetensors, or shards and their index, as on the Hub.

Nothing here unpickles, and a file is either the old one or the new one, never half of it.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diffusion.files import CONFIG_FILE, WEIGHTS_FILE, to_json, write_atomically

INDEX_FILE = "model.safetensors.index.json"
SHARDS = "model-*.safetensors"  # a glob; what an index may name is stricter
SHARD_NAME = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
PICKLE_SUFFIXES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
# Of the tensors in a file: with its header it stays below 16 MiB, which can be sent and kept anywhere, where
# the Hub's own limit of some GB cannot.
MAX_SHARD_BYTES = 15 * 2**20


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one plain sentence naming it."""


def write_model(path: Path, weights: dict[str, Tensor], config: dict[str, Any]) -> None:
    """Write a folder's config and weights, these in shards if they are large.

    Raises:
        OSError: the folder cannot be written; it holds the old model or the new one.
    """
    # A crash leaves the old model or the new one: where there is a model.safetensors, `read_weights` looks
    # at nothing else. So all weights first go there, in one step, and the model is the new one, whatever
    # shards lie beside it, of whichever model. It goes when its shards and their index are complete. (The
    # config is a step of its own: a network of another kind is only safe in another folder.)
    write_atomically(path / WEIGHTS_FILE, safetensors.torch.save(weights, {"format": "pt"}))
    write_atomically(path / CONFIG_FILE, to_json(config, indent=2, ensure_ascii=False).encode())
    shards = _split(weights) if _num_bytes(weights) > MAX_SHARD_BYTES else []
    names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards):
        write_atomically(path / name, safetensors.torch.save(shard, {"format": "pt"}))
    if shards:
        weight_map = {key: name for name, shard in zip(names, shards) for key in shard}
        index = {"metadata": {"total_size": _num_bytes(weights)}, "weight_map": weight_map}
        write_atomically(path / INDEX_FILE, to_json(index, indent=2, sort_keys=True).encode())
    former = {file.name for file in path.glob(SHARDS)} - set(names)
    for name in (*former, WEIGHTS_FILE if shards else INDEX_FILE):
        (path / name).unlink(missing_ok=True)


def _num_bytes(weights: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in weights.values())


def _split(weights: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The tensors in their order, as many in each part as it can hold; a larger one has its own."""
    parts: list[dict[str, Tensor]] = [{}]
    for key, tensor in weights.items():
        if parts[-1] and _num_bytes(parts[-1]) + tensor.nbytes > MAX_SHARD_BYTES:
            parts.append({})
        parts[-1][key] = tensor
    return parts


def check_layout(path: Path, shapes: dict[str, list[int]]) -> dict[Path, list[str]]:
    """The files that hold weights of these names and shapes, each with their names; no weight is read.

    Raises:
        CheckpointError: a file is missing, broken, or holds other tensors; says which.
    """
    layout = _layout(path, shapes)
    for file, keys in layout.items():
        with opened_weights(file) as stored:
            found = {k: stored.get_slice(k).get_shape() for k in stored.keys()}  # noqa: SIM118
        if found != {k: shapes[k] for k in keys}:
            raise CheckpointError(f"{file} holds another network than {CONFIG_FILE} describes.")
    return layout


def read_weights(path: Path, shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """The float32 weights; all names and shapes are compared with the network's before any is read.

    Raises:
        CheckpointError: as `check_layout`, or a weight is not finite.
    """
    weights: dict[str, Tensor] = {}
    for file, keys in check_layout(path, shapes).items():
        with opened_weights(file) as stored:
            read = {k: stored.get_tensor(k).float() for k in keys}
        if not all_finite(read):
            raise CheckpointError(f"{file} holds weights that are not finite.")
        weights |= read
    return weights


def _layout(path: Path, shapes: dict[str, list[int]]) -> dict[Path, list[str]]:
    """The files that hold the weights, each with the names of its tensors."""
    if (path / WEIGHTS_FILE).is_file():
        return {path / WEIGHTS_FILE: list(shapes)}
    index = path / INDEX_FILE
    if not index.is_file():
        pickles = sorted(p.name for p in path.iterdir() if p.suffix in PICKLE_SUFFIXES)
        hint = f"; {pickles[0]} is a pickle, which is never opened" if pickles else ""
        raise CheckpointError(f"{path} has no {WEIGHTS_FILE}{hint}.")
    weight_map = read_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(map(_is_shard, weight_map.values())):
        raise CheckpointError(f"{index} is not an index of shards like model-00001-of-00002.safetensors.")
    if weight_map.keys() != shapes.keys():
        raise CheckpointError(f"{index} lists another network than {CONFIG_FILE} describes.")
    layout: dict[Path, list[str]] = {}
    for key, name in weight_map.items():
        layout.setdefault(path / name, []).append(key)
    for file in layout:
        if not file.is_file():
            raise CheckpointError(f"{path} has no {file.name}, which {INDEX_FILE} lists.")
    return layout


def _is_shard(name: Any) -> bool:
    return isinstance(name, str) and SHARD_NAME.fullmatch(name) is not None


def read_tensors(file: Path, shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    """The tensors of one file, which are to have these names and shapes, as float32.

    Raises:
        CheckpointError: it is broken, holds others, or one is not finite.
    """
    with opened_weights(file) as stored:
        if {k: stored.get_slice(k).get_shape() for k in stored.keys()} != shapes:  # noqa: SIM118
            raise CheckpointError(f"{file} holds another network than its name says.")
        read = {k: stored.get_tensor(k).float() for k in shapes}
    if not all_finite(read):
        raise CheckpointError(f"{file} holds weights that are not finite.")
    return read


@contextmanager
def opened_weights(file: Path) -> Iterator[Any]:
    """A safetensors file, to be read. Raises CheckpointError: it is none."""
    try:
        with safe_open(file, "pt") as stored:
            yield stored
    except (SafetensorError, OSError):
        raise CheckpointError(f"{file} is truncated or not a safetensors file.") from None


def all_finite(weights: dict[str, Tensor]) -> bool:
    return all(bool(w.isfinite().all()) for w in weights.values())


def shapes_of(weights: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in weights.items()}


def fingerprint(weights: dict[str, Tensor]) -> str:
    """A short text that only the same weights have."""
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises CheckpointError: there is none, or none that can be read."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise CheckpointError(f"{file} is not valid JSON.") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} does not describe a model: it must hold an object.")
    return content
