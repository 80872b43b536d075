"""Several pictures as one: sheets in PNG files, written and read back."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

UNREADABLE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError),
    *(SyntaxError, Image.DecompressionBombError, struct.error, zlib.error),  # Pillow says so of a broken PNG
)
WEBP_QUALITY = 80
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by the number of channels


def image_grid(images: np.ndarray, columns: int) -> Image.Image:
    """(B, H, W, C) uint8 → one picture, row by row; an incomplete last row ends in black."""
    rows = -(-len(images) // columns)
    height, width, channels = images.shape[1:]
    cells = np.zeros((rows * columns, height, width, channels), np.uint8)
    cells[: len(images)] = images
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * height, columns * width, channels)
    return Image.fromarray(grid[..., 0] if channels == 1 else grid)


def png_bytes(image: Image.Image) -> bytes:
    """A picture as a PNG file's content: lossless, as noise needs it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def webp_bytes(image: Image.Image) -> bytes:
    """A picture as a WebP file's content: a fifth of a PNG, to be looked at."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "WEBP", quality=WEBP_QUALITY)
    return buffer.getvalue()


def read_grid(file: Path, channels: int, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a PNG or WebP that must have this (width, height); else one of UNREADABLE is raised."""
    with Image.open(file, formats=["PNG", "WEBP"]) as picture:
        if picture.size != size:
            raise ValueError(f"{file} is {picture.size}, not {size}")
        return np.asarray(picture.convert(MODES[channels]))
