"""The settings of a training run: presets, and the few that the command line can change."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from diffusion.losses import Weighting
from diffusion.process import Prediction


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
    stage: str = "diffusion"  # a key of `diffusion.training.stages.STAGES`
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
    prediction: Prediction = "v"
    weighting: Weighting = "epsilon"  # ‖ε − ε_θ‖², whatever the network outputs
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


FREE_TO_CHANGE = {  # when resuming
    "data_dir", "out", "minutes", "time_limit", "device", "compile", "channels_last", "push_to_hub",
    "emoji_font", "autoencoder", "text_encoder",
}  # fmt: skip


def fixed_settings(config: TrainConfig) -> dict[str, Any]:
    """What may not change while a run lasts, as JSON has it."""
    settings = {k: v for k, v in asdict(config).items() if k not in FREE_TO_CHANGE}
    return json.loads(json.dumps(settings))
