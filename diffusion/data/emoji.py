"""The emoji of a font as pictures with captions in fourteen languages.

The pictures are rendered from Noto Color Emoji, the names come from the package `emoji` (Unicode's CLDR).
Some combinations, listed in emoji_held_out.txt, are never trained on: what is drawn for their names shows
whether a network can put together what it knows from elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, features
from torch import Tensor

from diffusion.data.contents import Contents, Part, counted, fingerprint
from diffusion.data.image_sets import DataError

LANGUAGES = ("en", "ko", "es", "ja", "pt", "it", "fr", "de", "fa", "id", "zh", "ru", "tr", "ar")
# What else a caption may say, {} being the name. "Emoji" is a word of its own only where it stands here.
TEMPLATES = {
    "en": ("{}", "{} emoji", "a picture of {}"),
    "ko": ("{}", "{} 이모지", "{} 그림"),
    "ja": ("{}", "{}の絵文字"),
    "zh": ("{}", "{}表情符号"),
}
LANGUAGE_SHARES = {"en": 0.2, "ko": 0.2, "else": 0.6 / (len(LANGUAGES) - 2)}  # of the captions trained on
SKIN_TONES = tuple(chr(0x1F3FB + i) for i in range(5))
WIDEST = 1.5  # of one emoji, in units of a plain one
FONT_SIZE, CANVAS = 109, (136, 128)  # the only size of the font's bitmaps, and theirs
FONT_FILES = (
    Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/noto/NotoColorEmoji.ttf"),
    Path("/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf"),
)
NO_FONT = (
    "the font Noto Color Emoji is not installed: `sudo apt install fonts-noto-color-emoji`, or name the file "
    "NotoColorEmoji.ttf with --emoji-font."
)
HELD_OUT_FILE = Path(__file__).parent / "emoji_held_out.txt"


@dataclass(frozen=True, eq=False)
class EmojiSet:
    """Emoji with their names.

    Args:
        characters: N emoji.
        names: by language, N names each.
        images: (N, 3, S, S) uint8, on white.
    """

    characters: tuple[str, ...]
    names: dict[str, tuple[str, ...]]
    images: Tensor
    title: ClassVar[str] = "emoji of the font Noto Color Emoji"
    licence: ClassVar[str] = "SIL Open Font License 1.1"

    def to(self, device: torch.device | str) -> "EmojiSet":
        """The same data on another device."""
        return replace(self, images=self.images.to(device))

    def __len__(self) -> int:
        return len(self.characters)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures."""
        return tuple(self.images.shape[1:])

    def pictures(self, index: Tensor) -> Tensor:
        """(B,) of the N → (B, 3, S, S) uint8."""
        return self.images[index]

    @property
    def held_out(self) -> Tensor:
        """(N,) whether each one is a held-out combination."""
        combinations = held_out_emoji()
        return torch.tensor([character in combinations for character in self.characters])

    @cached_property
    def contents(self) -> Contents:
        """What it is made of: pictures, characters and names, without classes."""
        words = (text.encode() for texts in (self.characters, *self.names.values()) for text in texts)
        pieces = (self.images.cpu().numpy().tobytes(), *words)
        return {"": Part(len(self.characters), fingerprint(pieces))}

    @property
    def found(self) -> list[str]:
        """What a run's first line says."""
        number = counted(len(self.characters), "emoji", "emoji")
        return [f"{number}, named in {counted(len(self.names), 'language')}"]

    def subset(self, chosen: Tensor) -> "EmojiSet":
        """Those at the indices (or the mask) `chosen`."""
        index = torch.arange(len(self.characters))[chosen].tolist()
        names = {language: tuple(all_[i] for i in index) for language, all_ in self.names.items()}
        return EmojiSet(tuple(self.characters[i] for i in index), names, self.images[index])


def load_emoji(size: int, skin_tones: bool, font: Path | None = None) -> EmojiSet:
    """Every fully qualified emoji that the font has, rendered.

    Args:
        size: S, of the pictures' sides.
        skin_tones: with all their variants by skin tone, or without.
        font: NotoColorEmoji.ttf; None looks where systems install it.

    Raises:
        DataError: the font or the package with the names is missing; says how to get it.
    """
    names = emoji_names()
    characters = tuple(c for c in names["en"] if skin_tones or not set(c) & set(SKIN_TONES))
    characters, images = _pictures(characters, size, _font_file(font))
    in_order = {language: tuple(all_[c] for c in characters) for language, all_ in names.items()}
    return EmojiSet(characters, in_order, images)


@lru_cache(maxsize=1)
def emoji_names() -> dict[str, dict[str, str]]:
    """By language: each fully qualified emoji's name, as Unicode lists them."""
    try:
        import emoji
    except ImportError:
        raise DataError("the emoji's names need the package emoji: `pip install emoji`.") from None
    for language in LANGUAGES:
        emoji.config.load_language(language)
    complete = emoji.STATUS["fully_qualified"]
    data = {c: entry for c, entry in emoji.EMOJI_DATA.items() if entry["status"] == complete}
    return {
        language: {c: entry[language].strip(":").replace("_", " ") for c, entry in data.items()}
        for language in LANGUAGES
    }


@lru_cache(maxsize=1)
def held_out_emoji() -> frozenset[str]:
    """The combinations that are never trained on."""
    lines = HELD_OUT_FILE.read_text("utf-8").splitlines()
    return frozenset(line.split("\t")[0] for line in lines if line and not line.startswith("# "))


@lru_cache(maxsize=1)  # a run asks for what it trains on, what is held out, and all
def _pictures(characters: tuple[str, ...], size: int, file: Path) -> tuple[tuple[str, ...], Tensor]:
    """Those that the font has, and their pictures, (N, 3, size, size) uint8."""
    typeface = _typeface(file)
    widest = WIDEST * typeface.getlength("😀")  # what the font has no picture of becomes several glyphs
    characters = tuple(c for c in characters if typeface.getlength(c) < widest)
    images = np.stack([_render(character, typeface, size) for character in characters])
    known = images.reshape(len(images), -1).min(1) < 255  # or is left blank
    characters = tuple(c for c, drawn in zip(characters, known) if drawn)
    return characters, torch.from_numpy(images[known]).permute(0, 3, 1, 2).contiguous()


def _font_file(font: Path | None) -> Path:
    file = font or next((f for f in FONT_FILES if f.is_file()), None)
    if file is None:
        raise DataError(NO_FONT)
    return file


def _typeface(file: Path) -> ImageFont.FreeTypeFont:
    if not features.check("raqm"):
        raise DataError("joining emoji needs the library FriBidi: `sudo apt install libfribidi0`.")
    try:
        return ImageFont.truetype(file, FONT_SIZE, layout_engine=ImageFont.Layout.RAQM)
    except OSError:
        raise DataError(f"{file} is not the font NotoColorEmoji.ttf with bitmaps.") from None


def _render(character: str, typeface: ImageFont.FreeTypeFont, size: int) -> np.ndarray:
    """(size, size, 3) uint8: the emoji on white, scaled so that its whole bitmap fits."""
    picture = Image.new("RGB", (CANVAS[0], CANVAS[0]), "white")
    middle = (CANVAS[0] / 2, CANVAS[0] / 2)
    ImageDraw.Draw(picture).text(middle, character, font=typeface, embedded_color=True, anchor="mm")
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def captions(emoji: EmojiSet, language: str) -> list[list[str]]:
    """For each emoji what it may be called in a language: its name in every template.

    Languages without templates of their own give the bare name once per template of English, so that all
    have as many.
    """
    number = max(map(len, TEMPLATES.values()))
    templates: Sequence[str] = TEMPLATES.get(language, ("{}",))
    padded = [*templates, *["{}"] * (number - len(templates))]
    return [[template.format(name) for template in padded] for name in emoji.names[language]]
