"""How many steps the lanes of a race have: presets, and the control that sets them."""

from collections.abc import Mapping
from typing import Any

from diffusion.files import to_json
from diffusion.models.digit_judge import draws_digits
from diffusion.models.model import STUDENT_CALLS, Model
from diffusion.ui.parts.class_film import MAX_CLASS_STEPS
from diffusion.ui.parts.race_request import LANES, STUDENT
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.students import student_of
from diffusion.ui.text import labels

# Of each of LANES, in their order.
EQUAL_CALLS = [20, 20, 20, 20, 20, 4]
ONE_STEP = [1, 1, 1, 1, 1, 1]
FEWER = [0, 0, 1000, 0, 20, 4]
# What is about as good, by kind of model: docs/measurements.md. A student has all that it has learned.
EQUAL_QUALITY = {
    "cats": [50, 10, 20, 20, 20, 4],
    "digits": [20, 20, 10, 10, 5, 4],
    "others": [20, 20, 10, 10, 5, 4],
}
# How far 100 steps of the reference are from 1,000, as root mean squares: the median of seeds.
OWN_ERROR = {"cats": 0.005, "digits": 0.002}


def kind_of(model: Model) -> str:
    """A key of EQUAL_QUALITY."""
    return "cats" if model.cats is not None else "digits" if draws_digits(model) else "others"


def own_error(model: Model) -> str:
    """A sentence about how far the reference is from more steps; nothing where that was not measured."""
    error = OWN_ERROR.get(kind_of(model))
    return "" if error is None else labels()["race_own_error"].format(error=f"{error:.3f}")


def lanes_choice(models: Mapping[str, Model]) -> Scrubber:
    """The control: a list of numbers, one for each of LANES."""
    text, kinds = labels(), {name: kind_of(model) for name, model in models.items()}
    presets: dict[str, Any] = {
        "of": {
            kind: {"calls": EQUAL_CALLS, "quality": steps, "one": ONE_STEP, "fewer": FEWER}
            for kind, steps in EQUAL_QUALITY.items()
        },
        "models": kinds,
        "taught": [name for name in models if student_of(models, name)],
        "first": next(iter(models)),
    }
    field = '<label class="{lane}"><span class="key {lane}">{name}</span> <input type="number" {of}></label>'
    of = 'data-role="{lane}" min="0" max="{most}" step="1"'
    most = {name: max(STUDENT_CALLS) if name == STUDENT else MAX_CLASS_STEPS for name in LANES}
    fields = (field.format(lane=n, name=text[f"race_{n}"], of=of.format(lane=n, most=most[n])) for n in LANES)
    parts = {"fields": "".join(fields), "presets": to_json(presets)}
    return Scrubber("lanes", EQUAL_CALLS, parts=parts)
