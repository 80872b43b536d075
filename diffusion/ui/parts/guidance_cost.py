"""What guidance buys and costs, as two curves below its slider, where that was measured."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.films.quality_curves import cost_of_guidance
from diffusion.models.model import Model
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import PRIVATE


def guidance_cost(models: Mapping[str, Model], model: Any, guidance: gr.Slider) -> None:
    """Lay out the curves; nothing is shown of a model that has none.

    Args:
        models: by name.
        model: the control that has the name of the one that draws.
        guidance: the slider whose place is marked.
    """
    curves = {name: rows for name, each in models.items() if (rows := cost_of_guidance(each.folder))}
    if not curves:
        return
    first = {"rows": curves.get(model.value, []), "guidance": guidance.value}
    view = Scrubber("guidance_cost", first, parts={"most": f"{guidance.maximum:g}"})
    js = f"(model, guidance) => ({{rows: {to_json(curves)}[model] ?? [], guidance}})"
    gr.on(None, None, [model, guidance], view, js=js, **PRIVATE)  # at the start too
