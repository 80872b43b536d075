"""The page's scripts and styles: at an address that changes with their content."""

import posixpath
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC = Path(__file__).parents[1] / "static"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}
STYLE = "style.css"  # all of static/style/ in one file
MODULES = {
    path.relative_to(STATIC).as_posix(): path.read_bytes() for path in sorted(STATIC.glob("*/*.js"))
} | {STYLE: b"\n".join(path.read_bytes() for path in sorted(STATIC.glob("style/*.css")))}
IMPORT = re.compile(r'^import (?:[^";]* from )?"(\.[^"]*)";$', re.MULTILINE)
CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}


def address_of(modules: dict[str, bytes]) -> str:
    """The folder in which they are found; other texts are found in another one."""
    return f"/modules-{sha256(repr(modules).encode()).hexdigest()[:16]}"


ADDRESS = address_of(MODULES)


def imports_of(name: str) -> list[str]:
    """The modules that a module imports itself."""
    folder, found = posixpath.dirname(name), IMPORT.findall(MODULES[name].decode())
    return [posixpath.normpath(posixpath.join(folder, each)) for each in found]


def needed_by(names: Iterable[str]) -> list[str]:
    """These modules and all that they import, each once, in their order."""
    needed, new = set[str](), set(names)
    while new:
        needed |= new
        new = {each for name in new for each in imports_of(name)} - needed
    return [name for name in MODULES if name in needed]


def imported(name: str) -> str:
    """JavaScript for what a module, such as "lib/link.js", exports; for an asynchronous function."""
    return f"(await import(window.gradio_config.root + '{ADDRESS}/{name}'))"


async def serve(request: Request) -> Response:
    """A file; its text is the one that the address was made of, whatever becomes of the file."""
    name = request.path_params["name"]
    if name not in MODULES:
        return Response(status_code=404)
    return Response(MODULES[name], media_type=MEDIA_TYPES[Path(name).suffix], headers=CACHED)


# With gr.set_static_paths browsers would ask for each file at every visit, and see the server's folders; a
# Mount of StaticFiles finds no file behind a path prefix.
ROUTE = Route(ADDRESS + "/{name:path}", serve)
