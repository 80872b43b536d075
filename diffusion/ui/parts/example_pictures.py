"""Pictures to choose from: presets, drawn here from shapes and gradients, and a few emoji."""

from functools import lru_cache

import numpy as np
from gradio import media
from PIL import Image, ImageDraw

from diffusion.data.images import centre_crop
from diffusion.ui.parts.modules import STATIC
from diffusion.ui.text import labels

SIZE = 256
SCALE = 4  # drawn larger and reduced, for smooth edges
EMOJI_FILE = STATIC / "emoji.png"  # squares in a row, as the font has them


@lru_cache
def preset_pictures() -> dict[str, Image.Image]:
    """Name (a key of the page's texts) → 256×256 RGB picture."""
    drawings = {"sunset": _sunset, "cat": _cat, "balloons": _balloons, "spiral": _spiral, "card": _card}
    return {name: draw().resize((SIZE, SIZE), Image.Resampling.LANCZOS) for name, draw in drawings.items()}


def emoji_pictures() -> dict[str, Image.Image]:
    """Name (with the character) → picture; the last two are held out of all training."""
    return dict(zip(labels()["latent_emoji"].split("|"), _emoji()))


@lru_cache(maxsize=1)
def _emoji() -> list[Image.Image]:
    with Image.open(EMOJI_FILE) as file:
        row, side = file.convert("RGB"), file.height
    return [row.crop((start, 0, start + side, side)) for start in range(0, row.width, side)]


# ---- the presets -----------------------------------------------------------------------------------------


def _gradient(top: tuple[int, ...], bottom: tuple[int, ...]) -> Image.Image:
    """A vertical gradient between two colours."""
    weight = np.linspace(0, 1, SIZE * SCALE)[:, None, None]
    column = (1 - weight) * np.array(top) + weight * np.array(bottom)
    return Image.fromarray(np.repeat(column, SIZE * SCALE, axis=1).round().astype(np.uint8))


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, rx: float, ry: float, fill: str) -> None:
    """An ellipse around (x, y), in units of the picture's side."""
    side = SIZE * SCALE
    draw.ellipse([(x - rx) * side, (y - ry) * side, (x + rx) * side, (y + ry) * side], fill=fill)


def _polygon(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], fill: str) -> None:
    side = SIZE * SCALE
    draw.polygon([(x * side, y * side) for x, y in points], fill=fill)


def _sunset() -> Image.Image:
    image = _gradient((38, 33, 97), (255, 176, 92))
    draw = ImageDraw.Draw(image)
    for radius, colour in ((0.17, "#ffcf7d"), (0.14, "#ffe1a0"), (0.11, "#fff3cf")):
        _disc(draw, 0.62, 0.5, radius, radius, colour)
    ridges = ((0.55, 0.10, "#6b3f7a"), (0.68, 0.07, "#472b63"), (0.80, 0.05, "#241a44"))
    x = np.linspace(0, 1, 200)
    for i, (height, swing, colour) in enumerate(ridges):
        y = height + swing * (np.sin(7 * x + 2 * i) + 0.5 * np.sin(17 * x + 5 * i))
        _polygon(draw, [*zip(x, y), (1, 1), (0, 1)], colour)
    return image


def _cat() -> Image.Image:
    image = _gradient((176, 224, 214), (238, 246, 220))
    draw = ImageDraw.Draw(image)
    _disc(draw, 0.5, 0.98, 0.34, 0.30, "#d98036")
    for sign in (-1, 1):
        _polygon(
            draw, [(0.5 + sign * x, y) for x, y in ((0.10, 0.34), (0.27, 0.10), (0.30, 0.42))], "#d98036"
        )
        _polygon(
            draw, [(0.5 + sign * x, y) for x, y in ((0.16, 0.32), (0.25, 0.18), (0.27, 0.38))], "#f2b8a0"
        )
    _disc(draw, 0.5, 0.48, 0.30, 0.26, "#e8954a")
    for x in (-0.07, 0.0, 0.07):
        _polygon(draw, [(0.485 + x, 0.23), (0.515 + x, 0.23), (0.5 + x, 0.34)], "#b8622a")
    for sign in (-1, 1):
        _disc(draw, 0.5 + sign * 0.12, 0.45, 0.055, 0.06, "#fdfbe9")
        _disc(draw, 0.5 + sign * 0.12, 0.455, 0.025, 0.05, "#22301f")
        _disc(draw, 0.51 + sign * 0.12, 0.435, 0.01, 0.012, "#ffffff")
        _disc(draw, 0.5 + sign * 0.06, 0.60, 0.08, 0.055, "#fbe9d2")
    _polygon(draw, [(0.46, 0.54), (0.54, 0.54), (0.5, 0.585)], "#c6505a")
    side = SIZE * SCALE
    for sign in (-1, 1):
        for dy in (-0.03, 0.0, 0.03):
            ends = [(0.5 + sign * 0.11) * side, (0.6 + dy / 2) * side]
            draw.line(ends + [(0.5 + sign * 0.33) * side, (0.59 + 1.6 * dy) * side], fill="#5a3a22", width=5)
    return image


def _balloons() -> Image.Image:
    image = _gradient((94, 160, 226), (226, 240, 250))
    draw = ImageDraw.Draw(image)
    side = SIZE * SCALE
    balloons = (
        (0.30, 0.34, 0.17, "#d7263d", "#f46a7b"),
        (0.68, 0.28, 0.15, "#f5b700", "#ffe07a"),
        (0.52, 0.58, 0.16, "#1b998b", "#62d2c5"),
    )
    for x, y, radius, colour, shine in balloons:
        draw.line([x * side, (y + radius) * side, 0.5 * side, 0.98 * side], fill="#4b5563", width=5)
        _polygon(
            draw, [(x, y + radius), (x - 0.025, y + 1.3 * radius), (x + 0.025, y + 1.3 * radius)], colour
        )
        _disc(draw, x, y, radius, 1.15 * radius, colour)
        _disc(draw, x - 0.35 * radius, y - 0.45 * radius, 0.28 * radius, 0.36 * radius, shine)
    return image


def _spiral() -> Image.Image:
    axis = np.linspace(-1, 1, SIZE * SCALE)
    x, y = np.meshgrid(axis, axis)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    wave = np.stack([np.sin(14 * radius - 3 * angle + phase) for phase in (0.0, 0.7, 1.4)], axis=-1)
    colours = np.array([0.55, 0.45, 0.60]) + np.array([0.42, 0.36, 0.38]) * wave
    return Image.fromarray((255 * colours.clip(0, 1)).round().astype(np.uint8))


def _card() -> Image.Image:
    """A test card: flat colours, a grey ramp and fine lines, to see which details the noise takes first."""
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), "#e9e9e9")
    draw = ImageDraw.Draw(image)
    side = SIZE * SCALE
    for i, colour in enumerate(("#f5f5f5", "#e8d21d", "#18b7c6", "#2fa84f", "#b83fa8", "#d23a32", "#2d4fb3")):
        draw.rectangle([i * side / 7, 0, (i + 1) * side / 7, 0.42 * side], fill=colour)
    for i in range(16):
        grey = 17 * i
        draw.rectangle([i * side / 16, 0.42 * side, (i + 1) * side / 16, 0.58 * side], fill=(grey,) * 3)
    for i, pitch in enumerate((4, 8, 16, 32)):
        for k in range(64 // pitch):
            left = (i * 64 + k * pitch) * SCALE
            draw.rectangle([left, 0.58 * side, left + pitch * SCALE / 2 - 1, 0.78 * side], fill="black")
    for i in range(6):
        _disc(draw, 0.09 + 0.165 * i, 0.89, 0.075 - 0.011 * i, 0.075 - 0.011 * i, "#222222")
    return image


@lru_cache(maxsize=1)
def photo() -> Image.Image | None:
    """A photo of a lion that Gradio's package has, 256×256; None where it has it no more."""
    try:
        with Image.open(media.get_image("lion.jpg")) as file:
            return centre_crop(file.convert("RGB"), SIZE)
    except OSError:
        return None
