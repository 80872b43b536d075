"""What the page fetches besides its scripts: films, pictures and words, each a file of its own.

A file's address tells its content, so that browsers ask for each once, and pages in two languages share what
they have in common.
"""

import json
from collections import defaultdict
from functools import cache
from hashlib import sha256
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from diffusion.data.grids import png_bytes
from diffusion.ui.parts.modules import CACHED
from diffusion.ui.text import labels, language, questions, speaking, symbols

FOLDER = "/files"
MEDIA_TYPES = {"json": "application/json", "png": "image/png", "webp": "image/webp"}
FILES: dict[str, bytes] = {}  # by name
PICTURES: dict[bytes, str] = {}  # their addresses, by their pixels' hash
FIRST: defaultdict[str, dict[str, str]] = defaultdict(dict)  # by language


def address_of(content: bytes, ending: str) -> str:
    """Where a page finds a file with this content, as seen from the page; `ending` is one of MEDIA_TYPES."""
    name = f"{sha256(content).hexdigest()[:24]}.{ending}"
    FILES[name] = content
    return f".{FOLDER}/{name}"


def address_of_picture(picture: Image.Image) -> str:
    """Where a page finds a picture that it is laid out with. It is compressed once for all languages."""
    pixels = sha256(f"{picture.mode} {picture.size}".encode() + picture.tobytes()).digest()
    if pixels not in PICTURES:
        PICTURES[pixels] = address_of(png_bytes(picture), "png")
    return PICTURES[pixels]


def in_a_file(value: Any) -> dict[str, str]:
    """Where a page finds a JSON value: {"file": address}; as a Scrubber's first message it stands for it."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return {"file": address_of(content, "json")}


def words() -> str:
    """The address of all that is said on the page, in the language that is spoken: its texts, what symbols
    say of themselves and what learners ask."""
    return _words(language())


@cache
def _words(code: str) -> str:
    with speaking(code):
        said = {"strings": labels(), "symbols": symbols(), "questions": questions()}
        return in_a_file(said)["file"]


def needs_first(address: str, kind: str) -> None:
    """Let the page in the language that is spoken ask for a file at once, as "fetch" or "image"."""
    FIRST[language()][address] = kind


def needed_first(code: str) -> dict[str, str]:
    """What the page in a language asks for at once: addresses, and as what."""
    with speaking(code):
        return {words(): "fetch"} | FIRST[code]


async def serve(request: Request) -> Response:
    """A file."""
    name = request.path_params["name"]
    if name not in FILES:
        return Response(status_code=404)
    return Response(FILES[name], media_type=MEDIA_TYPES[name.rpartition(".")[2]], headers=CACHED)


ROUTE = Route(FOLDER + "/{name}", serve)
