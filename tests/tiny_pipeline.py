"""A very small Stable Diffusion with random weights, saved as diffusers saves the real one."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?"
START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = ["r e", "re d</w>", "c a", "ca t</w>", "d o", "do g</w>"]
SIDE, FACTOR, CHANNELS = 32, 2, 4
SCHEDULE = {"beta_schedule": "scaled_linear", "steps_offset": 1}


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """CLIP's tokenizer, from files like the real one's: letters, and a few merges."""
    pieces = [*LETTERS, *(f"{c}</w>" for c in LETTERS), *(m.replace(" ", "") for m in MERGES), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]))
    about = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 16}
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(about | special))
    return CLIPTokenizer.from_pretrained(folder)


def tiny_pipeline(folder: Path, scheduler: Any = None, **parts: Any) -> StableDiffusionPipeline:
    """A pipeline for 32 × 32 pictures and 4 × 16 × 16 latents, saved into a folder with safetensors."""
    torch.manual_seed(0)
    tokenizer = write_tokenizer(folder / "tokenizer-files")
    end = tokenizer.eos_token_id
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=end,
        pad_token_id=end,
    )
    unet = UNet2DConditionModel(
        sample_size=SIDE // FACTOR,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    unet.conv_out.weight.data *= 8  # so that it predicts noise of about unit variance
    vae = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=CHANNELS,
        sample_size=SIDE,
        norm_num_groups=8,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        text_encoder=CLIPTextModel(text).eval(),
        tokenizer=tokenizer,
        scheduler=scheduler or DDIMScheduler(**SCHEDULE, clip_sample=False),
        **{"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False, **parts},
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
