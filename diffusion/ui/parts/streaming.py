"""Films for the page while they are made."""

import base64
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

MESSAGE_SECONDS = 0.06  # at least, between two messages to the page


def frame_message(k: int, frame: np.ndarray, row: dict[str, float] | None) -> dict[str, Any]:
    """One frame for the page."""
    return {"k": k, "pixels": base64.b64encode(frame.tobytes()).decode(), "row": row}


def paced(
    film: str, info: dict[str, Any], frames: Iterable[tuple[np.ndarray, dict[str, Any] | None]]
) -> Iterator[dict[str, Any]]:
    """Messages for the page: each frame as it is made, or several at once if they are fast.

    A page shows some thirty messages a second; sent faster, they would queue up and outlive a Stop. Each
    message repeats the one before, so that none is lost when two arrive together.
    """
    before: list[dict[str, Any]] = []
    fresh: list[dict[str, Any]] = []
    sent = 0.0
    for k, (frame, row) in enumerate(frames):
        fresh.append(frame_message(k, frame, row))
        if row is None or time.monotonic() - sent > MESSAGE_SECONDS:
            yield {"film": film, "info": info, "frames": [*before, *fresh]}
            before, fresh, sent = fresh, [], time.monotonic()
