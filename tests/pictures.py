"""Picture files for the tests: whole ones, and headers that claim what is not there."""

import io
import os
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """Smooth colours, as JPEG likes them."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def write_photos(folder: Path | bytes, number: int = 2, first: int = 0) -> None:
    """Pictures that differ, into a folder of any name."""
    os.makedirs(folder, exist_ok=True)
    for i in range(first, first + number):
        with open(os.path.join(os.fsencode(folder), b"%d.png" % i), "wb") as file:
            file.write(encoded(photo(seed=zlib.crc32(os.fsencode(folder)) + i), "PNG"))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def heic(image: Image.Image, **options) -> bytes:
    """As phones save pictures. EXIF data as bytes become the file's own turn as well, an `Exif` does not."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return encoded(image, "HEIF", **options)


def claiming(boxes: bytes, width: int, height: int) -> bytes:
    """A HEIC or an AVIF whose header says another size."""
    place = boxes.index(b"ispe") + 8
    return boxes[:place] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + boxes[place + 8 :]


def turned(orientation: int) -> Image.Exif:
    """EXIF data that say how a picture is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif
