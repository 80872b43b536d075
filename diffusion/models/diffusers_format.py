"""Our networks as diffusers has them: which can be a UNet2DModel, under which names, on which schedule.

Nothing here needs diffusers: its format is JSON and safetensors. What differs between the two:

- **Time.** Ours runs t = 1..T, theirs 0..T − 1. Each pair (cos t f, sin t f) of our embedding is theirs
  at t − 1, turned by the angle f, and the first layer takes that rotation into its weights.
- **The middle.** Theirs has a second residual block; with zeros it adds nothing.
- **Attention.** Ours makes q, k and v in one convolution of 1×1 pixels, theirs in three linear layers.
- **Normalisation.** Theirs has one number of groups for all its layers; ours follows the width, and is the
  same everywhere for widths that are multiples of 128.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.models.model import LatentModel, Model
from diffusion.nets.blocks import GROUPS, HEAD_DIM, MAX_PERIOD, Attention, ResBlock
from diffusion.nets.unet import UNet, UNetConfig

WIDTH = 4 * GROUPS  # of whose multiples every normalisation has GROUPS groups
VERSION = "0.42.0"  # of diffusers, whose format this is
PREDICTION_TYPES = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}

# Names of layers, ours and theirs.
OUTER = {
    "conv_in": "conv_in",
    "time_mlp.0": "time_embedding.linear_1",
    "time_mlp.2": "time_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
OF_RESIDUAL = {
    "norm1": "norm1",
    "conv1": "conv1",
    "scale_shift": "time_emb_proj",
    "norm2": "norm2",
    "conv2": "conv2",
    "skip": "conv_shortcut",
}
OF_ATTENTION = {"norm": "group_norm", "out": "to_out.0"}
PARTS_OF_QKV = ("to_q", "to_k", "to_v")  # in the order in which ours has them
RESAMPLED = {"down": "downsamplers.0.conv", "up": "upsamplers.0.conv"}


def why_not_expressible(model: Model) -> str | None:
    """None, or in half a sentence which part of a model has no place in a UNet2DModel that knows no class."""
    config = model.net.config
    if isinstance(model, LatentModel) or config.context_dim is not None:
        sketch = ", with a sketch of what it says," if config.sketch_side is not None else ""
        return f"it is told by text{sketch} and a UNet2DModel is not"
    if config.num_classes is not None:
        return "it is told a class, or that there is none, and a DDIMPipeline tells its network nothing"
    return _why_no_such_shape(config)


def has_expressible_classes(model: Model) -> bool:
    """Whether its network has classes, and would be expressible without them."""
    config = model.net.config
    return config.num_classes is not None and config.context_dim is None and not _why_no_such_shape(config)


def _why_no_such_shape(config: UNetConfig) -> str | None:
    widths = sorted({config.channels * mult for mult in config.channel_mult})
    if config.patch_size > 1:
        size = config.patch_size
        return f"it sees patches of {size}×{size} pixels, and a UNet2DModel sees each pixel by itself"
    if config.channel_mult[0] != 1:
        return "its first level is wider than its first layer, and in a UNet2DModel they are alike"
    if any(width % WIDTH for width in widths):
        named = ", ".join(map(str, widths))
        return (
            f"the groups of its normalisations differ from layer to layer, as its widths ({named}) are not "
            f"all multiples of {WIDTH}, and a UNet2DModel has one number of groups"
        )
    return None


def unet_config(model: Model) -> dict[str, Any]:
    """config.json of the UNet2DModel that a model's network is."""
    config = model.net.config
    _, height, width = model.sample_shape
    levels = range(len(config.channel_mult))
    attends = ["Attn" if i in config.attention_levels else "" for i in levels]
    return {
        "_class_name": "UNet2DModel",
        "_diffusers_version": VERSION,
        "sample_size": height if height == width else [height, width],
        "in_channels": config.in_channels,
        "out_channels": config.in_channels,
        "time_embedding_type": "positional",
        "freq_shift": 0,
        "flip_sin_to_cos": True,
        "down_block_types": [f"{attn}DownBlock2D" for attn in attends],
        "up_block_types": [f"{attn}UpBlock2D" for attn in reversed(attends)],
        "block_out_channels": [config.channels * mult for mult in config.channel_mult],
        "layers_per_block": config.blocks_per_level,
        "downsample_padding": 1,
        "downsample_type": "conv",
        "upsample_type": "conv",
        "dropout": config.dropout,
        "act_fn": "silu",
        "attention_head_dim": HEAD_DIM,
        "norm_num_groups": GROUPS,
        "attn_norm_num_groups": GROUPS,
        "norm_eps": model.net.out[0].eps,
        "resnet_time_scale_shift": "scale_shift",
        "add_attention": levels[-1] in config.attention_levels,
    }


def scheduler_config(model: Model) -> dict[str, Any]:
    """scheduler_config.json of the DDIMScheduler that walks a model's timesteps, from T to 0."""
    return {
        "_class_name": "DDIMScheduler",
        "_diffusers_version": VERSION,
        "num_train_timesteps": model.schedule.num_timesteps,
        "trained_betas": model.schedule.betas.tolist(),
        "prediction_type": PREDICTION_TYPES[model.prediction],
        "timestep_spacing": "trailing",
        "steps_offset": 0,
        "set_alpha_to_one": True,
        "clip_sample": False,
        "thresholding": False,
        "rescale_betas_zero_snr": False,
    }


def pipeline_config() -> dict[str, Any]:
    """model_index.json of the DDIMPipeline of both."""
    return {
        "_class_name": "DDIMPipeline",
        "_diffusers_version": VERSION,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
    }


def unet_weights(net: UNet) -> dict[str, Tensor]:
    """The weights of the UNet2DModel that a network is, by their names there."""
    weights = dict(_renamed(net, "", "", OUTER))
    first = "time_embedding.linear_1.weight"
    weights[first] = _turned(weights[first])
    for ours, theirs in _layers(net):
        layer = net.get_submodule(ours)
        if isinstance(layer, ResBlock):
            weights |= _renamed(net, f"{ours}.", f"{theirs}.", OF_RESIDUAL)
        elif isinstance(layer, Attention):
            weights |= _renamed(net, f"{ours}.", f"{theirs}.", OF_ATTENTION)
            for name, value in layer.qkv.state_dict().items():
                parts = zip(PARTS_OF_QKV, value.flatten(1).chunk(3) if value.ndim > 1 else value.chunk(3))
                weights |= {f"{theirs}.{part}.{name}": each for part, each in parts}
            out = f"{theirs}.to_out.0.weight"
            weights[out] = weights[out].flatten(1)
        else:
            weights |= {f"{theirs}.{name}": value for name, value in layer.state_dict().items()}
    for name, value in net.middle.residual.state_dict().items():
        theirs = OF_RESIDUAL[name.rpartition(".")[0]]
        weights[f"mid_block.resnets.1.{theirs}.{name.rpartition('.')[2]}"] = torch.zeros_like(value)
    return {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}


def _layers(net: UNet) -> Iterator[tuple[str, str]]:
    """Names of the residual blocks, attentions and convolutions between levels: ours, theirs."""
    ways: tuple[tuple[str, Any], ...] = (("down", net.down), ("up", net.up))
    for way, levels in ways:
        for i, level in enumerate(levels):
            for j, block in enumerate(level.blocks):
                yield f"{way}.{i}.blocks.{j}.residual", f"{way}_blocks.{i}.resnets.{j}"
                if block.attention is not None:
                    yield f"{way}.{i}.blocks.{j}.attention", f"{way}_blocks.{i}.attentions.{j}"
            if level.resample is not None:
                inner = ".conv" if way == "up" else ""
                yield f"{way}.{i}.resample{inner}", f"{way}_blocks.{i}.{RESAMPLED[way]}"
    yield "middle.residual", "mid_block.resnets.0"
    if net.middle.attention is not None:
        yield "middle.attention", "mid_block.attentions.0"


def _renamed(net: nn.Module, ours: str, theirs: str, names: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
    """The weights of the layers of these names, where there are such."""
    state = net.state_dict()
    for mine, other in names.items():
        for kind in ("weight", "bias"):
            if (value := state.get(f"{ours}{mine}.{kind}")) is not None:
                yield f"{theirs}{other}.{kind}", value


def _turned(weight: Tensor) -> Tensor:
    """(E, C) weights for the embedding of t → those that make the same of the embedding of t − 1.

    cos(t f) = cos((t − 1) f) cos f − sin((t − 1) f) sin f, and sin(t f) in the same way.
    """
    half = weight.shape[1] // 2
    exponents = torch.arange(half, dtype=torch.float64, device=weight.device) / half
    f = MAX_PERIOD**-exponents
    of_cos, of_sin = weight.double().split(half, dim=1)
    turned = [of_cos * f.cos() + of_sin * f.sin(), of_sin * f.cos() - of_cos * f.sin()]
    return torch.cat(turned, dim=1).to(weight.dtype)
