"""The component of every tab: pictures on canvases that follow a slider without asking the server.

Markup, style and behaviour are files in static/. A tab's markup names texts as [[key]] and other markup
as [[file]], and a question as [[?name]]; all are filled in here, once, so that the browser gets a static
template.
"""

import base64
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from html import escape
from itertools import count
from typing import Any

import gradio as gr

from diffusion.ui.parts.inputs import answering
from diffusion.ui.parts.modules import ADDRESS, STATIC
from diffusion.ui.text import labels, language, prose, questions

# The next number of a name in a language, for threads too.
_numbers: defaultdict[tuple[str, str], Iterator[int]] = defaultdict(lambda: count(1))


class Scrubber(gr.HTML):
    """A tab's stage, transport, formulas and charts.

    Args:
        view: static/tabs/<view>.html is its markup, the module static/tabs/<view>.js its behaviour.
        value: the first message to the view, a dictionary, or the number that a control holds; a long
            message is fetched when the view is shown: `in_a_file`.
        server_functions: what the view may ask of Python, one object in, JSON out.
        parts: markup for further [[names]].
        controls: elem_ids of the Gradio components that belong to the view, by the names it knows.
        **options: Gradio's own, which it passes when it makes the component again for an update; and what the
            view's `props` hold besides.
    """

    def __init__(
        self,
        view: str,
        value: Any = None,
        server_functions: list[Callable] | None = None,
        parts: Mapping[str, str] | None = None,
        controls: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        elem_id = new_id(view)
        super().__init__(
            value,
            html_template=fill(static(f"tabs/{view}.html"), {"id": elem_id, **(parts or {})}),
            js_on_load=fill(static("on_load.js"), {"modules": ADDRESS, "view": view, "id": elem_id}),
            apply_default_css=False,
            server_functions=[answering(function) for function in server_functions or ()],
            controls=controls or {},
            elem_classes="scrubber",
            **options,
        )

    def get_block_name(self) -> str:
        return "html"

    def postprocess(self, value: Any) -> Any:
        """A message is JSON already, where gr.HTML expects text."""
        return value


def new_id(name: str) -> str:
    """An id that nothing else on a page has; the same thing has the same in each language."""
    return f"{name}-{next(_numbers[language(), name])}"


@lru_cache
def static(name: str) -> str:
    """A file of static/."""
    return (STATIC / name).read_text("utf-8")


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Put markup and texts in the place of every [[name]]: of `parts`, of lib/, or of the page's texts; and
    in that of every [[?name]] the "?" of a question."""

    def named(match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("?"):
            return question_mark(name[1:])
        if name in parts:
            return fill(parts[name], parts)
        if (STATIC / "lib" / f"{name}.html").exists():
            return fill(static(f"lib/{name}.html"), parts)
        return labels()[name]

    return re.sub(r"\[\[(\??\w+)\]\]", named, template)


def question_mark(name: str) -> str:
    """The button that opens the answer to a question; lib/questions.js makes those at Gradio's controls."""
    label = escape(labels()["question"].format(question=questions()[name]["question"]))
    how = f'aria-haspopup="dialog" aria-label="{label}"'
    return f'<button type="button" class="ask" data-question="{name}" {how}></button>'


def inline(name: str) -> str:
    """A Markdown text with nothing but emphasis, as HTML."""
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", prose(name))


def data_url(picture: bytes, media_type: str = "image/png") -> str:
    """A file's content as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(picture).decode()}"
