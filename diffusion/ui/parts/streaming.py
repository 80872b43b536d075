"""Films as messages for the page, whole or while they are made.

A message is {"film": id, "info": what the page must know of it, "frames": some of its frames}. "planes" in
info lists the arrays that every frame consists of, {"name", "shape"} each. A frame is {"k": its number,
"pixels": base64 of its planes' uint8 values, one plane after the other, "row": its numbers or null}.

Here is also what the events that send them have in common.
"""

import base64
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypedDict

import gradio as gr
import numpy as np

from diffusion.hub import HubError
from diffusion.models.folder import CheckpointError
from diffusion.pipelines.loading import PipelineError
from diffusion.ui.parts.inputs import InputError

MESSAGE_SECONDS = 0.06  # at least, between two messages to the page

Planes = dict[str, np.ndarray]  # uint8 arrays by name; of one dimension, in last place: a file of any length
Row = dict[str, Any] | None


class Frame(NamedTuple):
    """A frame as it is sent; `k` is its number."""

    k: int
    planes: Planes
    row: Row


def film_message(
    film: str, info: dict[str, Any], frames: Sequence[Frame], planes: Planes | None = None
) -> dict[str, Any]:
    """Some frames of a film, or none yet.

    Args:
        film: its id.
        info: of it; the planes are added.
        planes: with the names and shapes of every frame's; None takes the first frame's.
    """
    return {
        "film": film,
        "info": info | {"planes": _described(frames[0].planes if planes is None else planes)},
        "frames": [{"k": k, "pixels": encode(*planes.values()), "row": row} for k, planes, row in frames],
    }


def _described(planes: Planes) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": list(plane.shape) if plane.ndim > 1 else [-1]}
        for name, plane in planes.items()
    ]


def encode(*arrays: np.ndarray) -> str:
    """The values of arrays, one after the other, as base64."""
    return base64.b64encode(b"".join(array.tobytes() for array in arrays)).decode()


def whole_film(film: str, info: dict[str, Any], frames: Iterable[tuple[Planes, Row]]) -> dict[str, Any]:
    """A finished film as one message."""
    return film_message(film, info, [Frame(k, *frame) for k, frame in enumerate(frames)])


def stream_frames(
    film: str, info: dict[str, Any], frames: Iterable[tuple[Planes, Row]]
) -> Iterator[dict[str, Any]]:
    """Messages for the page: each frame as it is made, or several at once if they are fast.

    A page shows some thirty messages a second; sent faster, they would queue up and outlive a Stop. Each
    message repeats the one before, so that none is lost when two arrive together. The last frame has no row.
    """
    before: list[Frame] = []
    fresh: list[Frame] = []
    sent = 0.0
    for k, (planes, row) in enumerate(frames):
        fresh.append(Frame(k, planes, row))
        if row is None or time.monotonic() - sent > MESSAGE_SECONDS:
            yield film_message(film, info, before + fresh)
            before, fresh, sent = fresh, [], time.monotonic()


# ---- events ----------------------------------------------------------------------------------------------


class Concurrency(TypedDict, total=False):
    """Options of an event: how many of its kind may run at once."""

    concurrency_id: str
    concurrency_limit: int


class Private(TypedDict):
    """Options of an event: it is no endpoint, and the page shows its progress by itself."""

    show_progress: Literal["hidden"]
    api_visibility: Literal["private"]


ONE_AT_A_TIME: Concurrency = {"concurrency_id": "model", "concurrency_limit": 1}  # all that use a network
PRIVATE: Private = {"show_progress": "hidden", "api_visibility": "private"}
REFUSALS = (InputError, PipelineError, HubError, CheckpointError)


def with_refusals(
    outputs: Callable[..., Iterable[Any]], refused: tuple[Any, ...] = (gr.skip(),)
) -> Callable[..., Iterator[tuple[Any, ...]]]:
    """An event's handler whose last output is the sentence beside the control, which tells of a refusal.

    Args:
        outputs: for the values of a request, what goes to the other outputs, again and again: one value, or
            a tuple of several.
        refused: what goes to them if one of REFUSALS is raised.
    """

    def handle(*request: Any) -> Iterator[tuple[Any, ...]]:
        try:
            for values in outputs(*request):
                yield (*(values if isinstance(values, tuple) else (values,)), "")
        except REFUSALS as error:
            yield (*refused, str(error))

    return handle
