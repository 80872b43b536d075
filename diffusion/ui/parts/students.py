"""Students among the page's models: who learned from whom."""

from collections.abc import Mapping

from diffusion.models.model import Model


def student_of(models: Mapping[str, Model], name: str) -> Model | None:
    """The first of these models that learned from the one of this name, if one did."""
    return next((model for model in models.values() if model.teacher == name), None)
