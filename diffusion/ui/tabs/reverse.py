"""The Reverse tab: run the sampler, send every step to the page as it is made."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import gradio as gr

from diffusion.films.film import Film
from diffusion.models.model import Model
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts import controls
from diffusion.ui.parts.class_film import (
    MAX_CLASS_STEPS,
    MAX_IMAGES,
    ClassRequest,
    as_planes,
    checked_class_request,
    class_frames,
)
from diffusion.ui.parts.scrubber import new_id
from diffusion.ui.parts.streaming import (
    ONE_AT_A_TIME,
    PRIVATE,
    stream_frames,
    whole_film,
    with_refusals,
)
from diffusion.ui.text import labels


def film_info(model: Model, settings: Mapping[str, Any], label: str) -> dict[str, Any]:
    """What the page must know of a film before its first frame.

    Args:
        model: that makes it.
        settings: a ClassRequest's, or what a shipped film tells of itself.
        label: whose pictures it shows, in words.
    """
    made = labels()["made"].format(
        count=settings["num_images"],
        model=model.name,
        seed=settings["seed"],
        sampler=settings["sampler"],
        steps=settings["num_steps"],
        schedule=settings["schedule"],
        label=label,
        guidance=f"{settings['guidance_scale']:g}",
    )
    return {"num_steps": settings["num_steps"], "num_timesteps": model.schedule.num_timesteps, "made": made}


def film_messages(model: Model, request: ClassRequest) -> Iterator[dict[str, Any]]:
    """Sample, and yield messages for the page."""
    text, name = labels(), request.class_label
    info = film_info(
        model, asdict(request), text["class_of"].format(label=name) if name else text["no_class"]
    )
    return stream_frames(new_id(model.name), info, class_frames(model, request))


def shipped_message(model: Model, film: Film) -> dict[str, Any]:
    """The film that came with the checkpoint, whole."""
    info = film_info(model, film.info, labels()["each_class" if model.classes else "no_class"])
    frames = zip(map(as_planes, film.frames), [*film.info["steps"], None])
    return whole_film(f"{model.name}-shipped", info, frames)


# ---- the layout ------------------------------------------------------------------------------------------


def class_choices(model: Model) -> list[tuple[str, str]]:
    return [(labels()["none"], ""), *((name, name) for name in model.classes or ())]


def settings(models: dict[str, Model]) -> list[Any]:
    """Lay out what can be set, in the order in which `checked_class_request` takes it."""
    text = labels()
    first = next(iter(models.values()))
    label = gr.Dropdown(class_choices(first), value="", label=text["class"], info=text["class_info"])
    images = gr.Slider(1, MAX_IMAGES, 4, step=1, label=text["num_images"])
    steps = controls.steps_slider(MAX_CLASS_STEPS, 20)
    sampler = controls.sampler_choice()
    seed = controls.seed_number()
    with gr.Accordion(text["more"], open=False):
        model = gr.Dropdown(list(models), value=first.name, label=text["checkpoint"])
        schedules = [(text["own_schedule"], ""), *((text[name], name) for name in SCHEDULES)]
        schedule = gr.Dropdown(schedules, value="", label=text["schedule"])
        guidance = controls.guidance_slider(1, info=text["guidance_info"])
        eta = gr.Slider(0, 1, 0, step=0.05, label=text["eta"], info=text["eta_info"])
    return [label, images, steps, sampler, seed, model, schedule, guidance, eta]


def build(models: dict[str, Model]) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    text = labels()
    with controls.workspace() as (stage, side):
        with stage:
            scrubber = controls.film_scrubber("reverse")
        with side:
            start, stop = controls.start_and_stop(text["sample"])
            problem = controls.problem_line()
            chosen = settings(models)
    label, model = chosen[0], chosen[5]

    def messages(*sent: Any) -> Iterator[dict[str, Any]]:
        request = checked_class_request(models, *sent)
        return film_messages(models[request.model], request)

    def classes_of(name: str) -> gr.Dropdown:
        return gr.Dropdown(class_choices(models[name]), value="")

    run = start.click(with_refusals(messages), chosen, [scrubber, problem], **ONE_AT_A_TIME, **PRIVATE)
    stop.click(None, None, None, cancels=[run], **PRIVATE)
    model.change(classes_of, model, label, **PRIVATE)
