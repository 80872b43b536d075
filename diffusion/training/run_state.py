"""The state of a training run, to continue it. Nothing here unpickles."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.optim import Optimizer

from diffusion.data.contents import Contents, Part, difference
from diffusion.files import STATE_FILE, to_json, write_atomically
from diffusion.models.weights import CheckpointError, all_finite, shapes_of
from diffusion.nets.ema import EMA

MOMENT = re.compile(r"\d+\.\w+")  # of a parameter by its number


def save_run(
    path: Path,
    net: nn.Module,
    ema: EMA,
    optimizer: Optimizer,
    images_seen: int,
    settings: dict[str, Any],
    data: Contents,
) -> None:
    """Write all that a training run needs to continue, atomically.

    Args:
        path: the folder, which gets a state.safetensors.
        net, ema, optimizer: the state of training.
        images_seen: so far.
        settings: JSON values that may not change when the run continues.
        data: what it is trained on, which may not change either.

    Raises:
        CheckpointError: weights that are not finite; an earlier state is untouched.
        OSError: the state cannot be written; an earlier one is untouched.
    """
    weights = net.state_dict()
    if not all_finite(weights):
        raise CheckpointError(f"The weights are not finite any more; {path / STATE_FILE} is from before.")
    tensors = {f"net.{k}": v for k, v in weights.items()}
    tensors |= {f"ema.{k}": v for k, v in ema.weights.items()}
    for i, slot in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v for k, v in slot.items()}
    tensors = {k: v.detach().contiguous() for k, v in tensors.items()}
    parts = {name: asdict(part) for name, part in data.items()}
    meta = to_json({"images_seen": images_seen, "config": settings, "data": parts})
    write_atomically(path / STATE_FILE, safetensors.torch.save(tensors, {"meta": meta}))


def load_run(
    path: Path,
    net: nn.Module,
    ema: EMA,
    optimizer: Optimizer,
    settings: dict[str, Any],
    defaults: dict[str, Any],
    data: Contents,
) -> int:
    """Put back what `save_run` wrote.

    Args:
        path, net, ema, optimizer, settings, data: as there. A state that was written before it knew its data
            goes on with any.
        defaults: of the settings that have one, as for `other_settings`.

    Returns:
        The images seen; 0 where nothing was saved yet.

    Raises:
        CheckpointError: the state is broken, or of a run with other settings or data; says which.
    """
    file = path / STATE_FILE
    if not file.exists():
        return 0
    held, images_seen, parts = _read(file, str(next(net.parameters()).device))
    if other := other_settings(held, settings, defaults):
        raise CheckpointError(f"{path} holds a run with another {', '.join(other)}: choose another --out.")
    _check_data(path, data)
    slots = _by_parameter(parts["optimizer"])
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    if not _fits(parts, slots, net, ema, parameters):
        raise CheckpointError(f"{path} holds a run of another network: choose another --out.")
    net.load_state_dict(parts["net"])
    for name, average in ema.weights.items():
        average.copy_(parts["ema"][name])
    moments = {i: _laid_out_like(parameters[i], slot) for i, slot in slots.items()}
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return images_seen


def _check_data(path: Path, data: Contents) -> None:
    known = saved_data(path)
    if known is not None and (changed := difference(known, data)):
        raise CheckpointError(
            f"{path} holds a run on other data ({changed}): choose another --out, or bring back what it had."
        )


def _read(file: Path, device: str) -> tuple[dict[str, Any], int, dict[str, dict[str, Tensor]]]:
    """The settings, the images seen, and the tensors of each part: "net", "ema" and "optimizer"."""
    parts: dict[str, dict[str, Tensor]] = {"net": {}, "ema": {}, "optimizer": {}}
    try:
        with safe_open(file, "pt", device=device) as state:
            meta = json.loads(state.metadata()["meta"])
            for key in state.keys():  # noqa: SIM118
                part, name = key.split(".", 1)
                parts[part][name] = state.get_tensor(key)
        if not all(MOMENT.fullmatch(key) for key in parts["optimizer"]):
            raise ValueError("no moments of an optimiser")
        return dict(meta["config"]), int(meta["images_seen"]), parts
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError):
        raise CheckpointError(f"{file} is broken, or not the state of a training run.") from None


def _by_parameter(moments: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """By number and name what the state has as "number.name"."""
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        index, name = key.split(".")
        slots.setdefault(int(index), {})[name] = value
    return slots


def _fits(
    parts: dict[str, dict[str, Tensor]],
    slots: dict[int, dict[str, Tensor]],
    net: nn.Module,
    ema: EMA,
    parameters: dict[int, Tensor],
) -> bool:
    """Whether weights, averages and moments are those of this network, as far as shapes tell."""
    weights = {"net": net.state_dict(), "ema": ema.weights}
    return all(shapes_of(parts[part]) == shapes_of(known) for part, known in weights.items()) and all(
        index in parameters and value.shape in ((), parameters[index].shape)
        for index, slot in slots.items()
        for value in slot.values()
    )


def _laid_out_like(parameter: Tensor, slot: dict[str, Tensor]) -> dict[str, Tensor]:
    """Moments in their parameter's memory format: a fused optimiser walks through all of them side by side.

    All are copies: what is read from the file is a part of it, and keeps it open.
    """
    return {
        name: torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
        if value.shape == parameter.shape
        else value.clone()  # a number of steps
        for name, value in slot.items()
    }


def other_settings(held: dict[str, Any], settings: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """The names of the settings in which a run that is begun differs from these.

    Args:
        held: what its state holds. What is no setting any more does not count.
        settings: of today.
        defaults: what a run went by whose state does not hold a setting yet.
    """
    then = defaults | held
    return sorted(name for name in settings if name not in then or then[name] != settings[name])


def saved_settings(path: Path) -> dict[str, Any] | None:
    """The settings of the run that `save_run` wrote there; None if there is none that can be read."""
    return _meta(path).get("config")


def saved_data(path: Path) -> Contents | None:
    """What that run is trained on; None if there is none, or if it does not know."""
    try:
        return {name: Part(**part) for name, part in _meta(path)["data"].items()}
    except (KeyError, TypeError, AttributeError):
        return None


def _meta(path: Path) -> dict[str, Any]:
    """What a state says beside its tensors; nothing if there is no state that can be read."""
    try:
        with safe_open(path / STATE_FILE, "pt") as state:
            return dict(json.loads(state.metadata()["meta"]))
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return {}
