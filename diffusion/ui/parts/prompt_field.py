"""Fields for prompts, which tell how the chosen model will read what is typed; each model has its own."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.models.model import LatentModel
from diffusion.ui.parts import controls
from diffusion.ui.parts.prompts import PromptReader, reader
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.session import SESSION
from diffusion.ui.parts.streaming import PRIVATE
from diffusion.ui.parts.text_models import TextModels

Opening = Callable[[LatentModel], Any]  # what stands in a field at first


def prompt_field(models: TextModels, opening: Opening, key: str, **options: Any) -> gr.Textbox:
    """Lay out a field and the line below it.

    Args:
        models: which the prompt may be for.
        opening: what stands there at first.
        key: of the label in the page's texts.
        **options: a Textbox's.
    """

    def remarks(request: dict[str, Any]) -> dict[str, str]:
        return remarks_about(reader(models.named(request.get("model"))), request.get("typed"))

    value = opening(models.first)
    field = controls.prompt_box(value, key, **options)
    first = remarks_about(reader(models.first), value)
    line = Scrubber("remarks", first, [remarks], words=("no_answer", "view_missing"))
    changes = [field.change, models.choice.change]
    ask = "(typed, model) => ({typed, model})"
    gr.on(changes, None, [field, models.choice], line, js=ask, **PRIVATE)
    return field


def remarks_about(read: PromptReader, typed: Any) -> dict[str, str]:
    """A message for the line: sentences about what was typed so far; none if there is nothing yet.

    Raises:
        InputError: it is no text.
    """
    prompt = read.read(typed, unfinished=True)
    return {"remarks": " ".join(prompt.notes) if typed.strip() else ""}


def each_its_own(
    models: TextModels, fields: Sequence[Any], openings: Sequence[Opening]
) -> gr.events.Dependency:
    """Let each model have its own values in these fields: another one that is chosen brings those that stood
    there when it was left, or what it opens with. Returns the event after which they stand there."""
    key, chosen = f"own-{fields[0]._id}", models.choice
    note = f"async (model, ...values) => {{ {SESSION}.note(`{key} ${{model}}`, values); }}"
    gr.on([field.change for field in fields], None, [chosen, *fields], None, js=note, **PRIVATE)
    first = {name: [opening(model) for opening in openings] for name, model in models.models.items()}
    recall = f"async (model) => {SESSION}.noted(`{key} ${{model}}`) ?? {to_json(first)}[model]"
    return chosen.input(None, chosen, list(fields), js=recall, **PRIVATE)
