"""The settings of a training run: presets, and the few that the command line can change."""

import argparse
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

import torch

from diffusion.machine import COMPILED, world_size
from diffusion.schedules import SCHEDULES


def flag(default: Any, text: str) -> Any:
    """A field that is also a command-line flag."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a run goes; fields made with `flag` are command-line flags."""

    # data and where things go
    preset: str
    data_dir: Path = flag(Path("data"), "where the data set is, or is downloaded to")
    out: Path | None = flag(None, "the folder to write; default runs/PRESET")
    emoji_font: Path | None = flag(None, "NotoColorEmoji.ttf, where it is not installed")
    image_size: int = 32  # of the `folder` and emoji presets
    skin_tones: bool = True  # with an emoji's variants by skin tone
    max_shift: int = 3  # pixels by which an autoencoder's pictures are moved
    # model
    stage: str = "diffusion"  # a key of `diffusion.stages.STAGES`
    channels: int = 32
    channel_mult: tuple[int, ...] = (1, 2, 2)
    blocks_per_level: int = 1
    attention_levels: tuple[int, ...] = (2,)
    dropout: float = 0.0
    latent_channels: int = 8  # of an autoencoder
    autoencoder: Path | None = flag(None, "of an emoji preset: the trained autoencoder's folder")
    text_encoder: Path | None = flag(None, "of an emoji preset: the trained text encoder's folder")
    text_width: int = 256  # of a text encoder
    text_layers: int = 3
    num_tokens: int = 24  # of a prompt
    vocabulary_size: int = 4096
    # objective
    schedule: str = flag("cosine", "the noise schedule: linear or cosine")
    num_timesteps: int = 1000
    prediction: str = "v"
    weighting: str = "epsilon"  # ‖ε − ε_θ‖², whatever the network outputs
    class_dropout: float = 0.1  # share of labels or captions replaced by the null class, for guidance
    word_dropout: float = 0.1  # share of a caption's words that are left out
    # budget and optimiser; AdamW with betas (0.9, 0.99) and no weight decay
    total_images: int = flag(700_000, "images to train on, counting repeats")
    minutes: float | None = flag(None, "instead: as many images as fit into this time")
    time_limit: float | None = flag(None, "stop after this many seconds, to be continued")
    batch_size: int = flag(128, "images per step, over all processes")
    learning_rate: float = 1.5e-3
    warmup: float = 0.02  # share of the run in which the learning rate rises
    decay: float = 0.5  # share of the run, at its end, in which it falls to 0
    gradient_clip: float = 1.0
    ema_width: float = 0.08  # σ_rel of the average, see diffusion/ema.py
    # machine
    seed: int = flag(0, "of the weights, the data order and the noise")
    device: str | None = flag(None, "cuda or cpu; default: the best there is")
    compile: str | None = flag(None, "slower to start, then faster: compile its blocks, or the whole network")
    channels_last: bool = flag(False, "pixels of a channel apart in memory, which suits some GPUs")
    push_to_hub: str | None = flag(None, "afterwards, upload to this Hub repo, user/name")

    def shape(self, network: type) -> dict[str, Any]:
        """What a network's config takes from this one: the fields of the same names."""
        return {f.name: getattr(self, f.name) for f in fields(network) if hasattr(self, f.name)}


LARGER = {"channels": 64, "attention_levels": (1, 2), "dropout": 0.1}  # for colour at 32×32
AUTOENCODER = {"stage": "autoencoder", "learning_rate": 2e-3, "attention_levels": ()}
# A matcher's loss falls while its learning rate does, and stays where it is while that is constant.
MATCHING = {"stage": "matching", "decay": 0.9}
# Which emoji it becomes is decided where there is little but noise: of cosine's steps a tenth has σ/α > 6, of
# linear's, with as much weight on each, two fifths.
TEXT = {"stage": "text", "weighting": "v", "schedule": "linear"}
PRESETS = {
    "mnist": TrainConfig("mnist"),
    "cifar10": TrainConfig(
        "cifar10",
        **LARGER,
        channel_mult=(1, 2, 4),
        blocks_per_level=2,
        total_images=14_000_000,
        batch_size=512,
        learning_rate=6e-4,
        decay=0.4,
    ),
    "folder": TrainConfig("folder", **LARGER, total_images=4_000_000),
    "emoji-autoencoder": TrainConfig(  # 128×128 → 16×16 latents
        "emoji-autoencoder",
        **AUTOENCODER,
        image_size=128,
        channels=32,
        channel_mult=(1, 2, 4),
        blocks_per_level=2,
        total_images=1_000_000,
        batch_size=128,
    ),
    "emoji-text": TrainConfig(
        "emoji-text",
        **MATCHING,
        image_size=128,
        total_images=3_000_000,
        batch_size=256,
        learning_rate=1e-3,
        autoencoder=Path("runs/emoji-autoencoder"),
    ),
    "emoji": TrainConfig(
        "emoji",
        **TEXT,
        image_size=128,
        channels=64,
        channel_mult=(1, 2, 4),
        blocks_per_level=2,
        attention_levels=(0, 1, 2),
        dropout=0.1,
        total_images=12_000_000,
        batch_size=512,
        learning_rate=5e-4,
        autoencoder=Path("runs/emoji-autoencoder"),
        text_encoder=Path("runs/emoji-text"),
    ),
    "emoji-mini-autoencoder": TrainConfig(  # 64×64 → 16×16 latents: what a laptop's CPU can train
        "emoji-mini-autoencoder",
        **AUTOENCODER,
        image_size=64,
        skin_tones=False,
        channels=32,
        channel_mult=(1, 3),
        total_images=100_000,
        batch_size=32,
    ),
    "emoji-mini-text": TrainConfig(
        "emoji-mini-text",
        **MATCHING,
        image_size=64,
        skin_tones=False,
        text_width=192,
        total_images=2_200_000,
        batch_size=128,
        learning_rate=6e-4,
        autoencoder=Path("runs/emoji-mini-autoencoder"),
    ),
    "emoji-mini": TrainConfig(
        "emoji-mini",
        **TEXT,
        image_size=64,
        skin_tones=False,
        channels=64,
        channel_mult=(1, 2, 4),
        attention_levels=(1, 2),
        total_images=540_000,
        batch_size=24,
        autoencoder=Path("runs/emoji-mini-autoencoder"),
        text_encoder=Path("runs/emoji-mini-text"),
    ),
}
FREE_TO_CHANGE = {  # when resuming
    "data_dir", "out", "minutes", "time_limit", "device", "compile", "channels_last", "push_to_hub",
    "emoji_font", "autoencoder", "text_encoder",
}  # fmt: skip


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


def fixed_settings(config: TrainConfig) -> dict[str, Any]:
    """What may not change while a run lasts, as JSON has it."""
    settings = {k: v for k, v in asdict(config).items() if k not in FREE_TO_CHANGE}
    return json.loads(json.dumps(settings))
