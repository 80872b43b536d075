"""Checks of whatever a page or a client sends: each failure is one plain sentence with the allowed range."""

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from diffusion.checks import is_whole
from diffusion.data.images import ImageError, open_image
from diffusion.names import nfc
from diffusion.ui.text import labels, language, speaking

MAX_SEED = 2**32 - 1
MAX_GUIDANCE = 20
MAX_CLOCK = 2**53 - 1  # milliseconds; up to here a browser's numbers are exact


class InputError(gr.Error):
    """A refused value; shown as a sentence, never logged as a failure of the server."""

    def __init__(self, message: str) -> None:
        super().__init__(message, print_exception=False, title="")

    def __str__(self) -> str:
        return self.message


def refusal(key: str, **values: str) -> InputError:
    """The error with this sentence of the page's texts, and what it mentions filled in."""
    return InputError(labels()[key].format(**values))


def whole_number(value: Any, name: str, low: int, high: int) -> int:
    """`value` as an integer in low..high, from a browser perhaps as 4.0; `name` is a parameter's name."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if is_whole(value, low, high):
        return value
    raise _out_of_range("must_be_whole", name, low, high)


def real_number(value: Any, name: str, low: float, high: float) -> float:
    """`value` as a finite number in low..high."""
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise _out_of_range("must_be_number", name, low, high)


def _out_of_range(key: str, name: str, low: float, high: float) -> InputError:
    return refusal(key, name=labels()[f"name_{name}"], low=f"{low:,}", high=f"{high:,}")


def choice(value: Any, name: str, allowed: Iterable[str]) -> str:
    """The allowed word that `value` is, in whatever Unicode form it was typed."""
    allowed = list(allowed)
    known = {nfc(word): word for word in allowed}
    if isinstance(value, str) and nfc(value) in known:
        return known[nfc(value)]
    words = ", ".join(word or labels()["empty"] for word in allowed)
    raise refusal("must_be_one_of", name=labels()[f"name_{name}"], allowed=words)


def choices(values: Any, name: str, allowed: Iterable[str]) -> list[str]:
    """`values` if they are a list of allowed words."""
    sent, allowed = values if isinstance(values, list | tuple) else [values], list(allowed)
    return [choice(value, name, allowed) for value in sent]


def answering(function: Callable[[dict], Any]) -> Callable[[Any], Any]:
    """`function` as the page that is laid out may call it: it speaks that page's language, and a refused
    request is answered by its sentence."""
    spoken = language()

    @wraps(function)
    def answer(request: Any) -> Any:
        try:
            with speaking(spoken):
                return function(request if isinstance(request, dict) else {})
        except InputError as error:
            return {"problem": str(error)}

    @wraps(function)
    async def answer_later(request: Any) -> Any:
        try:
            with speaking(spoken):
                return await function(request if isinstance(request, dict) else {})
        except InputError as error:
            return {"problem": str(error)}

    return answer_later if iscoroutinefunction(function) else answer


def uploaded_picture(path: str | Path) -> Image.Image:
    """Open an uploaded file.

    It is left where it is: visitors who upload equal bytes share one file, which the cache's clock deletes.

    Raises:
        InputError: it is gone, or no usable picture.
    """
    if not Path(path).is_file():
        raise refusal("upload_gone")
    try:
        return open_image(path)
    except ImageError as error:
        raise InputError(str(error)) from None
