"""Which picture formats can be opened on this machine, and what is said of those that cannot."""

from functools import lru_cache
from pathlib import Path

from PIL import Image, features

FORMATS = {  # as Pillow calls them, and as people do
    "JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "HEIF": "HEIC", "AVIF": "AVIF", "GIF": "GIF", "BMP": "BMP",
    "TIFF": "TIFF", "PPM": "PPM",
}  # fmt: skip
BUILT_IN = {"JPEG": "jpg", "PNG": "zlib", "WEBP": "webp", "AVIF": "avif"}  # that a Pillow may be made without
# How files of boxes begin: length, b"ftyp", and brands of four letters, the last two of several formats.
BRANDS = {
    "AVIF": {b"avif", b"avis"},
    "HEIF": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"},
}
BEGINNING = 64  # bytes of a file, in which its brands are
ABSENT = {
    "HEIF": "HEIC pictures are opened only where the package pillow-heif is installed",
    "AVIF": "AVIF pictures are opened only where Pillow is built with AVIF, as it is from 11.3 on",
}


@lru_cache(maxsize=1)
def openable() -> tuple[str, ...]:
    """Those of FORMATS that can be opened here, as Pillow calls them."""
    try:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    except ImportError:
        pass
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN and _is_built_in(name))


def _is_built_in(name: str) -> bool:
    return name not in BUILT_IN or bool(features.check(BUILT_IN[name]))


def looks_like_a_picture(name: str) -> bool:
    """Whether a file's name ends as those of pictures that can be opened here."""
    return Path(name).suffix.lower() in picture_suffixes()


def picture_suffixes() -> list[str]:
    """Of the names of files that can be opened here, such as ".png"; in lower case."""
    formats = openable()  # first: it adds endings
    return sorted(suffix for suffix, kind in Image.registered_extensions().items() if kind in formats)


def accepted() -> str:
    """What a page's input for files offers: what systems call pictures, and endings that not all know.

    Phones make JPEGs of HEICs for pages that do not name them.
    """
    named = ((".heic", "HEIF"), (".heif", "HEIF"), (".avif", "AVIF"))
    return ",".join(["image/*", *(ending for ending, name in named if name in openable())])


def why_unreadable(beginning: bytes) -> str:
    """One sentence about a file that could not be opened, by its first BEGINNING bytes."""
    names = [FORMATS[name] for name in openable()]
    others = f"{', '.join(names[:-1])} or {names[-1]}"
    if absent := ABSENT.get(_format_of(beginning) or ""):
        return f"This file cannot be opened here: {absent}; use a JPEG, or another of {others}."
    return f"This file is not a readable picture: use a complete {others}."


def _format_of(beginning: bytes) -> str | None:
    """Of those in ABSENT, the one that a file is of and that cannot be opened here."""
    if beginning[4:8] != b"ftyp":
        return None
    end = min(len(beginning), int.from_bytes(beginning[:4], "big"))
    brands = {beginning[i : i + 4] for i in range(8, end, 4)}
    name = next((name for name, known in BRANDS.items() if brands & known), None)
    return name if name not in openable() else None


def tells_its_turn(content: bytes) -> bool:
    """Whether a HEIC itself says how it is turned or mirrored, which its decoder does; EXIF repeats it."""
    start = 0
    while (length := int.from_bytes(content[start : start + 4], "big")) >= 8:
        if content[start + 4 : start + 8] == b"meta":
            about = content[start : start + length]
            return b"irot" in about or b"imir" in about
        start += length
    return False
