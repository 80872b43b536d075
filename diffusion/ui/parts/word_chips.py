"""Words to be clicked together: a chip for every name of a cat's parts, by kind, in the page's language."""

from typing import Any

from diffusion.data.cat_words import JOINED, cat_names
from diffusion.data.cats import KINDS
from diffusion.models.model import LatentModel
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.text import labels, language


def word_chips(model: LatentModel, prompt_id: str) -> Scrubber:
    """Lay out the chips for a model, which write into the field with this elem_id."""
    return Scrubber("words", known_words(model), controls={"prompt": prompt_id})


def known_words(model: LatentModel) -> dict[str, Any]:
    """A message: of each of the "kinds" what it is "called", and its "names": as which "things" and "traits"
    each can be written, and with which "verbs" Korean has it, JOINED last. There are none for a model that is
    not of cats."""
    kinds: list[dict[str, Any]] = [{"called": labels()[f"part_{kind}"], "names": []} for kind in KINDS]
    for name in cat_names():
        verbs = [name.verb, JOINED[name.verb]] if name.verb else []
        forms = {"things": name.things[language()], "traits": name.traits[language()]}
        kinds[name.kind]["names"].append(forms | {"verbs": verbs})
    return {"kinds": kinds if model.cats else []}
