"""train.py's command line: a preset, and the few settings that can be changed."""

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import torch

from diffusion.schedules import SCHEDULES
from diffusion.training.config import TrainConfig
from diffusion.training.distributed import COMPILED, world_size
from diffusion.training.presets import PRESETS


def parse_config(arguments: list[str] | None = None) -> TrainConfig:
    """The preset named on the command line, with the flags' values in place of its own."""
    parser = argparse.ArgumentParser(description="Train a diffusion model.")
    parser.add_argument("preset", choices=PRESETS)
    for f in fields(TrainConfig):
        if "help" in f.metadata:
            kind = (get_args(f.type) or [f.type])[0]
            how = {"action": "store_true"} if kind is bool else {"type": kind}
            name = "--" + f.name.replace("_", "-")
            parser.add_argument(name, default=argparse.SUPPRESS, help=f.metadata["help"], **how)
    given = vars(parser.parse_args(arguments))
    config = replace(PRESETS[given["preset"]], **given)
    devices = (None, "cpu", "cuda") if torch.cuda.is_available() else (None, "cpu")
    refusals = {
        "--total-images and --batch-size must be at least 1": min(config.total_images, config.batch_size) < 1,
        f"--batch-size must be a multiple of the {world_size()} processes": config.batch_size % world_size(),
        "--push-to-hub takes a model that draws, and this is a part of one": config.push_to_hub is not None
        and config.stage in ("autoencoder", "matching"),
        "--time-limit must be above 0": config.time_limit is not None and not config.time_limit > 0,
        "--minutes must be above 0": config.minutes is not None and not config.minutes > 0,
        f"--schedule can be {' or '.join(SCHEDULES)}": config.schedule not in SCHEDULES,
        f"--compile can be {' or '.join(COMPILED)}": config.compile not in (None, *COMPILED),
        "--seed must be from 0 to 2^32 − 1": not 0 <= config.seed < 2**32,
        f"--device can be {' or '.join(devices[1:])} here": config.device not in devices,
    }
    for message, applies in refusals.items():
        if applies:
            parser.error(message)
    return replace(config, out=config.out or Path("runs") / config.preset)
