"""Films as files to take home: the page sends a film's pictures as one sheet, and gets a GIF or a WebP."""

import asyncio
import base64
import io
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore
from typing import Any

from PIL import Image, ImageOps

from diffusion.ui.parts.inputs import choice, refusal, whole_number
from diffusion.ui.parts.own_picture import sent_picture

KINDS = ("gif", "webp")
MOST_FRAMES, MOST_PIXELS = 60, 2**22  # of a sheet, as in lib/sheet.js; 64 pictures of 256×256
MOST_SCALE, LONGEST_SIDE = 64, 512  # of a frame that is enlarged
SECONDS, SLOWEST, LAST = 4.0, 200, 2000  # of a film; milliseconds at most of a frame, and of the last one
MOST_WAITING = 8  # whose sheets are in memory together

PLACES = BoundedSemaphore(MOST_WAITING)
WORKER = ThreadPoolExecutor(1, "animations")


async def animation(request: dict[str, Any]) -> dict[str, str]:
    """Asked by the page for a film as a file; one is made at a time, beside everything else.

    Args:
        request: kind, of KINDS; file, a PNG in base64: the frames, one below the other; count, how many;
            scale, how many times as large they are to be.

    Returns:
        {"file": in base64}.

    Raises:
        InputError: one of them is out of range, or too many wait.
    """
    if not PLACES.acquire(blocking=False):
        raise refusal("animations_waiting")
    try:
        run = copy_context().run
        made = await asyncio.get_running_loop().run_in_executor(WORKER, run, animation_file, request)
    finally:
        PLACES.release()
    return {"file": base64.b64encode(made).decode()}


def animation_file(request: dict[str, Any]) -> bytes:
    """The file that a request asks for. Raises InputError."""
    kind = choice(request.get("kind"), "kind", KINDS)
    count = whole_number(request.get("count"), "count", 1, MOST_FRAMES)
    scale = whole_number(request.get("scale"), "scale", 1, MOST_SCALE)
    sheet = sent_picture(request)
    width, height = sheet.width, sheet.height // count
    too_large = max(width, height) * scale > LONGEST_SIDE and scale > 1
    if sheet.height % count or sheet.width * sheet.height > MOST_PIXELS or too_large:
        raise refusal("wrong_sheet")
    frames = [sheet.crop((0, top, width, top + height)) for top in range(0, sheet.height, height)]
    return encoded(frames, kind, scale)


def encoded(frames: list[Image.Image], kind: str, scale: int) -> bytes:
    """Frames as an endless animation, which rests on the last one; every pixel a square of `scale`² pixels.

    A WebP is lossless. In a GIF each frame has a palette of its own: up to 256 colours are exact.
    """
    if kind == "gif":
        frames = [frame.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for frame in frames]
    first, *rest = (ImageOps.scale(frame, scale, Image.Resampling.NEAREST) for frame in frames)
    options: dict[str, Any] = {"lossless": True, "method": 1} if kind == "webp" else {}
    buffer = io.BytesIO()
    durations = [frame_milliseconds(len(frames))] * len(rest) + [LAST]
    first.save(buffer, kind, save_all=True, append_images=rest, duration=durations, loop=0, **options)
    return buffer.getvalue()


def frame_milliseconds(count: int) -> int:
    """How long each of so many frames is seen, in tens as a GIF counts."""
    return min(SLOWEST, 10 * round(100 * SECONDS / count))
