"""What the page's head has before Gradio's: in the HTML itself, there when Gradio's scripts run."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diffusion.ui.parts.modules import ADDRESS, MODULES
from diffusion.ui.text import LANGUAGE

PLACE = b"<script"  # before the first one


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
    """Middleware that puts `head` into every HTML page that Gradio answers with."""

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
                    await send_page(send, start, page.replace(PLACE, head().encode() + PLACE, 1))

        await self.app(scope, receive, forward)


def is_html(start: Message) -> bool:
    """Whether the response that begins with this message is an HTML page."""
    return dict(start["headers"]).get(b"content-type", b"").startswith(b"text/html")


async def send_page(send: Send, start: Message, page: bytes) -> None:
    """Send the page with its new length."""
    others = [header for header in start["headers"] if header[0] != b"content-length"]
    length = (b"content-length", str(len(page)).encode())
    await send({**start, "headers": [*others, length]})
    await send({"type": "http.response.body", "body": page})
