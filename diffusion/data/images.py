"""Pictures in and out: opening a stranger's file, fitting it to a square, and pixels as numbers and back."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

MAX_PIXELS = 50_000_000  # 150 MB once it is decoded; most cameras take half as many
MIN_SIDE = 8  # below it there is nothing to see, and resizing leaves the picture no shape
IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")


# Pillow warns of large pictures and of odd metadata; `open_image` decides, and says so, itself.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(ValueError):
    """A picture that cannot be used; the message is one plain sentence for its owner."""


def to_signed(images: Tensor) -> Tensor:
    """uint8 in 0..255 → float32 in [−1, 1]."""
    return images.float() / 127.5 - 1


def to_uint8(x: Tensor, value_range: float = 1.0) -> Tensor:
    """What is shown of x: [−value_range, value_range] → uint8 0..255, values beyond it cut off."""
    return (127.5 * ((x / value_range).clamp(-1, 1) + 1)).round().to(torch.uint8)


def to_pixels(x: Tensor) -> np.ndarray:
    """(B, C, H, W) in [−1, 1], values beyond it cut off → (B, H, W, C) uint8."""
    return to_uint8(x).permute(0, 2, 3, 1).cpu().numpy()


def open_image(source: str | Path | bytes) -> Image.Image:
    """Open a stranger's picture: upright, first frame, 8-bit RGB, transparency on white.

    Args:
        source: a path, or the file's bytes.

    Raises:
        ImageError: it is no picture, is broken, or is too large or too small; says which.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else Path(source)
    try:
        with Image.open(stream, formats=IMAGE_FORMATS) as image:
            _check_size(*image.size)
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"This picture has more than {MAX_PIXELS:,} pixels.") from None
    except Exception:  # Pillow's decoders raise anything, from SyntaxError to struct.error
        raise ImageError(
            "This file is not a readable picture: use a complete JPEG, PNG, WebP, GIF, BMP or TIFF."
        ) from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"This picture is {width:,} × {height:,}; at most {MAX_PIXELS:,} pixels are accepted."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"This picture is {width:,} × {height:,}; its shorter side needs at least {MIN_SIDE} pixels."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey
        grey = np.asarray(image).astype(np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """The middle square, `size` pixels wide."""
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def letterbox(image: Image.Image, size: int) -> Image.Image:
    """The whole picture on a mid-grey square, `size` pixels wide."""
    return ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color=(128, 128, 128))
