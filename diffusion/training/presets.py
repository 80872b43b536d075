"""The presets: what each run of train.py is made of."""

from dataclasses import fields, replace
from pathlib import Path

from diffusion.training.config import (
    STUDENT,
    AutoencoderSettings,
    CatData,
    EmojiData,
    FolderData,
    MatchingSettings,
    PartMatchingSettings,
    PictureData,
    PixelDiffusionSettings,
    StudentSettings,
    TextDiffusionSettings,
    TrainConfig,
    with_settings,
)

EMOJI = EmojiData(image_size=128)
MINI = EmojiData(image_size=64, skin_tones=False)  # what a laptop's CPU can train
RUNS = Path("runs")
CATS_LARGE = TrainConfig(  # on a GPU, which sees so many in about five minutes
    preset="cats-large",
    out=RUNS / "cats-large",
    stage=PixelDiffusionSettings(
        data=CatData(),
        channels=64,
        channel_mult=(1, 2, 4),
        blocks_per_level=2,
        attention_levels=(1, 2),
        dropout=0.1,
        patch_size=2,
        weighting="v",
    ),
    total_images=3_000_000,
    batch_size=256,
    learning_rate=6e-4,
)

MNIST = TrainConfig(preset="mnist", out=RUNS / "mnist", stage=PixelDiffusionSettings(data=PictureData()))
CATS = TrainConfig(
    preset="cats",
    out=RUNS / "cats",
    stage=PixelDiffusionSettings(
        data=CatData(),
        channels=64,
        channel_mult=(1, 1, 2),
        attention_levels=(1, 2),
        patch_size=2,
        weighting="v",
    ),
    total_images=450_000,
    batch_size=64,
    learning_rate=1e-3,
)


def student_of(teacher: TrainConfig, total_images: int, learning_rate: float) -> TrainConfig:
    """The preset of a student of the shipped model that a preset has trained, whose network it is: what it
    knows is refined, in small batches and with a learning rate that falls from the warm-up on."""
    of_teacher = {each.name: getattr(teacher.stage, each.name) for each in fields(teacher.stage) if each.init}
    name = teacher.preset + STUDENT
    return replace(
        teacher,
        preset=name,
        out=RUNS / name,
        stage=StudentSettings(
            **of_teacher | {"init": f"checkpoints/{teacher.preset}", "weighting": "sample"}
        ),
        total_images=total_images,
        batch_size=64,
        learning_rate=learning_rate,
        decay=1 - teacher.warmup,
    )


_PRESETS = (
    MNIST,
    CATS,
    student_of(MNIST, total_images=130_000, learning_rate=5e-4),
    student_of(CATS, total_images=170_000, learning_rate=2.5e-4),
    CATS_LARGE,
    with_settings(
        CATS_LARGE, {"preset": "cats128", "out": RUNS / "cats128", "image_size": 128, "patch_size": 4}
    ),
    TrainConfig(
        preset="cifar10",
        out=RUNS / "cifar10",
        stage=PixelDiffusionSettings(
            data=PictureData(),
            channels=64,
            channel_mult=(1, 2, 4),
            blocks_per_level=2,
            attention_levels=(1, 2),
            dropout=0.1,
        ),
        total_images=14_000_000,
        batch_size=512,
        learning_rate=6e-4,
        decay=0.4,
    ),
    TrainConfig(
        preset="folder",
        out=RUNS / "folder",
        stage=PixelDiffusionSettings(  # the shape of cats, so that it can begin with their weights
            data=FolderData(image_size=64),
            channels=64,
            channel_mult=(1, 1, 2),
            attention_levels=(1, 2),
            dropout=0.1,
            patch_size=2,
        ),
        total_images=4_000_000,
    ),
    TrainConfig(
        preset="cats-words-autoencoder",
        out=RUNS / "cats-words-autoencoder",
        stage=AutoencoderSettings(data=CatData(), channel_mult=(1, 3), max_shift=0),  # 64×64 → 16×16 latents
        total_images=70_000,
        batch_size=32,
        learning_rate=2e-3,
    ),
    TrainConfig(
        preset="cats-words-text",
        out=RUNS / "cats-words-text",
        stage=PartMatchingSettings(data=CatData(), text_width=192, num_tokens=32, vocabulary_size=800),
        total_images=60_000,
        learning_rate=1e-3,
    ),
    TrainConfig(
        preset="cats-words",
        out=RUNS / "cats-words",
        stage=TextDiffusionSettings(
            data=CatData(),
            autoencoder=RUNS / "cats-words-autoencoder",
            text_encoder=RUNS / "cats-words-text",
            channels=64,
            channel_mult=(1, 2, 2),
            attention_levels=(1, 2),
            schedule="linear",  # as of emoji
            weighting="v",
            sketch=False,
        ),
        total_images=360_000,
        batch_size=32,
        learning_rate=1e-3,
    ),
    TrainConfig(
        preset="emoji-autoencoder",
        out=RUNS / "emoji-autoencoder",
        stage=AutoencoderSettings(  # 128×128 → 16×16 latents
            data=EMOJI, channel_mult=(1, 2, 4), blocks_per_level=2
        ),
        total_images=1_000_000,
        learning_rate=2e-3,
    ),
    TrainConfig(
        preset="emoji-text",
        out=RUNS / "emoji-text",
        stage=MatchingSettings(data=EMOJI, autoencoder=RUNS / "emoji-autoencoder"),
        total_images=3_000_000,
        batch_size=256,
        learning_rate=1e-3,
        decay=0.9,  # a matcher's loss falls while the rate does, and stays where it is while that is constant
    ),
    TrainConfig(
        preset="emoji",
        out=RUNS / "emoji",
        stage=TextDiffusionSettings(
            data=EMOJI,
            autoencoder=RUNS / "emoji-autoencoder",
            text_encoder=RUNS / "emoji-text",
            channels=64,
            channel_mult=(1, 2, 4),
            blocks_per_level=2,
            attention_levels=(0, 1, 2),
            dropout=0.1,
            # Which emoji it becomes is decided where there is little but noise: of cosine's steps a tenth
            # has σ/α > 6, of linear's, with as much weight on each, two fifths.
            schedule="linear",
            weighting="v",
        ),
        total_images=12_000_000,
        batch_size=512,
        learning_rate=5e-4,
    ),
    TrainConfig(
        preset="emoji-mini-autoencoder",
        out=RUNS / "emoji-mini-autoencoder",
        stage=AutoencoderSettings(data=MINI, channel_mult=(1, 3)),  # 64×64 → 16×16 latents
        total_images=100_000,
        batch_size=32,
        learning_rate=2e-3,
    ),
    TrainConfig(
        preset="emoji-mini-text",
        out=RUNS / "emoji-mini-text",
        stage=MatchingSettings(data=MINI, autoencoder=RUNS / "emoji-mini-autoencoder", text_width=192),
        total_images=2_200_000,
        learning_rate=6e-4,
        decay=0.9,  # as of emoji-text
    ),
    TrainConfig(
        preset="emoji-mini",
        out=RUNS / "emoji-mini",
        stage=TextDiffusionSettings(
            data=MINI,
            autoencoder=RUNS / "emoji-mini-autoencoder",
            text_encoder=RUNS / "emoji-mini-text",
            channels=64,
            channel_mult=(1, 2, 4),
            attention_levels=(1, 2),
            schedule="linear",  # as of emoji
            weighting="v",
        ),
        total_images=540_000,
        batch_size=24,
    ),
)
PRESETS = {config.preset: config for config in _PRESETS}
