"""What a request must be before Gradio sees it: for an address of this page, with its whole body, in time.

So an upload that breaks off, crawls or is no proper form leaves nothing on the disk: Gradio would keep its
pieces, and its clock deletes only what arrived whole.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from gradio_client.utils import strip_invalid_filename_characters
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffusion.ui.parts.own_picture import MAX_MEGABYTES
from diffusion.ui.text import labels

MAX_BYTES = MAX_MEGABYTES * 2**20 * 4 // 3 + 2**20  # of a body: a picture in base64, and what is said of it
READ_ON = 4  # times as many are read, and dropped, so that who sends them gets to read the answer
SECONDS = 120  # for a whole body: as many bytes at 2 Mbit/s
MAX_FILES = 20  # of an upload
MAX_NAME = 255  # bytes between two slashes: file systems know no longer names
# Of Gradio's addresses those that this page has no use for, and that write files, fetch or run something.
UNUSED = re.compile(
    r"/(login|pwa_icon|monitoring)(/|$)"
    r"|/gradio_api/(proxy=|deep_link|process_recording|stream/|vibe-|undo-vibe-|run-history|custom_component)"
)
RANGE = re.compile(r"bytes=\d{0,18}-\d{0,18}$")  # any other is to be ignored (RFC 9110)


class Refusal(Exception):
    """A request that goes no further: its status, and the key of the sentence about it."""


class Gate:
    """Middleware that hands on requests with their whole bodies, and refuses the others by a sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            _check_address(path)
            body = await _whole_body(scope, receive)
            if path.rstrip("/") == "/gradio_api/upload" and scope["method"] == "POST":
                await _check_form(Headers(scope=scope), body)
        except Refusal as refusal:
            status, key = refusal.args
            said = labels()[key].format(most=MAX_MEGABYTES, seconds=SECONDS, files=MAX_FILES)
            await JSONResponse({"detail": said}, status, {"Connection": "close"})(scope, receive, send)
            return
        except ConnectionResetError:  # nobody is there to read an answer
            return
        await self.app(_readable(scope), _replayed(body, receive), send)


def _check_address(path: str) -> None:
    names = path.split("/")
    if UNUSED.match(path) or any(len(name.encode("utf-8", "replace")) > MAX_NAME for name in names):
        raise Refusal(404, "unknown_address")


async def _whole_body(scope: Scope, receive: Receive) -> bytes:
    """All of it.

    Raises:
        Refusal: it is too long, or takes too long.
        ConnectionResetError: it breaks off.
    """
    if scope["method"] in ("GET", "HEAD"):
        return b""
    body, length, deadline = bytearray(), 0, time.monotonic() + SECONDS
    more = True
    while more:
        try:
            message = await asyncio.wait_for(receive(), deadline - time.monotonic())
        except asyncio.TimeoutError:
            raise Refusal(408, "request_too_slow") from None
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        length += len(message.get("body", b""))
        more = message.get("more_body", False) and length <= READ_ON * MAX_BYTES
        if length <= MAX_BYTES:
            body += message.get("body", b"")
        else:
            body.clear()
    if length > MAX_BYTES:
        raise Refusal(413, "request_too_large")
    return bytes(body)


async def _check_form(headers: Headers, body: bytes) -> None:
    """Raises Refusal unless the body is a whole form that has files alone, as Gradio expects them."""
    kind, options = parse_options_header(headers.get("content-type", ""))
    end = b"--" + options.get(b"boundary", b"") + b"--"
    if kind != b"multipart/form-data" or len(end) == 4 or not body.rstrip(b"\r\n").endswith(end):
        raise Refusal(400, "upload_form")

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(headers, stream(), max_files=MAX_FILES, max_fields=0)
    try:
        form = await parser.parse()
    except Exception:  # nothing but what was sent is looked at
        raise Refusal(400, "upload_form") from None
    sent = form.multi_items()
    await form.close()
    if any((getattr(file, "size", 0) or 0) > MAX_MEGABYTES * 2**20 for _, file in sent):
        raise Refusal(413, "request_too_large")
    if not sent or not all(name == "files" and _can_be_kept(file) for name, file in sent):
        raise Refusal(400, "upload_form")


def _can_be_kept(file: UploadFile | str) -> bool:
    """Whether it is a file, and Gradio finds a place for one of this name."""
    if isinstance(file, str):
        return False
    return strip_invalid_filename_characters(Path(file.filename or "").name) not in (".", "..")


def _readable(scope: Scope) -> Scope:
    """The request without a range that Gradio would stumble over."""
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name != b"range" or RANGE.match(value.decode("latin-1").strip())
    ]
    return {**scope, "headers": kept}


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body at once, and then whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
