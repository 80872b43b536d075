"""A field for a prompt, which tells of what is typed how the network will read it."""

from typing import Any

import gradio as gr

from diffusion.models.model import LatentModel
from diffusion.ui.parts import controls
from diffusion.ui.parts.prompts import PromptReader, reader
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import PRIVATE


def prompt_field(model: LatentModel, value: str, key: str, **options: Any) -> gr.Textbox:
    """Lay out a field and the line below it.

    Args:
        model: which the prompt is for.
        value: that stands there at first.
        key: of the label in the page's texts.
        **options: a Textbox's.
    """
    read = reader(model)

    def remarks(request: dict[str, Any]) -> dict[str, str]:
        return remarks_about(read, request.get("typed"))

    field = controls.prompt_box(value, key, **options)
    line = Scrubber("remarks", remarks_about(read, value), [remarks], words=("no_answer", "view_missing"))
    field.change(None, field, line, js="(typed) => ({typed})", **PRIVATE)
    return field


def remarks_about(read: PromptReader, typed: Any) -> dict[str, str]:
    """A message for the line: sentences about what was typed so far; none if there is nothing yet.

    Raises:
        InputError: it is no text.
    """
    prompt = read.read(typed, unfinished=True)
    return {"remarks": " ".join(prompt.notes) if typed.strip() else ""}
