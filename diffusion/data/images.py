"""Pictures in and out: opening a stranger's file, fitting it to a square, and pixels as numbers and back."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

MAX_PIXELS = 50_000_000  # 150 MB once it is decoded; most cameras take half as many
MIN_SIDE = 8  # below it there is nothing to see, and resizing leaves the picture no shape
IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
# Bits of which numbers of no fixed range may be made; floats from 0 to 1 count as one bit.
DEPTHS = (1, 8, 10, 12, 14, 16)
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a TIFF's tag, and its value where 0 means white

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
            negative = getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
            return _to_rgb(ImageOps.exif_transpose(image), negative)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"This picture has more than {MAX_PIXELS:,} pixels.") from None
    except Exception as error:  # Pillow's decoders raise anything, from SyntaxError to struct.error
        if isinstance(error, OSError) and error.strerror:  # the system's, not the decoder's
            raise ImageError(f"This file cannot be read: {error.strerror}.") from None
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


def _to_rgb(image: Image.Image, negative: bool) -> Image.Image:
    """8-bit RGB of a picture in any mode; `negative` ones count from white, which Pillow mends in 8 bits."""
    if image.mode.startswith(("I", "F")):
        levels = grey_levels(np.asarray(image))
        return Image.fromarray(255 - levels if negative else levels).convert("RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def grey_levels(values: np.ndarray) -> np.ndarray:
    """Numbers of no fixed range, such as a camera's 12 bits or floats, as grey levels.

    Args:
        values: (H, W), of any type. From 0 on they fill the smallest of DEPTHS that holds them; negative and
            larger ones reach from the lowest to the highest. What is not finite is black.

    Returns:
        (H, W) uint8.

    Raises:
        ImageError: none of them is finite.
    """
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise ImageError("This picture holds no finite numbers.")
    low, high = finite.min(), finite.max()
    top = next((2**bits - 1 for bits in DEPTHS if high < 2**bits), None)
    if top is None or low < -0.1:  # by less, floats from 0 to 1 miss it when they are resampled
        top = max(high - low, np.finfo(np.float64).tiny)
        values = values - low
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return (values / top * 255).round().clip(0, 255).astype(np.uint8)


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """The middle square, `size` pixels wide."""
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def letterbox(image: Image.Image, size: int) -> Image.Image:
    """The whole picture on a mid-grey square, `size` pixels wide."""
    return ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color=(128, 128, 128))
