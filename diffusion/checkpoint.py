"""Trained models as folders, in the layout of a Hub model repo: config.json and model.safetensors.

Nothing here unpickles, and a file is either the old one or the new one, never half of it.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from diffusion.denoiser import Denoiser, guide, network_denoiser
from diffusion.process import PREDICTIONS
from diffusion.schedules import SCHEDULES, NoiseSchedule
from diffusion.unet import UNet, UNetConfig

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MAX_TIMESTEPS = 10_000


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one plain sentence naming it."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network with everything that is needed to sample it.

    Args:
        name: the checkpoint folder's name.
        net: the network, in evaluation mode.
        schedule_name: a key of SCHEDULES.
        schedule: what it was trained on.
        prediction: what it outputs: "epsilon", "v" or "sample".
        sample_shape: (C, H, W) of x_T.
        classes: class names, if it was trained with labels.
        about: data, licence, settings: what the model card tells.
    """

    name: str
    net: UNet
    schedule_name: str
    schedule: NoiseSchedule
    prediction: str
    sample_shape: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def denoiser(
        self,
        *,
        class_labels: Tensor | None = None,
        guidance_scale: float = 1.0,
        schedule: NoiseSchedule | None = None,
    ) -> Denoiser:
        """The denoiser (x_t, t) → x_0_hat.

        Args:
            class_labels: (B,) int64, or None for no class.
            guidance_scale: 1.0 is off; without a class it has nothing to guide towards.
            schedule: the schedule that is sampled, if not the model's own.
        """

        def conditioned_on(labels: Tensor | None) -> Denoiser:
            return network_denoiser(
                self.net,
                schedule or self.schedule,
                self.prediction,
                trained_on=self.schedule,
                class_labels=labels,
            )

        if class_labels is None:
            return conditioned_on(None)
        return guide(conditioned_on(class_labels), conditioned_on(None), guidance_scale)


def save_model(path: Path, model: Model, dtype: torch.dtype | None = None) -> None:
    """Write a model's folder.

    Args:
        path: the folder; made if need be.
        model: what to write.
        dtype: of the weights in the file, float16 to ship; None keeps theirs.
    """
    path.mkdir(parents=True, exist_ok=True)
    config = {
        "unet": asdict(model.net.config),
        "schedule": {"name": model.schedule_name, "num_timesteps": model.schedule.num_timesteps},
        "prediction": model.prediction,
        "sample_shape": model.sample_shape,
        "classes": model.classes,
        "about": model.about,
    }
    weights = {k: v.to("cpu", dtype).contiguous() for k, v in model.net.state_dict().items()}
    write_atomically(path / WEIGHTS_FILE, safetensors.torch.save(weights, {"format": "pt"}))
    write_atomically(path / CONFIG_FILE, json.dumps(config, indent=2, ensure_ascii=False).encode())


def load_folder(path: Path, device: torch.device | str = "cpu", name: str | None = None) -> Model:
    """Read a model's folder, weights as float32; the model is called `name`, or as the folder is.

    Raises:
        CheckpointError: something in it is missing, broken or foreign; says what.
    """
    config = _read_config(path)
    try:
        unet = {k: tuple(v) if isinstance(v, list) else v for k, v in config["unet"].items()}
        length = _bounded(config["schedule"]["num_timesteps"], MAX_TIMESTEPS)
        schedule = SCHEDULES[config["schedule"]["name"]](length)
        prediction = PREDICTIONS[PREDICTIONS.index(config["prediction"])]
        sample_shape = tuple(_bounded(side, 4096) for side in config["sample_shape"])
        classes = tuple(map(str, config["classes"])) if config["classes"] else None
        with torch.device("meta"):  # shapes only: a foreign config cannot ask for memory
            net = UNet(UNetConfig(**unet))
        if len(sample_shape) != 3 or sample_shape[0] != net.config.in_channels:
            raise ValueError("sample_shape does not fit the network")
        if net.config.num_classes != (len(classes) if classes else None):
            raise ValueError("classes do not fit the network")
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path / CONFIG_FILE} does not describe a model: {error}.") from None
    net.load_state_dict(_read_weights(path, net), assign=True)
    net.to(device).eval().requires_grad_(False)
    return Model(
        name or path.resolve().name,
        net,
        config["schedule"]["name"],
        schedule,
        prediction,
        sample_shape,
        classes,
        config.get("about", {}),
    )


def _bounded(value: Any, maximum: int) -> int:
    if type(value) is not int or not 1 <= value <= maximum:
        raise ValueError(f"{value!r} is not a whole number from 1 to {maximum}")
    return value


def _read_config(path: Path) -> dict[str, Any]:
    file = path / CONFIG_FILE
    if not file.is_file():
        raise CheckpointError(f"{path} is not a checkpoint: it has no {CONFIG_FILE}.")
    try:
        config = json.loads(file.read_text("utf-8"))
    except ValueError:
        raise CheckpointError(f"{file} is not valid JSON.") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"{file} does not describe a model.")
    return config


def _read_weights(path: Path, net: UNet) -> dict[str, Tensor]:
    """The float32 weights, checked against the network's names and shapes."""
    file = path / WEIGHTS_FILE
    if not file.is_file():
        pickles = [p.name for p in path.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"}]
        hint = f"; {pickles[0]} is a pickle, which is never opened" if pickles else ""
        raise CheckpointError(f"{path} has no {WEIGHTS_FILE}{hint}.")
    try:
        weights = {k: v.float() for k, v in safetensors.torch.load_file(file).items()}
    except (SafetensorError, OSError):
        raise CheckpointError(f"{file} is truncated or not a safetensors file.") from None
    if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in net.state_dict().items()}:
        raise CheckpointError(f"{file} holds another network than {CONFIG_FILE} describes.")
    if not all(w.isfinite().all() for w in weights.values()):
        raise CheckpointError(f"{file} holds weights that are not finite.")
    return weights


def save_state(file: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write a run's resumable state, atomically: tensors, and JSON values beside them."""
    tensors = {k: v.detach().contiguous() for k, v in tensors.items()}
    write_atomically(file, safetensors.torch.save(tensors, {"meta": json.dumps(meta)}))


def load_state(file: Path, device: torch.device | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_state` wrote.

    Raises:
        CheckpointError: the file is broken.
    """
    try:
        with safe_open(file, "pt", device=str(device)) as state:
            tensors = {k: state.get_tensor(k) for k in state.keys()}  # noqa: SIM118
            return tensors, json.loads(state.metadata()["meta"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        raise CheckpointError(f"{file} is not the state of a training run.") from None


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file's content as one step: after a crash or a full disk the old content is still whole."""
    with_temporary(file, lambda temporary: temporary.write_bytes(content))


def with_temporary(file: Path, write: Callable[[Path], Any]) -> None:
    """Have `write` fill a temporary file beside `file`, then put it in `file`'s place."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
