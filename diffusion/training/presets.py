"""The presets: what each run of train.py is made of."""

from pathlib import Path

from diffusion.training.config import TrainConfig

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
