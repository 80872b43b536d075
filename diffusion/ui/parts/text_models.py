"""The models that are told by text, and which of them is chosen: for the tab and all that is in it."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from diffusion.models.model import LatentModel
from diffusion.ui.parts.inputs import choice
from diffusion.ui.text import Phrase, labels, shown_name


@dataclass(frozen=True, eq=False)
class TextModels:
    """The models by name, cats before others, and the control that says which one draws."""

    models: dict[str, LatentModel]
    choice: gr.Radio

    @property
    def first(self) -> LatentModel:
        """The one that the page opens with."""
        return next(iter(self.models.values()))

    def named(self, name: Any) -> LatentModel:
        """Raises InputError: there is no such model."""
        return self.models[choice(name, "model", self.models)]


def cats_first(models: dict[str, LatentModel]) -> dict[str, LatentModel]:
    """The models of cats, then the others, each in their order."""
    return dict(sorted(models.items(), key=lambda item: item[1].cats is None))


def choose_model(models: dict[str, LatentModel]) -> TextModels:
    """Lay out the choice between the models inside the current gr.Blocks; it is hidden if there is none."""
    models, text = cats_first(models), labels()
    chosen = gr.Radio(
        [(shown_name(name), name) for name in models],
        value=next(iter(models)),
        label=text["text_model"],
        visible=len(models) > 1,
        elem_classes="text-model",
    )
    return TextModels(models, chosen)


def words_for(model: LatentModel, key: str) -> Phrase:
    """The text of this key in the page's texts that is about what the model draws: cats, or emoji."""
    return labels()[f"{key}_{'emoji' if model.cats is None else 'cats'}"]
