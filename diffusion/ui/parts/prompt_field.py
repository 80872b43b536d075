"""Fields for prompts, which tell how the chosen model will read what is typed; each model has its own."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.models.model import LatentModel
from diffusion.ui.parts import controls
from diffusion.ui.parts.emoji_names import listed
from diffusion.ui.parts.prompts import known_to_other, reader
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.session import SESSION
from diffusion.ui.parts.streaming import PRIVATE
from diffusion.ui.parts.text_models import TextModels
from diffusion.ui.text import labels, shown_name

Opening = Callable[[LatentModel], Any]  # what stands in a field at first


def prompt_field(
    models: TextModels, opening: Opening, key: str, offer: str | None = None, **options: Any
) -> gr.Textbox:
    """Lay out a field and the line below it.

    Args:
        models: which the prompt may be for.
        opening: what stands there at first.
        key: of the label in the page's texts.
        offer: the elem_id of the button of `each_its_own`, for words that another model alone knows.
        **options: a Textbox's.
    """

    def remarks(request: dict[str, Any]) -> dict[str, Any]:
        model, typed = models.named(request.get("model")), request.get("typed")
        return remarks_about(model, typed) | ({"offer": offer_of(models, model, typed)} if offer else {})

    value = opening(models.first)
    field = controls.prompt_box(value, key, **options)
    ids = {"offer": offer} if offer else None
    line = Scrubber("remarks", remarks_about(models.first, value), [remarks], controls=ids)
    changes = [field.change, models.choice.change]
    ask = "(typed, model) => ({typed, model})"
    gr.on(changes, None, [field, models.choice], line, js=ask, **PRIVATE)
    return field


def remarks_about(model: LatentModel, typed: Any) -> dict[str, Any]:
    """A message for the line: sentences about what was typed so far; none if there is nothing yet.

    Raises:
        InputError: it is no text.
    """
    prompt = reader(model).read(typed, unfinished=True)
    return {"remarks": " ".join(prompt.notes) if typed.strip() else ""}


def offer_of(models: TextModels, model: LatentModel, typed: Any) -> dict[str, str] | None:
    """The "model" that knows words of a prompt which the chosen one does not, and how it is offered: what is
    "said" of them, and on the "button". None if there is no such model. Raises as `remarks_about`."""
    text = labels()
    for other in models.models.values():
        if other is not model and (words := known_to_other(model, other, typed)):
            called = shown_name(other.name)
            said = text["offer_known"].format(words=listed(f"“{word}”" for word in words), model=called)
            return {"model": other.name, "said": said, "button": text["offer_take"].format(model=called)}
    return None


def each_its_own(
    models: TextModels, fields: Sequence[Any], openings: Sequence[Opening], offer: str | None = None
) -> list[gr.events.Dependency]:
    """Let each model have its own values in these fields: another one that is chosen brings those that stood
    there when it was left, or what it opens with.

    Args:
        models: to be chosen from.
        fields: the first is for the prompt.
        openings: what stands in each of them at first.
        offer: the elem_id of a button that is laid out, unseen: the model that it names takes this prompt.

    Returns:
        The events after which another model's values stand there.
    """
    key, chosen = f"own-{fields[0]._id}", models.choice
    note = f"async (model, ...values) => {{ {SESSION}.note(`{key} ${{model}}`, values); }}"
    gr.on([field.change for field in fields], None, [chosen, *fields], None, js=note, **PRIVATE)
    first = {name: [opening(model) for opening in openings] for name, model in models.models.items()}
    recall = f"async (model) => {SESSION}.noted(`{key} ${{model}}`) ?? ({to_json(first)})[model]"
    switched = [chosen.input(None, chosen, list(fields), js=recall, **PRIVATE)]
    if offer:
        taken = f"""async (typed) => {{
            const {{ model }} = document.getElementById('{offer}').dataset;
            return [model, typed, ...(await ({recall})(model)).slice(1)];
        }}"""
        button = gr.Button(visible="hidden", elem_id=offer)
        switched.append(button.click(None, fields[0], [chosen, *fields], js=taken, **PRIVATE))
    return switched
