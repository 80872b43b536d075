"""Names of files and classes as people type and read them: Unicode forms, and what is no text at all."""

import os
import re
import unicodedata
from pathlib import Path

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # what is not UTF-8 stands as surrogates


def nfc(name: str) -> str:
    """In the Unicode form that is typed (NFC); names from a Mac are in another."""
    return unicodedata.normalize("NFC", name)


def readable(name: Path | str) -> str:
    """A name or path on one line, with escapes for what is no text."""
    return UNPRINTABLE.sub(lambda character: f"\\x{ord(character[0]) & 0xFF:02x}", str(name))


def is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8, on one line."""
    return not UNPRINTABLE.search(name)


def on_disk(path: str | Path) -> Path:
    """The path as it is typed, or where there is none, one of the same names in another Unicode form."""
    typed = Path(path)
    if typed == typed.parent or os.path.lexists(typed):
        return typed
    folder = on_disk(typed.parent)
    try:
        same = [name for name in os.listdir(folder) if nfc(name) == nfc(typed.name)]
    except OSError:
        same = []
    return folder / (same or [typed.name])[0]
