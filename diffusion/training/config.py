"""The settings of a training run; those made with `flag` are flags of the command line.

A run's settings hold those of its stage, which hold those of its data: each has only what means something
to it. In a saved state and in a model card all of them together are one flat dictionary.
"""

import json
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from diffusion.losses import Weighting
from diffusion.nets.unet import UNetConfig
from diffusion.process import Prediction

GRID, MAX_IMAGE_SIZE = 32, 512  # of one's own pictures: patches along a side, at least; pixels along it
STUDENT = "-student"  # ends the preset of a student of the preset before it
WIDEST_PATCH = 4  # of three colours: 48 numbers, which pass through 64 channels, as 75 would not
S = TypeVar("S", bound="Settings")


def flag(default: Any, text: str, metavar: str | None = None) -> Any:
    """A field that is also a command-line flag."""
    return field(default=default, metadata={"help": text, "metavar": metavar})


@dataclass(frozen=True)
class Settings:
    """Settings, of which some may be held by others."""


@dataclass(frozen=True)
class PictureData(Settings):
    """MNIST or CIFAR-10, whichever the preset is called."""

    data_dir: Path = flag(Path("data"), "where the data set is, or is downloaded to")


@dataclass(frozen=True)
class FolderData(PictureData):
    """A folder of pictures, or a data set of the Hub."""

    dataset: str | None = flag(None, "instead of a folder: a data set of the Hub, user/name[@revision]")
    image_size: int = flag(32, "to which pictures are cropped and scaled, a multiple of 32")

    @property
    def patch_size(self) -> int:
        """With which a network costs at most sizes what it does at GRID, having channels enough."""
        return min(self.image_size // GRID, WIDEST_PATCH)


@dataclass(frozen=True)
class CatData(Settings):
    """Cats, put together from drawn parts."""

    image_size: int = 64


@dataclass(frozen=True)
class EmojiData(Settings):
    """Emoji, rendered, and their names."""

    image_size: int
    skin_tones: bool = True  # with an emoji's variants by skin tone
    emoji_font: Path | None = flag(None, "NotoColorEmoji.ttf, where it is not installed")


@dataclass(frozen=True, kw_only=True)
class DiffusionSettings(Settings):
    """What diffusion on pixels and on latents have in common: the shape of a UNet, and an objective."""

    channels: int = 32
    channel_mult: tuple[int, ...] = (1, 2, 2)
    blocks_per_level: int = 1
    attention_levels: tuple[int, ...] = (2,)
    dropout: float = 0.0
    patch_size: int = 1  # pixels along a side that the network sees as one
    schedule: str = flag("cosine", "the noise schedule: linear or cosine")
    num_timesteps: int = 1000
    prediction: Prediction = "v"
    weighting: Weighting = "epsilon"  # ‖ε − ε_θ‖², whatever the network outputs
    class_dropout: float = 0.1  # share of labels or captions replaced by the null class, for guidance

    def unet(
        self,
        in_channels: int,
        num_classes: int | None = None,
        context_dim: int | None = None,
        sketch_side: int | None = None,
    ) -> UNetConfig:
        """The whole shape of the network; arguments as those of a UNetConfig."""
        return UNetConfig(
            in_channels,
            self.channels,
            self.channel_mult,
            self.blocks_per_level,
            self.attention_levels,
            self.dropout,
            num_classes,
            context_dim,
            sketch_side,
            self.patch_size,
        )


@dataclass(frozen=True, kw_only=True)
class LatentSettings(Settings):
    """What the two stages have in common that read captions of pictures' latents."""

    autoencoder: Path = flag(MISSING, "of a text-to-image preset: the trained autoencoder's folder")
    word_dropout: float = 0.1  # share of the words of an emoji's caption that are left out


@dataclass(frozen=True, kw_only=True)
class EncoderSettings(Settings):
    """The shape of a text encoder and its vocabulary."""

    text_width: int = 256
    text_layers: int = 3
    num_tokens: int = 24  # of a prompt
    vocabulary_size: int = 4096


@dataclass(frozen=True, kw_only=True)
class PixelDiffusionSettings(DiffusionSettings):
    """Diffusion on pictures as they are."""

    stage: str = field(default="diffusion", init=False)
    data: PictureData | CatData
    init: str | None = flag(
        None, "begin with this checkpoint's weights, a folder or Hub repo: fine-tuning; a student's teacher"
    )


@dataclass(frozen=True, kw_only=True)
class StudentSettings(PixelDiffusionSettings):
    """A student of the model `init`, with whose weights it begins."""

    stage: str = field(default="student", init=False)


@dataclass(frozen=True, kw_only=True)
class AutoencoderSettings(Settings):
    """An autoencoder of pictures."""

    stage: str = field(default="autoencoder", init=False)
    data: EmojiData | CatData
    latent_channels: int = 8
    channels: int = 32
    channel_mult: tuple[int, ...] = (1, 2, 2)
    blocks_per_level: int = 1
    max_shift: int = 3  # pixels by which pictures are moved


@dataclass(frozen=True, kw_only=True)
class MatchingSettings(EncoderSettings, LatentSettings):
    """A text encoder, trained by matching captions with pictures."""

    stage: str = field(default="matching", init=False)
    data: EmojiData


@dataclass(frozen=True, kw_only=True)
class PartMatchingSettings(EncoderSettings):
    """A text encoder, trained to tell which parts a caption names."""

    stage: str = field(default="parts", init=False)
    data: CatData


@dataclass(frozen=True, kw_only=True)
class TextDiffusionSettings(DiffusionSettings, LatentSettings):
    """Diffusion on latents, conditioned on text."""

    stage: str = field(default="text", init=False)
    data: EmojiData | CatData
    text_encoder: Path = flag(MISSING, "of a text-to-image preset: the trained text encoder's folder")
    sketch: bool = True  # show the network what the text alone says about the picture


StageSettings: TypeAlias = (
    PixelDiffusionSettings
    | StudentSettings
    | AutoencoderSettings
    | MatchingSettings
    | PartMatchingSettings
    | TextDiffusionSettings
)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """Everything that decides how a run goes."""

    preset: str
    out: Path = flag(MISSING, "the folder to write; default runs/PRESET")
    stage: StageSettings
    # budget and optimiser; AdamW with betas (0.9, 0.99) and no weight decay
    total_images: int = flag(700_000, "images to train on, counting repeats")
    minutes: float | None = flag(None, "instead: as many images as fit into this time", "MINUTES")
    time_limit: float | None = flag(None, "stop after this many seconds, to be continued", "SECONDS")
    batch_size: int = flag(128, "images per step, over all processes")
    learning_rate: float = 1.5e-3
    warmup: float = 0.02  # share of the run in which the learning rate rises
    decay: float = 0.5  # share of the run, at its end, in which it falls to 0
    gradient_clip: float = 1.0
    ema_width: float = 0.08  # σ_rel of the average, see diffusion/nets/ema.py
    # machine
    seed: int = flag(0, "of the weights, the data order and the noise")
    device: str | None = flag(None, "cuda or cpu; default: the best there is")
    compile: str | None = flag(None, "slower to start, then faster: compile its blocks, or the whole network")
    channels_last: bool = flag(False, "pixels of a channel apart in memory, which suits some GPUs")
    report_to: str | None = flag(None, "show the log's rows in a tracker too: trackio or tensorboard")
    push_to_hub: str | None = flag(None, "afterwards, upload to this Hub repo, user/name")
    public: bool = flag(False, "make that repo for everybody to see; a new one is private otherwise")

    @property
    def data_name(self) -> str:
        """The preset that trains on the same data: of a student its teacher's."""
        return self.preset.removesuffix(STUDENT)


FREE_TO_CHANGE = {  # when resuming
    "data_dir", "out", "minutes", "time_limit", "device", "compile", "channels_last", "push_to_hub",
    "public", "report_to", "emoji_font", "autoencoder", "text_encoder",
}  # fmt: skip


def settings_of(config: Settings) -> Iterator[tuple["Field[Any]", Any]]:
    """Field and value of each setting, and of those of the settings that are held."""
    for each in fields(config):
        value = getattr(config, each.name)
        if isinstance(value, Settings):
            yield from settings_of(value)
        else:
            yield each, value


def with_settings(config: S, values: dict[str, Any]) -> S:
    """The same with these values by name, wherever they belong; what has no place there is left out."""
    changed: dict[str, Any] = {}
    for each in fields(config):
        value = getattr(config, each.name)
        if isinstance(value, Settings):
            changed[each.name] = with_settings(value, values)
        elif each.name in values:
            changed[each.name] = values[each.name]
    return replace(config, **changed)


def fixed_settings(config: TrainConfig) -> dict[str, Any]:
    """What may not change while a run lasts, as JSON has it."""
    return _to_compare({each.name: value for each, value in settings_of(config)})


def default_settings(config: TrainConfig) -> dict[str, Any]:
    """What these are by themselves, where no preset sets them."""
    return _to_compare({f.name: f.default for f, _ in settings_of(config) if f.default is not MISSING})


def _to_compare(settings: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({k: v for k, v in settings.items() if k not in FREE_TO_CHANGE}))
