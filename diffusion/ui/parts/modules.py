"""The page's JavaScript: ES modules at an address that changes with their content."""

from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC = Path(__file__).parents[1] / "static"
MODULES = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in sorted(STATIC.glob("*/*.js"))}
CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}


def address_of(modules: dict[str, bytes]) -> str:
    """The folder in which they are found; other texts are found in another one."""
    return f"/modules-{sha256(repr(modules).encode()).hexdigest()[:16]}"


ADDRESS = address_of(MODULES)


def preload() -> str:
    """Links for the page's head: views and what they import come together, not one after the other."""
    return "".join(f'<link rel="modulepreload" href=".{ADDRESS}/{name}">' for name in MODULES)


async def serve(request: Request) -> Response:
    """A module; its text is the one that the address was made of, whatever becomes of the file."""
    module = MODULES.get(request.path_params["name"])
    if module is None:
        return Response(status_code=404)
    return Response(module, media_type="text/javascript", headers=CACHED)


# With gr.set_static_paths browsers would ask for each file at every visit, and see the server's folders; a
# Mount of StaticFiles finds no file behind a path prefix.
ROUTE = Route(ADDRESS + "/{name:path}", serve)
