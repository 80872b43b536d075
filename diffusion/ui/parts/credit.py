"""Whose pictures a model was trained on: said beside all pictures where their licence asks for it."""

from diffusion.models.model import Model
from diffusion.ui.text import labels

ASKS = "CC BY"  # what the names of licences begin with that ask for the author's


def _asks(model: Model) -> bool:
    return bool(model.about.get("data")) and str(model.about.get("licence", "")).startswith(ASKS)


def source(model: Model) -> str:
    """What it was trained on, with author and licence where they are to be named; empty if nobody says."""
    data = str(model.about.get("data", ""))
    return f"{data}, {model.about['licence']}" if _asks(model) else data


def credit_of_drawn(model: Model) -> str:
    """A sentence for beside what it draws; empty if the licence asks for none."""
    return labels()["credit_of_drawn"].format(source=source(model)) if _asks(model) else ""


def credit_of_examples(model: Model) -> str:
    """The same for beside pictures of its data."""
    return labels()["credit_of_examples"].format(source=source(model)) if _asks(model) else ""
