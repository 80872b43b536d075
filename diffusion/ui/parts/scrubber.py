"""The component of every tab: pictures on canvases that follow a slider without asking the server.

Markup, style and behaviour are files in static/. A tab's markup names texts as [[key]] and other markup
as [[file]]; both are filled in here, once, so that the browser gets a static template.
"""

import base64
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from diffusion.ui.parts.inputs import answering
from diffusion.ui.text import labels, prose

STATIC = Path(__file__).parents[1] / "static"


class Scrubber(gr.HTML):
    """A tab's stage, transport, formulas and charts.

    Args:
        view: static/<view>.html is its markup, Diffusion.views[<view>] in static/<view>.js its behaviour.
        value: the first message to the view.
        server_functions: what the view may ask of Python, one object in, JSON out.
        parts: markup for further [[names]].
        controls: the elem_id of each Gradio component that belongs to the view, by a name that the view knows.
        **options: Gradio's own, which it passes when it makes the component again for an update.
    """

    def __init__(
        self,
        view: str,
        value: dict[str, Any] | None = None,
        server_functions: list[Callable] | None = None,
        parts: dict[str, str] | None = None,
        controls: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            value,
            html_template=fill(
                static(f"tabs/{view}.html"), {"transport": static("lib/transport.html"), **(parts or {})}
            ),
            js_on_load=f'Diffusion.views["{view}"](element, props, watch, server);',
            apply_default_css=False,
            server_functions=[answering(function) for function in server_functions or ()],
            strings=labels(),
            controls=controls or {},
            elem_classes="scrubber",
            **options,
        )

    def get_block_name(self) -> str:
        return "html"

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return value


@lru_cache
def static(name: str) -> str:
    """A file of static/."""
    return (STATIC / name).read_text("utf-8")


def fill(template: str, parts: dict[str, str]) -> str:
    """Put markup and texts in the place of every [[name]]."""
    for name, markup in parts.items():
        template = template.replace(f"[[{name}]]", markup)
    return re.sub(r"\[\[(\w+)\]\]", lambda match: {**parts, **labels()}[match[1]], template)


def inline(name: str) -> str:
    """A Markdown text with nothing but emphasis, as HTML."""
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", prose(name))


def head() -> str:
    """The scripts of all views, for the page's head."""
    shared = ("lib/core.js", "lib/chart.js", "lib/transport.js")
    views = (
        "tabs/forward.js",
        "tabs/schedules.js",
        "tabs/reverse.js",
        "tabs/objective.js",
        "tabs/training.js",
        "tabs/trained.js",
        "tabs/text_to_image.js",
        "tabs/pipeline.js",
        "tabs/latent.js",
        "tabs/interpolation.js",
    )
    return "".join(f"<script>{static(name)}</script>" for name in shared + views)


def data_url(png: bytes) -> str:
    """A PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
