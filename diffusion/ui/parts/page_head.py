"""What the page's head has before Gradio's: in the HTML itself, there when Gradio's scripts run.

The page is compressed: it brings films, a training history and pictures as base64, which is a third too long.
"""

import asyncio
import gzip

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffusion.ui.parts.modules import ADDRESS, MODULES
from diffusion.ui.text import LANGUAGE

PLACE = b"<script"  # before the first one
LEVEL = 6  # of compression: 9 takes half as long again for 0.1 % less


def head() -> str:
    """Styles, scripts that are needed at once, and all others, so that they come together.

    Gradio would take its own words, and the page's language, from the browser.
    """
    language = f'Object.defineProperty(navigator, "language", {{ value: "{LANGUAGE}" }});'
    styles = [
        f'<link rel="stylesheet" href=".{ADDRESS}/{name}">' for name in MODULES if name.endswith(".css")
    ]
    modules = [
        f'<link rel="modulepreload" href=".{ADDRESS}/{name}">' for name in MODULES if name.endswith(".js")
    ]
    page = f'<script type="module" src=".{ADDRESS}/lib/page.js"></script>'
    return "".join([f"<script>{language}</script>", *styles, page, *modules])


class PageHead:
    """Middleware that puts `head` into every HTML page that Gradio answers with, and compresses it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
                    whole = page.replace(PLACE, head().encode() + PLACE, 1)
                    await send_page(send, start, whole, takes_gzip(scope))

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
    headers.add_vary_header("Accept-Encoding")
    if with_gzip:
        page = await asyncio.to_thread(compressed, page)
        headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(page))
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": page})
