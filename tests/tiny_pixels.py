"""Very small unconditional pipelines of pixels with random weights, saved as diffusers saves them."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel

SIDE = 16


def tiny_unet(**changes: Any) -> UNet2DModel:
    """One of 16 × 16 pixels in three colours."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sample_size": SIDE,
        "block_out_channels": (32, 32),
        "layers_per_block": 1,
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "norm_num_groups": 8,
    }
    unet = UNet2DModel(**(settings | changes))
    unet.conv_out.weight.data *= 8  # so that it predicts noise of about unit variance
    return unet.eval()


def save_pixels(folder: Path, scheduler: Any = None, *, flat: bool = False, **changes: Any) -> DDIMPipeline:
    """A pipeline in a folder: with unet/ and scheduler/, or all of it `flat`."""
    unet, scheduler = tiny_unet(**changes), scheduler or DDIMScheduler(clip_sample=False)
    pipeline = DDIMPipeline(unet=unet, scheduler=scheduler)
    if flat:
        unet.save_pretrained(folder)
        scheduler.save_pretrained(folder)
    else:
        pipeline.save_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_as_the_first_ones(folder: Path) -> DDIMPipeline:
    """In the layout of google/ddpm-cifar10-32: flat, and the weights of attention by their former names."""
    pipeline = save_pixels(folder, flat=True)
    parts = {"scheduler": ["diffusers", "DDPMScheduler"], "unet": ["diffusers", "UNet2DModel"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline", **parts}))
    file = folder / "diffusion_pytorch_model.safetensors"
    former = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = {}
    for name, weight in safetensors.torch.load_file(file).items():
        for new, old in former.items():
            name = name.replace(f".{new}.", f".{old}.")
        weights[name] = weight
    safetensors.torch.save_file(weights, file, {"format": "pt"})
    return pipeline


def change(file: Path, **changes: Any) -> None:
    """Other values in a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
