"""Pictures in and out: opening a stranger's file, fitting it to a square, and pixels as numbers and back."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from diffusion.data.image_formats import BEGINNING, openable, tells_its_turn, why_unreadable

MAX_PIXELS = 50_000_000  # 150 MB once it is decoded; most cameras take half as many
MIN_SIDE = 8  # below it there is nothing to see, and resizing leaves the picture no shape
DEPTHS = (1, 8, 10, 12, 14, 16)  # bits of which whole numbers of no fixed range may be made
MIN_BRIGHTEST = 0.1  # of floats that are taken as they are, from 0 to 1
OVERSHOOT = 0.1  # by less, floats from 0 to 1 miss that when they are resampled
MAX_DISTANCE = 1.5  # from the middle half of all values, in its widths; what lies farther off is an outlier
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # a TIFF's tag, and its value where 0 means white
ORIENTATION = 0x0112  # EXIF's tag

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
        with Image.open(stream, formats=openable()) as image:
            _check_size(*image.size)
            negative = getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO
            return _to_rgb(_upright(image, source), negative)
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"This picture has more than {MAX_PIXELS:,} pixels.") from None
    except Exception as error:  # Pillow's decoders raise anything, from SyntaxError to struct.error
        if isinstance(error, OSError) and error.strerror:  # the system's, not the decoder's
            raise ImageError(f"This file cannot be read: {error.strerror}.") from None
        raise ImageError(why_unreadable(_beginning(source))) from None


def _beginning(source: str | Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:BEGINNING]
    with open(source, "rb") as file:
        return file.read(BEGINNING)


def _upright(image: Image.Image, source: str | Path | bytes) -> Image.Image:
    """The picture turned as its file says; a HEIC's decoder does that, but for what EXIF data alone say."""
    turn = image.info.get("original_orientation") if image.format == "HEIF" else None
    if turn and not tells_its_turn(source if isinstance(source, bytes) else Path(source).read_bytes()):
        image.getexif()[ORIENTATION] = turn
    return ImageOps.exif_transpose(image)


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
    """Numbers of no fixed range, such as a camera's 12 bits, heights or measurements, as grey levels.

    Whole numbers from 0 on fill the smallest of DEPTHS that holds them, in integers as in floats. Others from
    0 to 1 are taken as they are, unless all are dark. The rest reaches from its lowest to its highest
    without outliers, such as the −9999 of pixels without a value: these are cut off.

    Args:
        values: (H, W), of any type. What is not finite is black.

    Returns:
        (H, W) uint8.

    Raises:
        ImageError: none of them is finite.
    """
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise ImageError("This picture holds no finite numbers.")
    low, top = _known_range(finite) or _own_range(finite)
    values = np.nan_to_num(values, nan=low, posinf=low, neginf=low)
    return ((values - low) / (top - low) * 255).round().clip(0, 255).astype(np.uint8)


def _known_range(values: np.ndarray) -> tuple[float, float] | None:
    """The black and the white that such numbers usually have, if they have one."""
    low, high = values.min(), values.max()
    if low >= 0 and (values % 1 == 0).all():
        return next(((0.0, 2.0**bits - 1) for bits in DEPTHS if high < 2**bits), None)
    return (0.0, 1.0) if low > -OVERSHOOT and MIN_BRIGHTEST < high < 1 + OVERSHOOT else None


def _own_range(values: np.ndarray) -> tuple[float, float]:
    """Without outliers, which are told by how the different values lie: one value may fill many pixels."""
    first, third = np.quantile(np.unique(values), (0.25, 0.75))
    distance = MAX_DISTANCE * (third - first)
    inner = values[(values >= first - distance) & (values <= third + distance)]
    low, high = inner.min(), inner.max()
    return _known_range(inner) or (low, high if high > low else np.nextafter(low, np.inf))


def centre_crop(image: Image.Image, size: int) -> Image.Image:
    """The middle square, `size` pixels wide."""
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def x_0_of(image: Image.Image, shape: Sequence[int]) -> Tensor:
    """The middle square as a network's x_0, (C, H, W) in [−1, 1]: the means of the pixels that become one.

    So a picture each of whose pixels was made a square of several comes back exactly.

    Args:
        image: any; its transparency is left out.
        shape: (C, H, W) with C = 1, which is grey, or 3.
    """
    channels, height, width = shape
    mode = "L" if channels == 1 else "RGB"
    small = ImageOps.fit(image.convert(mode), (width, height), Image.Resampling.BOX)
    pixels = torch.from_numpy(np.array(small)).view(height, width, channels)
    return to_signed(pixels).permute(2, 0, 1)


def letterbox(image: Image.Image, size: int) -> Image.Image:
    """The whole picture on a mid-grey square, `size` pixels wide."""
    return ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color=(128, 128, 128))
