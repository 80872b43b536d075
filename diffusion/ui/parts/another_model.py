"""The field that opens another checkpoint, and the choice that then has it, for this visitor alone."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.models.model import STUDENT_CALLS, Model
from diffusion.nets.step_cost import num_parameters
from diffusion.pipelines.opening import Fetched
from diffusion.ui.parts import controls
from diffusion.ui.parts.controls import Choice
from diffusion.ui.parts.kept_films import secret_name
from diffusion.ui.parts.line import Line
from diffusion.ui.parts.link import LINK, linked_opening
from diffusion.ui.parts.modules import imported
from diffusion.ui.parts.opened import checked_name, on_a_space, opened
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import PRIVATE, Message, wish
from diffusion.ui.text import in_each_language, labels, shown_name

FETCHING = Line(longest=8)  # in a thread of its own: the networks work on meanwhile
TELL_SECONDS = 0.2  # between two words about how far it is
TO_TRY = "google/ddpm-cifar10-32"
PREDICTED = {"epsilon": "ε", "v": "v", "sample": "x_0"}  # in any language
OPENED = imported("lib/opened.js")


def model_choice(models: Mapping[str, Model], info: str = "checkpoint_info") -> Choice:
    """The choice between the page's models, of which the first is chosen, and those that are opened; `info`
    is the key of the text that says what for."""
    text = labels()
    return Choice(
        [(shown_name(name), name) for name in models],
        value=next(iter(models)),
        label=text["checkpoint"],
        info=text[info],
    )


def opening_messages(sent: Any) -> Iterator[Message]:
    """Open what was typed, and yield messages for the view: how far it is, and what it is in the end."""
    yield {"note": labels()["opening_looks"]}
    model = yield from _told(opened(checked_name(sent)))
    about = {"name": model.name, "said": in_each_language(lambda: what_it_is(model)), "id": secret_name()}
    yield {"opened": about}


def _told(steps: Generator[Fetched, None, Model]) -> Generator[Message, None, Model]:
    told_at = 0.0
    try:
        while True:
            fetched = next(steps)
            is_last = fetched.done == fetched.total
            if is_last or time.monotonic() - told_at > TELL_SECONDS:
                told_at = time.monotonic()
                yield {"fetched": fetched._asdict()}
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


def what_it_is(model: Model) -> str:
    """A model in a sentence; of a student another one, about the walks that it knows."""
    _, height, width = model.sample_shape
    text = labels()
    said = text["opened"].format(
        name=model.name,
        parameters=f"{num_parameters(model.net):,}",
        width=width,
        height=height,
        predicts=PREDICTED[model.prediction],
        schedule=shown_name(model.schedule_name),
        T=f"{model.schedule.num_timesteps:,}",
    )
    if model.teacher is None:
        return said
    taught = {"teacher": shown_name(model.teacher), "sampler": model.usual_walk[0]}
    return f"{said} {text['opened_student'].format(calls=', '.join(map(str, STUDENT_CALLS)), **taught)}"


def choose_alike(models: Sequence[Any]) -> None:
    """Let these choices, which are linked, follow each other: what is chosen by hand in one is chosen in all,
    and so is what a visitor opens."""

    def names(choices: Sequence[Any]) -> str:
        return to_json([choice.in_link["name"] for choice in choices])

    for model in models:
        linked_opening(model)
        others = [other for other in models if other is not model]
        js = f"async (name) => {LINK}.withChosen({names(others)}, name)"
        model.input(None, model, others, js=js, **PRIVATE)
    opened = gr.Button(visible="hidden", elem_classes="opened-checkpoint")
    opened.click(None, None, list(models), js=f"async () => {LINK}.withOpened({names(models)})", **PRIVATE)


def build(more: gr.Accordion) -> None:
    """Lay out the field inside the current gr.Blocks.

    Args:
        more: what the choice is folded in that gets what was opened: see `choose_alike`.
    """
    text = labels()
    has_diffusers = find_spec("diffusers") is not None
    lead = text["another_lead" if has_diffusers else "another_lead_ours"]
    with gr.Accordion(text["another_checkpoint"], open=False, elem_classes="another-checkpoint") as fold:
        controls.lead(lead)
        name = gr.Textbox(
            label=text["another_name"],
            info=text["another_name_info" if on_a_space() else "another_place_info"],
            placeholder=TO_TRY if has_diffusers else "user/name",
            max_lines=1,
        )
        if has_diffusers:
            example = gr.Button(TO_TRY, size="sm")
            example.click(None, None, name, js=f"() => '{TO_TRY}'", **PRIVATE)
        with gr.Row():
            start = gr.Button(text["open_it"], min_width=100)
            stop = gr.Button(text["stop"], min_width=100)
        view = Scrubber("checkpoint")
        problem = controls.problem_line()
    wish(
        opening_messages,
        [start.click, name.submit, _linked(name, [fold, more])],
        [name],
        [view, problem],
        [stop],
        line=FETCHING,
    )


def _linked(name: Any, folds: list[gr.Accordion]) -> Any:
    """The event of a checkpoint that a link names, which the page puts into the field."""
    asked = gr.Button(visible="hidden", elem_classes="open-linked")
    unfolded = ", ".join(["{ __type__: 'update', open: true }"] * len(folds))
    js = f"async () => [{OPENED}.asked(), {unfolded}]"
    return asked.click(None, None, [name, *folds], js=js, **PRIVATE).then
