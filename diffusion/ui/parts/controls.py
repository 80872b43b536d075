"""The layout of every tab, and the controls that several have."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from diffusion.samplers import SAMPLERS
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.parts.scrubber import Scrubber, fill, static
from diffusion.ui.text import labels


class Choice(gr.Dropdown):
    """A choice whose values change while a page is open, which only the page knows for sure: what it sends is
    passed on as it is, for the handler to check."""

    def get_block_name(self) -> str:
        return "dropdown"

    def preprocess(self, payload: Any) -> Any:
        return payload


@contextmanager
def workspace() -> Iterator[tuple[gr.Column, gr.Column, gr.Column]]:
    """The places for the pictures, for what draws them, and for the other controls.

    Where there is room they stand beside the pictures; else what draws stands above, and the others below.
    """
    with gr.Row(elem_classes="workspace"):
        actions = gr.Column(elem_classes="actions")
        yield gr.Column(elem_classes="stage-place"), actions, gr.Column(elem_classes="side")


def below(name: str) -> gr.HTML:
    """The place at a workspace's end for a part of a view (`putBelow` of lib/view.js), which is called so."""
    place = f'<div class="lab {name}"></div>'
    return gr.HTML(place, js_on_load=None, elem_classes="scrubber below", apply_default_css=False)


def film_scrubber(
    view: str,
    controls: dict[str, str] | None = None,
    server_functions: list[Callable] | None = None,
    code: str | None = None,
) -> Scrubber:
    """A Scrubber for the steps of a film; `code` is a template of code.py, the rest is as for a Scrubber."""
    text = labels()
    parts = {"slider": text["film_slider"], "position": text["film_position"]}
    return Scrubber(view, None, [animation, *(server_functions or ())], parts, controls, code=code)


def lead(text: str | None) -> gr.Markdown:
    """What a tab or a panel is for."""
    return gr.Markdown(text, container=False, elem_classes="lead")


def problem_line() -> gr.HTML:
    """The place for the sentence about what was refused: announced, and in sight when it comes."""
    return gr.HTML(
        html_template=static("lib/problem.html"),
        js_on_load=fill(static("on_problem.js"), {"modules": ADDRESS}),
        apply_default_css=False,
        elem_classes="problem-line",
    )


def start_and_stop(label: str, elem_id: str | None = None) -> tuple[gr.Button, gr.Button]:
    """The button that draws, which has this label, and the one that ends it."""
    with gr.Row():
        start = gr.Button(label, variant="primary", elem_id=elem_id, min_width=100)
        return start, gr.Button(labels()["stop"], min_width=100)


def prompt_box(value: str, key: str, **options: Any) -> gr.Textbox:
    """A place for a prompt; `key` is its label's in the page's texts, and the options are Gradio's."""
    return gr.Textbox(value, label=labels()[key], elem_classes="prompt", **options)


def steps_choice(view: str, most: int, value: int) -> Scrubber:
    """A view's number of steps from 1 to `most`; its slider goes in steps of about two."""
    series = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    choices = [*(number for number in series if number < most), most]
    parts = {"choices": " ".join(map(str, choices)), "most": str(most), "view": view}
    return Scrubber("steps", value, parts=parts)


def asks(question: str) -> list[str]:
    """The classes of a control at which the browser puts the "?" of a question."""
    return ["asks", f"asks-{question}"]


def guidance_slider(value: float, most: float = 10, info: str | None = None) -> gr.Slider:
    label = labels()["guidance"]
    return gr.Slider(0, most, value, step=0.1, label=label, info=info, elem_classes=asks("guidance"))


def seed_number(value: int = 0, key: str = "seed") -> gr.Number:
    """A seed; `key` is its label's. Without a range: Gradio would raise before a check can name it."""
    return gr.Number(value, label=labels()[key], min_width=100)


def sampler_choice(value: str = "dpm++2m") -> gr.Dropdown:
    text = labels()
    return gr.Dropdown(
        list(SAMPLERS),
        value=value,
        label=text["sampler"],
        info=text["sampler_info"],
        elem_classes=asks("fresh"),
    )
