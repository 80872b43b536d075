"""The Race tab: the same x_T walked by several samplers, in lanes that advance by network calls."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import gradio as gr

from diffusion.models.model import Model
from diffusion.ui.parts import controls, jump
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.another_model import model_choice
from diffusion.ui.parts.class_choice import (
    class_choice,
    classes_offered,
    follow_guidance,
    opening_guidance,
)
from diffusion.ui.parts.effects import say_why, take_from_link
from diffusion.ui.parts.line import asked_in_line
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.modules import imported
from diffusion.ui.parts.opened import model_named
from diffusion.ui.parts.race_messages import ETA, opening_messages, race_messages
from diffusion.ui.parts.race_presets import lanes_choice
from diffusion.ui.parts.race_request import LANES, MAX_RACE_IMAGES, checked_race_request
from diffusion.ui.parts.race_verdicts import judged_race
from diffusion.ui.parts.room_code import RACE_CODE
from diffusion.ui.parts.scrubber import Scrubber, fill, new_id, static
from diffusion.ui.parts.streaming import PRIVATE, Message, wish
from diffusion.ui.parts.students import student_of, without_students
from diffusion.ui.text import labels


def stage(models: Mapping[str, Model], ids: dict[str, str]) -> Scrubber:
    """The view: a tile and a curve for each lane."""
    text, lane = labels(), static("tabs/race_lane.html")
    keys = (f'<span class="key {name}">{escape(text[f"race_{name}"])}</span>' for name in LANES)
    parts = {
        "with_student": "with-student" if student_of(models, next(iter(models))) else "",
        "slider": text["race_slider"],
        "position": text["race_position"],
        "tiles": "".join(fill(lane, {"lane": name, "name": text[f"race_{name}"]}) for name in LANES),
        "keys": " ".join(keys),
    }
    return Scrubber("race", None, [animation, *asked_in_line(judged_race)], parts, ids, code=RACE_CODE)


def settings(models: Mapping[str, Model]) -> list[Any]:
    """Lay out what can be set, in the order in which `checked_race_request` takes it."""
    text, first = labels(), next(iter(models.values()))
    lanes = lanes_choice(models)
    model = model_choice(without_students(models), "race_checkpoint_info")
    label = class_choice(first)
    seed = controls.seed_number()
    with gr.Accordion(text["more"], open=False):
        images = gr.Slider(1, MAX_RACE_IMAGES, 1, step=1, label=text["race_images"])
        guidance = controls.guidance_slider(opening_guidance(first), info=text["guidance_info"])
        eta = gr.Slider(0, 1, ETA, step=0.05, label=text["race_eta"], info=text["race_eta_info"])
    told: dict[str, Any] = {"class": label, "images": images, "seed": seed, "model": model, "steps": lanes}
    offered = {"class": {name: classes_offered(each) for name, each in models.items()}}
    linked("race", told | {"guidance": guidance, "eta": eta}, offered)
    reasons = {"label === ''": "guidance_needs_class", "guidance === 0": "guidance_drops_class"}
    say_why(guidance, {"label": label, "guidance": guidance}, reasons)
    return [lanes, label, seed, images, model, guidance, eta]


def follow(models: Mapping[str, Model], label: Any, model: Any, guidance: Any) -> None:
    """Let controls offer what the chosen model has, and the guidance be its own."""

    def choice_of(name: Any, label: str) -> controls.Choice:
        return class_choice(model_named(models, name), label)

    presets = f"async (name) => {{ {imported('tabs/lanes.js')}.forModel(name); }}"
    model.change(None, model, None, js=presets, **PRIVATE)
    offers = model.change(choice_of, [model, label], label, **PRIVATE)
    take_from_link(offers, "race", {"class": label})
    follow_guidance(models, model, guidance)


def build(models: Mapping[str, Model]) -> Any:
    """Lay out the tab inside the current gr.Blocks.

    Args:
        models: by name.

    Returns:
        The choice of the model.
    """
    text, ids = labels(), {"start": new_id("race-start"), "opening": new_id("race-opening")}
    controls.lead(text["race_lead"])
    with controls.workspace() as (place, actions, side):
        with place:
            view = stage(models, ids)
        with actions:
            start, stop = controls.start_and_stop(text["race_start"], ids["start"])
            problem = controls.problem_line()
        with side:
            chosen = settings(models)
    opening = gr.Button(visible="hidden", elem_id=ids["opening"])
    _, label, seed, _, model, guidance, _ = chosen
    jump.build(models, [label, seed, model])

    def messages(*sent: Any) -> Iterator[Message]:
        request = checked_race_request(models, *sent)
        return race_messages(models[request.any.model], request)

    def opening_race() -> Iterator[Message]:
        return opening_messages(models)

    wish(messages, [start.click], chosen, [view, problem], [stop])
    wish(opening_race, [opening.click], [], [view, problem], [stop])
    follow(models, label, model, guidance)
    return model
