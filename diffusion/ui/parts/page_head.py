"""In which language the page is, and what its head has before Gradio's, there when Gradio's scripts run.

The page is compressed, which Gradio leaves out.
"""

import asyncio
import gzip
import re

from gradio.route_utils import API_PREFIX
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffusion.ui.parts.files import needed_first
from diffusion.ui.parts.modules import ADDRESS, MODULES, STYLE, needed_by
from diffusion.ui.text import DEFAULT, LANGUAGES

VARIES = "Accept-Encoding, Accept-Language, Cookie"
PLACE = b"<script"  # before the first one
# RFC 9110: a language, and how welcome it is.
ACCEPTED = re.compile(r"([A-Za-z]+)[^,;]*(?:;\s*q=(\d(?:\.\d+)?))?")
FIRST = needed_by(("lib/page.js", "lib/inputs.js", "tabs/hero.js", "tabs/forward.js", "tabs/lessons.js"))
# As those ask that get it in the end, or it would come twice.
CROSSORIGIN = {"fetch": ' crossorigin="anonymous"', "image": ""}
LEVEL = 6  # of compression: 9 takes half as long again for 0.1 % less


def head(code: str) -> str:
    """The style, and what the first picture needs: scripts, texts, itself; so that all of it comes together,
    beside Gradio's own. The other scripts come after it: lib/state.js asks for them.

    Gradio would take its own words, and the page's language, from the browser.
    """
    language = f'document.documentElement.lang = "{code}";'
    language += f'Object.defineProperty(navigator, "language", {{ value: "{code}" }});'
    style = f'<link rel="stylesheet" href=".{ADDRESS}/{STYLE}">'
    scripts = [name for name in MODULES if name.endswith(".js")]
    when = {name: "modulepreload" if name in FIRST else "later" for name in scripts}
    modules = [
        f'<link rel="{rel}" fetchpriority="low" href=".{ADDRESS}/{name}">' for name, rel in when.items()
    ]
    files = [
        f'<link rel="preload" as="{kind}"{CROSSORIGIN[kind]} fetchpriority="low" href="{address}">'
        for address, kind in needed_first(code).items()
    ]
    page = f'<script type="module" src=".{ADDRESS}/lib/page.js"></script>'
    return "".join([f"<script>{language}</script>", style, page, *files, *modules])


def wanted_language(request: Request) -> str:
    """The code of what a request's address names, else of what was chosen, else the browser's first."""
    accepted = ACCEPTED.findall(request.headers.get("accept-language", ""))
    accepted.sort(key=lambda each: -float(each[1] or 1))
    codes = [
        request.query_params.get("lang"),
        request.cookies.get("language"),
        *(code.lower() for code, _ in accepted),
    ]
    return next((code for code in codes if code in LANGUAGES), DEFAULT)


def languages(scope: Scope) -> tuple[str, str]:
    """The language of the page that a request is for, and that of the page that it should be for.

    The page of DEFAULT has the root as its address, the others their codes; who comes to one of these wants
    it, unless the address says otherwise.
    """
    if scope["type"] != "http":
        return DEFAULT, DEFAULT
    request = Request(scope)
    place = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
    here = DEFAULT if place not in LANGUAGES else place
    if place and (here == DEFAULT or request.query_params.get("lang") not in LANGUAGES):
        return here, here
    return here, wanted_language(request)


def address_in(code: str) -> str:
    """That of the page in a language, as seen from all others."""
    return "./" if code == DEFAULT else f"./{code}"


class PageHead:
    """Middleware that leads to the page in the visitor's language, puts `head` into every HTML page that
    Gradio answers with, and compresses it. What is below Gradio's API is no page of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if API_PREFIX in scope.get("path", ""):
            await self.app(scope, receive, send)
            return
        code, wanted = languages(scope)
        if wanted != code:
            address = f"{address_in(wanted)}?{scope['query_string'].decode('latin-1')}".rstrip("?")
            await RedirectResponse(address, headers={"Vary": VARIES})(scope, receive, send)
            return
        start: Message | None = None  # of a page, held back until its length is known
        page = b""

        async def forward(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start" and is_html(message):
                start = message
            elif start is None:
                await send(message)
            else:
                page += message.get("body", b"")
                if not message.get("more_body"):
                    whole = page.replace(PLACE, head(code).encode() + PLACE, 1)
                    await send_page(send, start, whole, takes_gzip(scope))
                    scope["app"].get_blocks().when_shown()

        await self.app(scope, receive, forward)


def is_html(start: Message) -> bool:
    """Whether the response that begins with this message is an HTML page."""
    return dict(start["headers"]).get(b"content-type", b"").startswith(b"text/html")


def takes_gzip(scope: Scope) -> bool:
    """Whether the request that this is about may be answered with gzipped bytes."""
    return "gzip" in Headers(scope=scope).get("accept-encoding", "")


def compressed(page: bytes) -> bytes:
    """As it travels: the same bytes for the same page."""
    return gzip.compress(page, LEVEL, mtime=0)


async def send_page(send: Send, start: Message, page: bytes, with_gzip: bool) -> None:
    """Send the page with its new length."""
    headers = MutableHeaders(raw=list(start["headers"]))
    headers.add_vary_header(VARIES)
    if with_gzip:
        page = await asyncio.to_thread(compressed, page)
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(page))
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": page})
