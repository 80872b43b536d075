"""What settings do: captions tell what was applied, and a control that has no effect says why."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.ui.parts.link import LINK
from diffusion.ui.parts.streaming import PRIVATE
from diffusion.ui.text import labels


def guidance_words(scale: float) -> str:
    """For a caption: the guidance that was applied."""
    key = {0.0: "guidance_leaves_out", 1.0: "guidance_none"}.get(scale, "guidance_of")
    return labels()[key].format(scale=f"{scale:g}")


def take_from_link(offers: Any, view: str, controls: Mapping[str, Any]) -> None:
    """Let controls have what a link asks of them, once they offer what the chosen model has.

    Args:
        offers: the event that makes them offer it.
        view: their view's name in static/tabs/.
        controls: Gradio's components, by what the address calls them.
    """
    js = f"async () => {LINK}.offered({to_json([f'{view}.{name}' for name in controls])})"
    taken = offers.then(None, None, list(controls.values()), js=js, **PRIVATE)
    taken.then(None, None, None, js=f"async () => {{ {LINK}.ready('{view}'); }}", **PRIVATE)


def say_why(control: Any, watched: dict[str, Any], reasons: dict[str, str]) -> None:
    """While one of some conditions holds, tell in place of the control's info why it has no effect.

    The browser does it, from the first moment on and whenever what it depends on changes.

    Args:
        control: a Gradio component with an info.
        watched: the components that it depends on, by the names of their values in the conditions.
        reasons: the keys of the sentences, by JavaScript conditions; the first that holds is told.
    """
    otherwise = to_json(control.info)
    sentences = (f"({condition}) ? {to_json(labels()[key])}" for condition, key in reasons.items())
    info = " : ".join([*sentences, otherwise])
    js = f"({', '.join(watched)}) => ({{__type__: 'update', info: {info}}})"
    gr.on(None, None, list(watched.values()), control, js=js, **PRIVATE)  # at the start too
