"""The choice of the class to draw, and the guidance that a kind of model is shown with."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from diffusion.models.model import Model
from diffusion.ui.parts import controls
from diffusion.ui.parts.class_film import EACH
from diffusion.ui.parts.opened import model_named
from diffusion.ui.parts.streaming import PRIVATE
from diffusion.ui.text import labels, shown_name

# What a tab opens with, which draws well.
CLASS_GUIDANCE = 1.5  # of four digits without class and guidance, one is none
CAT_GUIDANCE = 1.0  # no more cats are sharp at 1.5 … 3, and each step costs twice: docs/cats.md


def class_choice(model: Model, wanted: str = "") -> controls.Choice:
    """Which class to draw, `wanted` if the model has it; called by what classes are for this model."""
    text, classes = labels(), model.classes or ()
    names = {"": text["any_accessory" if model.cats else "none"]}
    names |= {} if EACH in classes else {EACH: text["each_another"]}
    info = "accessory_info" if model.cats else "class_info" if classes else "no_classes"
    return controls.Choice(
        [(names.get(value) or shown_name(value), value) for value in classes_offered(model)],
        value=wanted if wanted in classes else opening_class(model),
        label=text["accessory" if model.cats else "class"],
        info=text[info],
        elem_classes=controls.asks("null_class"),
    )


def opening_class(model: Model) -> str:
    """What is chosen at first: each another, if it has classes."""
    return EACH if model.classes else ""


def classes_offered(model: Model) -> list[str]:
    """What can be chosen: each another, one, or none."""
    classes = model.classes or ()
    return [*([EACH] if classes and EACH not in classes else []), *classes, ""]


def opening_guidance(model: Model) -> float:
    """The guidance that this kind of model is shown with."""
    return CAT_GUIDANCE if model.cats else CLASS_GUIDANCE


def class_words(model: Model, indices: Sequence[int] | None) -> str:
    """In words, which classes the images are of."""
    text, classes = labels(), model.classes or ()
    if indices is None:
        return text["no_accessory" if model.cats else "no_class"]
    chosen = sorted(set(indices))
    if len(chosen) == len(classes) > 1:
        return text["each_accessory" if model.cats else "each_class"]
    names = ", ".join(shown_name(classes[i]) for i in chosen)
    if model.cats:
        return text["accessories_of"].format(names=names)
    return text["class_of" if len(chosen) == 1 else "classes_of"].format(names=names)


def follow_guidance(models: Mapping[str, Model], model: Any, guidance: Any) -> None:
    """Let a guidance that nobody has changed be that of the model, whenever it is chosen by hand: a page that
    comes back keeps its own."""
    model.input(partial(guidance_of, models), [model, guidance], guidance, **PRIVATE)


def guidance_of(models: Mapping[str, Model], name: Any, chosen: float) -> float:
    """The guidance for the model of this name: what was chosen, or its own if nobody has changed that."""
    untouched = chosen in (CLASS_GUIDANCE, CAT_GUIDANCE)
    return opening_guidance(model_named(models, name)) if untouched else chosen
