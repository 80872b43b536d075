"""What settings do: captions tell what was applied, and a control that has no effect says why."""

from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.ui.parts.streaming import PRIVATE
from diffusion.ui.text import labels


def guidance_words(scale: float) -> str:
    """For a caption: the guidance that was applied."""
    key = {0.0: "guidance_leaves_out", 1.0: "guidance_none"}.get(scale, "guidance_of")
    return labels()[key].format(scale=f"{scale:g}")


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
