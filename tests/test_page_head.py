"""What stands in the page's head before Gradio's."""

import re

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.routing import Route
from web import serving

from diffusion.ui.parts.modules import ADDRESS, MODULES, ROUTE
from diffusion.ui.parts.page_head import PageHead, head
from diffusion.ui.text import LANGUAGE

PAGE = "<html><head><base href='./'><script>first</script></head><body><script>second</script></body></html>"


async def pieces():
    yield PAGE[:50]
    yield PAGE[50:]


def test_every_page_gets_it_once_and_nothing_else_does():
    routes = [
        ROUTE,
        Route("/", lambda request: HTMLResponse(PAGE)),
        Route("/pieces", lambda request: StreamingResponse(pieces(), media_type="text/html")),
        Route("/data", lambda request: JSONResponse({"page": PAGE})),
    ]
    with serving(Starlette(routes=routes, middleware=[Middleware(PageHead)])) as address:
        for path in ("/", "/pieces"):
            answer = httpx.get(address + path)
            assert answer.text == PAGE.replace("<script>first", head() + "<script>first")
            assert answer.headers["content-encoding"] == "gzip"
            assert int(answer.headers["content-length"]) == answer.num_bytes_downloaded
            plain = httpx.get(address + path, headers={"accept-encoding": "identity"})
            assert plain.text == answer.text and "content-encoding" not in plain.headers
            assert int(plain.headers["content-length"]) == len(plain.content)
            assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
        assert httpx.head(address).status_code == 200
        assert httpx.get(f"{address}/data").json() == {"page": PAGE}
        for name in re.findall(rf'href="\.{ADDRESS}/([^"]+\.css)"', head()):
            answer = httpx.get(f"{address}{ADDRESS}/{name}")
            assert answer.headers["content-type"].startswith("text/css") and answer.content == MODULES[name]


def test_it_names_the_language_all_styles_and_all_modules():
    assert head().startswith("<script>") and f'value: "{LANGUAGE}"' in head()
    for name in MODULES:
        assert head().count(f'"modulepreload" href=".{ADDRESS}/{name}"') == name.endswith(".js")
        assert head().count(f'"stylesheet" href=".{ADDRESS}/{name}"') == name.endswith(".css")
