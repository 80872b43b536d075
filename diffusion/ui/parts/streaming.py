"""Films as messages for the page, whole or while they are made.

A message is {"film": id, "info": what the page must know of it, "frames": some of its frames}. "planes" in
info lists the arrays that every frame consists of, {"name", "shape"} each. A frame is {"k": its number,
"pixels": base64 of its planes' uint8 values, one plane after the other, "row": its numbers or null}.

Here is also what the events that send them have in common.
"""

import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar
from uuid import uuid4

import gradio as gr
import numpy as np

from diffusion.hub import HubError
from diffusion.models.folder import CheckpointError
from diffusion.pipelines.loading import PipelineError
from diffusion.ui.parts.inputs import MAX_CLOCK, InputError, real_number
from diffusion.ui.parts.line import LINE, Line, Ticket, Waiting
from diffusion.ui.parts.link import settings_in_link

NOW_LAST = "(...sent) => [...sent.slice(0, -1), performance.timeOrigin + performance.now()]"
MESSAGE_SECONDS = 0.06  # at least, between two messages to pages

Planes = dict[str, np.ndarray]  # uint8 arrays by name; of one dimension, in last place: a file of any length
Row = dict[str, Any] | None
Message = dict[str, Any]
Shares = Callable[..., Hashable]
Look = TypeVar("Look")
Handler = Callable[..., AsyncIterator[tuple[Any, str]]]


class Frame(NamedTuple):
    """A frame as it is sent; `k` is its number."""

    k: int
    planes: Planes
    row: Row


def film_id(name: str) -> str:
    """Another film's id: no film has had it, of a visitor in another language or before a server's start."""
    return f"{name}-{uuid4().hex}"


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

    A page shows some thirty messages a second; sent faster, they would queue up and outlive a Stop. All pages
    together get no more than one: making messages takes the CPU about as long as a small network does. Each
    message repeats the one before, so that none is lost when two arrive together. The last frame has no row.
    """
    before: list[Frame] = []
    fresh: list[Frame] = []
    sent = 0.0
    for k, (planes, row) in enumerate(frames):
        fresh.append(Frame(k, planes, row))
        if row is None or time.monotonic() - sent > MESSAGE_SECONDS * LINE.at_work():
            yield film_message(film, info, before + fresh)
            before, fresh, sent = fresh, [], time.monotonic()


def paced(looks: Iterable[Look], is_finished: Callable[[Look], bool]) -> Iterator[Look]:
    """Of looks at what is being made those that are finished, and of others no more than pages can show."""
    sent = 0.0
    for look in looks:
        if is_finished(look) or time.monotonic() - sent > MESSAGE_SECONDS * LINE.at_work():
            yield look
            sent = time.monotonic()


def per_step(guidance_scales: Sequence[float]) -> dict[str, int]:
    """What a step costs that makes pictures with these scales of guidance: calls of the network, and its
    predictions. Guidance needs two, which are made in one call."""
    return {"calls": len(guidance_scales), "predictions": sum(1 + (scale != 1) for scale in guidance_scales)}


# ---- events ----------------------------------------------------------------------------------------------


class Concurrency(TypedDict, total=False):
    """Options of an event: how many of its kind may run at once."""

    concurrency_id: str
    concurrency_limit: int | None


class Private(TypedDict):
    """Options of an event: it is no endpoint, and the page shows its progress by itself."""

    show_progress: Literal["hidden"]
    api_visibility: Literal["private"]


# All that use a network come to the line at once; there one has its turn.
IN_LINE: Concurrency = {"concurrency_id": "model", "concurrency_limit": None}
PRIVATE: Private = {"show_progress": "hidden", "api_visibility": "private"}
REFUSALS = (InputError, PipelineError, HubError, CheckpointError)


def wish(
    messages: Callable[..., Iterable[Message]],
    triggers: Sequence[Callable[..., Any]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    stops: Sequence[gr.Button] = (),
    shares: Shares = lambda *values: None,
    line: Line = LINE,
) -> None:
    """Events that ask for what needs a network, and buttons that stop it, inside the current gr.Blocks.

    The view is told who comes before, {"waiting": {"before", "own"}}; then it gets each message with
    "progress", the "seconds" so far, and the last one again, with "ended" in its progress: "whole" or
    "stopped". Asked for again by the same visitor, it stops what was asked for before, after the network call
    that runs.

    Args:
        messages: for the values of `inputs`, what goes to the view; it may raise REFUSALS.
        triggers: events, such as a button's `click`.
        inputs: what can be set.
        outputs: the view, and the place for a sentence of refusal.
        stops: what gives the wish up.
        shares: for the values of `inputs`, what its turn may be shared for, see `Ticket`.
        line: where it waits for its turn.
    """
    when = gr.Number(visible=False)  # the page's clock: wishes may arrive in another order
    ask, give_up = in_line(messages, inputs, shares, line)
    how: dict[str, Any] = {"trigger_mode": "multiple", **IN_LINE, **PRIVATE}
    for trigger in triggers:
        trigger(ask, [*inputs, when], outputs, js=NOW_LAST, **how)
    for button in stops:
        button.click(give_up, when, None, js=NOW_LAST, queue=False, **PRIVATE)


def in_line(
    messages: Callable[..., Iterable[Message]],
    inputs: Sequence[Any] = (),
    shares: Shares = lambda *values: None,
    line: Line = LINE,
) -> tuple[Handler, Callable[..., Awaitable[None]]]:
    """The handlers of `wish`: to ask, and to stop. The last value sent to each is when that was.

    A film's info gets "link", what the address can tell of the values that it was made with.
    """
    clock = partial(real_number, name="when", low=0, high=MAX_CLOCK)

    async def ask(request: gr.Request, *sent: Any) -> AsyncIterator[tuple[Any, str]]:
        *values, when = sent
        settings = {"link": settings_in_link(inputs, values)}
        message = Message()
        try:
            when, made = clock(when), messages(*values)
            ticket = Ticket(request.session_hash, messages, when, shares(*values))
            if note := line.note():
                yield {"note": note} | _progress(None), ""
            async for told in line.serve(ticket, lambda: iter(made)):
                if isinstance(told, Waiting):
                    yield {"waiting": told._asdict()}, ""
                    continue
                message = told
                if "info" in message:
                    message |= {"info": message["info"] | settings}
                yield message | _progress(ticket.begun), ""
        except REFUSALS as error:
            yield message | _progress(ticket.begun, "stopped") if message else gr.skip(), str(error)
            return
        if not ticket.replaced:
            yield message | _progress(ticket.begun, "whole" if ticket.wanted else "stopped"), ""

    async def give_up(request: gr.Request, when: Any) -> None:
        line.give_up(request.session_hash, messages, clock(when))

    return ask, give_up


def _progress(started: float | None, ended: str | None = None) -> Message:
    seconds = 0.0 if started is None else time.monotonic() - started
    return {"progress": {"seconds": seconds, "ended": ended}}
