"""Whose pictures a model was trained on: said beside all pictures where their licence asks for it."""

from typing import Any

from diffusion.models.model import Model
from diffusion.models.terms import other_data
from diffusion.ui.text import labels, shown_name

ASKS = ("CC BY", "cc-by")  # what the names of licences begin with that ask for the author's; the Hub's too


def _asks(about: dict[str, Any]) -> bool:
    return bool(about.get("data")) and str(about.get("licence", "")).startswith(ASKS)


def _named(about: dict[str, Any]) -> str:
    data = shown_name(str(about.get("data", "")))
    return f"{data}, {about['licence']}" if _asks(about) else data


def source(model: Model) -> str:
    """What it was trained on, with author and licence where they are to be named; empty if nobody says."""
    return _named(model.about)


def credit_of_drawn(model: Model) -> str:
    """What is said beside what it draws; empty if no licence asks for it."""
    own = labels()["credit_of_drawn"].format(source=source(model)) if _asks(model.about) else ""
    return f"{own} {credit_of_begun(model)}".strip()


def credit_of_begun(model: Model) -> str:
    """A sentence about what other data the weights were trained on that it began with; empty likewise."""
    others = "; ".join(_named(each) for each in other_data(model) if _asks(each))
    return labels()["credit_of_begun"].format(source=others) if others else ""


def credit_of_examples(model: Model) -> str:
    """A sentence for beside pictures of its own data; empty likewise."""
    return labels()["credit_of_examples"].format(source=source(model)) if _asks(model.about) else ""
