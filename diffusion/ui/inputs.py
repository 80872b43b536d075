"""Checks of whatever a page or a client sends: each failure is one plain sentence with the allowed range."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from diffusion.data import ImageError, open_image

MAX_SEED = 2**32 - 1
MAX_STEPS = 1000
MAX_IMAGES = 16
MAX_FRAMES = 4000  # steps × images of one film
MAX_GUIDANCE = 20.0
MIN_TIMESTEPS, MAX_TIMESTEPS = 20, 1000


class InputError(gr.Error):
    """A refused value; shown as a sentence, never logged as a failure of the server."""

    def __init__(self, message: str) -> None:
        super().__init__(message, print_exception=False, title="")


def whole_number(value: Any, name: str, low: int, high: int) -> int:
    """`value` as an integer in low..high."""
    number = real_number(value, name, low, high)
    if number != int(number):
        raise _out_of_range(name, low, high, "a whole number")
    return int(number)


def real_number(value: Any, name: str, low: float, high: float) -> float:
    """`value` as a finite number in low..high."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _out_of_range(name, low, high, "a number")
    if not low <= value <= high:  # true of NaN too
        raise _out_of_range(name, low, high, "a number")
    return value


def _out_of_range(name: str, low: float, high: float, kind: str) -> InputError:
    return InputError(f"{name} must be {kind} from {low:,} to {high:,}.")


def choice(value: Any, name: str, allowed: Iterable[str]) -> str:
    """`value` if it is one of the allowed words."""
    allowed = list(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name} must be one of: {', '.join(word or 'empty' for word in allowed)}.")
    return value


def uploaded_picture(path: str | Path) -> Image.Image:
    """Open an uploaded file; one that is refused is deleted at once."""
    if not Path(path).exists():
        raise InputError("This upload is no longer here; please choose the file again.")
    try:
        return open_image(path)
    except ImageError as error:
        Path(path).unlink(missing_ok=True)
        raise InputError(str(error)) from None
