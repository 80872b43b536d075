"""Students among the page's models: who learned from whom."""

from collections.abc import Mapping

from diffusion.models.model import Model


def student_of(models: Mapping[str, Model], name: str) -> Model | None:
    """The first of these models that learned from the one of this name, if one did."""
    return next((model for model in models.values() if model.teacher == name), None)


def without_students(models: Mapping[str, Model]) -> dict[str, Model]:
    """Those to choose: a student of another one has learned a few t alone, and is a lane of its race."""
    taught = {name for name in models if student_of(models, name)}
    return {name: model for name, model in models.items() if model.teacher not in taught}
