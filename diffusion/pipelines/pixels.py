"""diffusers' unconditional pipelines of pixels, such as google/ddpm-cifar10-32, as models of ours.

`diffusers` is imported where it is used. Only safetensors are read, and no code that a repo brings along is
run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from diffusion.checks import is_whole
from diffusion.devices import best_device
from diffusion.models.model import Model
from diffusion.models.weights import PICKLE_SUFFIXES, all_finite
from diffusion.nets.step_cost import num_parameters
from diffusion.nets.unet import UNet
from diffusion.pipelines.betas import read_scheduler
from diffusion.pipelines.loading import (
    MAX_CPU_PARAMETERS,
    PipelineError,
    first_line,
    read_json,
)
from diffusion.process import PREDICTIONS
from diffusion.schedules import check_name

INDEX, CONFIG = "model_index.json", "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
MAX_PARAMETERS = 250_000_000
MAX_SIDE = 256  # of the pictures
MAX_BLOCKS, MAX_LAYERS, MAX_CHANNELS = 8, 8, 2048  # of a config: more would take long to lay out, even empty
NETWORK = "UNet2DModel"
PIPELINES = ("DDPMPipeline", "DDIMPipeline", "PNDMPipeline")


class PixelNet(nn.Module):
    """A UNet2DModel behind our call: its timestep 0 is our t = 1."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self,
        x_t: Tensor,  # (B, C, H, W)
        t: Tensor,  # (B,) in 1..T, also between whole ones
        class_labels: None = None,
        context: None = None,
    ) -> Tensor:
        return cast(Tensor, self.unet(x_t, t - 1).sample)


@dataclass(frozen=True, eq=False)
class PixelPipeline(Model):
    """A pipeline of diffusers as a Model, whose schedule may be one that SCHEDULES does not have."""

    def __post_init__(self) -> None:
        check_name("prediction", self.prediction, PREDICTIONS)

    def to(self, device: torch.device | str) -> "PixelPipeline":
        """As `Model.to`. Raises PipelineError: the weights cannot be used; says why."""
        if self.device.type == "meta" and self.folder is not None:
            cast(Any, self.net).unet = _read_weights(_part(self.folder, "unet"), self.name)
        self.net.to(device)
        return self


def describe_pipeline(folder: Path, name: str) -> PixelPipeline:
    """What a folder's JSON files say, as a model that reads its weights when it is moved to a device.

    Args:
        folder: as diffusers saves a pipeline, with unet/ and scheduler/, or all in one folder.
        name: of the model, and of what is refused.

    Raises:
        PipelineError: it is no such pipeline, or diffusers is not installed; says which.
    """
    diffusers = _diffusers()
    if (folder / INDEX).is_file():
        check_parts(read_json(folder / INDEX, name), name)
    place = _part(folder, "unet")
    config = read_json(place / CONFIG, name)
    check_network(config, name)
    schedule_name, schedule, prediction = read_scheduler(_part(folder, "scheduler"), name)
    try:
        with torch.device("meta"):
            unet = diffusers.UNet2DModel.from_config(config)
    except Exception as error:  # whatever a wrong value leads to
        raise PipelineError(f"{name} has a UNet that cannot be built: {first_line(error)}") from None
    check_size(num_parameters(unet), name)
    side = config["sample_size"]
    height, width = side if isinstance(side, list) else (side, side)
    net = cast(UNet, PixelNet(unet).eval().requires_grad_(False))
    shape = (config["in_channels"], height, width)
    return PixelPipeline(name, net, schedule_name, schedule, prediction, shape, folder=folder)


def weights_in(names: set[str], name: str) -> str:
    """Which of these files has the weights. Raises PipelineError: there is none that is read."""
    for file in (f"unet/{WEIGHTS}", WEIGHTS):
        if file in names:
            return file
    pickles = sorted(file for file in names if Path(file).suffix in PICKLE_SUFFIXES)
    if pickles:
        raise PipelineError(f"{name} has its weights only in {pickles[0]}, a pickle, which is never opened.")
    raise PipelineError(f"{name} has no {WEIGHTS}.")


def check_parts(index: dict[str, Any], name: str) -> None:
    """Raises PipelineError unless a model_index.json tells of a UNet2DModel and a scheduler alone."""
    parts = {part: value for part, value in index.items() if isinstance(value, list)}
    own_code = [part for part, value in parts.items() if not _is_of_diffusers(value)]
    kind = index.get("_class_name")
    if not isinstance(kind, str) or own_code:
        raise PipelineError(
            f"{name} brings code of its own ({', '.join(own_code) or kind}), which is not run here."
        )
    if latent := sorted({"vae", "vqvae", "movq"} & parts.keys()):
        raise PipelineError(
            f"{name}, a {kind}, works on latents (it has a {latent[0]}), and this tab on pixels."
        )
    if kind not in PIPELINES or parts.keys() != {"unet", "scheduler"} or parts["unet"][1] != NETWORK:
        raise PipelineError(f"{name}, a {kind}, is none of {', '.join(PIPELINES)} with a {NETWORK}.")


def _is_of_diffusers(value: list[Any]) -> bool:
    """Whether it is a part of diffusers' own, or of transformers', or one that is left out."""
    return len(value) == 2 and value[0] in ("diffusers", "transformers", None)


def check_network(config: dict[str, Any], name: str) -> None:
    """Raises PipelineError unless a config.json is of a UNet2DModel that is told x_t and t alone."""
    kind, time = config.get("_class_name"), config.get("time_embedding_type", "positional")
    if kind != NETWORK:
        raise PipelineError(f"{name} is a {kind or 'model of an unknown kind'}, and not a {NETWORK}.")
    if config.get("class_embed_type") is not None or config.get("num_class_embeds") is not None:
        raise PipelineError(f"{name} is told a class, and only unconditional pipelines are read.")
    if time != "positional" or config.get("quantization_config") is not None:
        what = "quantised weights" if time == "positional" else f"timesteps of the kind {time!r}"
        raise PipelineError(f"{name} has {what}, which are not read here.")
    channels = config.get("in_channels")
    if channels not in (1, 3) or config.get("out_channels") != channels:
        raise PipelineError(
            f"{name} makes {config.get('out_channels')} channels of {channels}: pictures have 1 or 3, and as"
            f" many come out (no learned variance, no latents)."
        )
    _check_limits(config, name)


def _check_limits(config: dict[str, Any], name: str) -> None:
    """Raises PipelineError if a network is larger, or of larger pictures, than is shown here."""
    sides: Any = config.get("sample_size")
    sides = sides if isinstance(sides, list) else [sides, sides]
    if len(sides) != 2 or not all(is_whole(side, 1, 10**6) for side in sides):
        raise PipelineError(f"{name} does not say how large its pictures are (sample_size).")
    if max(sides) > MAX_SIDE:
        wide, high = sides[1], sides[0]
        raise PipelineError(f"{name} draws {wide}×{high} pixels, and here at most {MAX_SIDE}×{MAX_SIDE} are.")
    channels, layers = config.get("block_out_channels", []), config.get("layers_per_block", 2)
    fits = (
        isinstance(channels, list)
        and 1 <= len(channels) <= MAX_BLOCKS
        and all(is_whole(each, 1, MAX_CHANNELS) for each in channels)
        and is_whole(layers, 1, MAX_LAYERS)
    )
    if not fits:
        raise PipelineError(
            f"{name} is too large, or unreadable: up to {MAX_BLOCKS} blocks of up to {MAX_LAYERS} layers and"
            f" {MAX_CHANNELS:,} channels are read."
        )
    factor = 2 ** (len(channels) - 1)
    if any(side % factor for side in sides):
        raise PipelineError(
            f"{name} halves its pictures {len(channels) - 1} times, which does not come out even."
        )


def check_size(parameters: int, name: str) -> None:
    """Raises PipelineError if a network is too large for this machine."""
    on_cpu = best_device() == "cpu"
    most = MAX_CPU_PARAMETERS if on_cpu else MAX_PARAMETERS
    if parameters > most:
        where = "on a machine without a GPU" if on_cpu else "here"
        raise PipelineError(
            f"{name} is too large: it has {parameters / 1e6:,.0f} million parameters, and {where} at most"
            f" {most / 1e6:,.0f} million are run."
        )


# ---- the files -------------------------------------------------------------------------------------------


def _part(folder: Path, part: str) -> Path:
    """Where a part's files are: in a folder of its own, or among the others."""
    return folder / part if (folder / part).is_dir() else folder


def _read_weights(place: Path, name: str) -> Any:
    """The network with its weights. Raises PipelineError if they are not all there, and finite."""
    weights_in({file.name for file in place.iterdir()}, name)
    try:
        unet, found = _diffusers().UNet2DModel.from_pretrained(
            place,
            use_safetensors=True,  # others would be unpickled, which can run anything
            local_files_only=True,
            low_cpu_mem_usage=False,  # which needs another package
            output_loading_info=True,
            torch_dtype=torch.float32,
        )
    except Exception as error:  # diffusers raises anything, from OSError to KeyError
        reason = first_line(error).replace(str(place), name)
        raise PipelineError(f"{name} could not be loaded: {reason}") from None
    if found["missing_keys"] or found["unexpected_keys"] or found["mismatched_keys"]:
        raise PipelineError(f"{name} holds another network than its {CONFIG} describes.")
    if not all_finite(unet.state_dict()):
        raise PipelineError(f"{name} holds weights that are not finite.")
    return unet.eval().requires_grad_(False)


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError:
        raise PipelineError(
            "Run `pip install diffusers` first: pipelines of diffusers need this package."
        ) from None
    return diffusers
