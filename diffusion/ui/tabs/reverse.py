"""The Reverse tab: run the sampler, send every step to the page as it is made."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr

from diffusion.films.film import Film
from diffusion.models.model import Model
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts import another_model, controls
from diffusion.ui.parts.another_model import model_choice
from diffusion.ui.parts.class_choice import (
    class_choice,
    class_words,
    classes_offered,
    follow_guidance,
    opening_guidance,
)
from diffusion.ui.parts.class_film import (
    MAX_CLASS_STEPS,
    MAX_IMAGES,
    ClassRequest,
    checked_class_request,
    coded_frames,
    only_codes,
    sent_prediction,
    shares,
    shipped_frames,
    walk_info,
    walk_of,
)
from diffusion.ui.parts.code import CLASS_CODE, class_values
from diffusion.ui.parts.credit import credit_of_drawn
from diffusion.ui.parts.effects import guidance_words, say_why, take_from_link
from diffusion.ui.parts.line import asked_in_line
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.modules import imported
from diffusion.ui.parts.opened import model_named
from diffusion.ui.parts.scrubber import new_id
from diffusion.ui.parts.streaming import PRIVATE, film_id, per_step, stream_frames, whole_film, wish
from diffusion.ui.parts.variants import VARIANTS, WITHOUT_Z
from diffusion.ui.parts.verdicts import OPENING, judged_film, judged_later
from diffusion.ui.text import in_each_language, labels, shown_name


def film_info(
    model: Model, settings: Mapping[str, Any], indices: Sequence[int] | None, caption: str
) -> dict[str, Any]:
    """What the page must know of a film before its first frame.

    Args:
        model: that makes it.
        settings: a ClassRequest's, or what a shipped film tells of itself.
        indices: of the images' classes; None for no class.
        caption: the key of the text that says which film it is.
    """
    guidance = 1.0 if indices is None else settings["guidance_scale"]
    return {
        "num_steps": settings["num_steps"],
        "num_timesteps": model.schedule.num_timesteps,
        "guidance_scale": guidance,
        "caption": caption,
        "made": in_each_language(lambda: made(model, settings, indices, guidance)),
        "credit": in_each_language(lambda: credit_of_drawn(model)),
        "per_step": per_step([guidance]),
        **saved_as(model, settings, indices, guidance),
    }


def made(model: Model, settings: Mapping[str, Any], indices: Sequence[int] | None, guidance: float) -> str:
    """How a film was made, with a place for how many of its steps."""
    text, eta = labels(), settings.get("eta", 0)
    variant = text[f"with_{settings['variant']}"] if settings.get("variant") else ""
    return text["made"].format(
        count=settings["num_images"],
        model=shown_name(model.name),
        seed=settings["seed"],
        sampler=settings["sampler"] + (text["with_eta"].format(eta=f"{eta:g}") if eta else "") + variant,
        steps="{steps}",
        schedule=shown_name(settings["schedule"]),
        classes=class_words(model, indices),
        guidance=guidance_words(guidance),
    )


def saved_as(
    model: Model, settings: Mapping[str, Any], indices: Sequence[int] | None, guidance: float
) -> dict[str, Any]:
    """The words of a film's files, and what is to be filled in where its code has places."""
    as_they_are = ("seed", "sampler", "num_steps", "schedule", "num_images")
    values = class_values(
        model,
        indices=indices,
        guidance_scale=guidance,
        eta=settings.get("eta", 0),
        variant=settings.get("variant", ""),
        **{name: settings[name] for name in as_they_are},
    )
    words = [model.name, f"seed{settings['seed']}", settings["sampler"], f"{settings['num_steps']}steps"]
    return {"file": [*words, settings.get("variant", "")], "code": values}


def film_messages(model: Model, request: ClassRequest) -> Iterator[dict[str, Any]]:
    """Sample, and yield messages for the page."""
    info = film_info(model, asdict(request), request.classes_in(model.classes or ()), "film_on_show")
    channels, height, width = model.sample_shape
    shape = (request.num_images, height, width, channels)
    info |= walk_info(request.seed, shape, sent_prediction(request))
    info, frames = judged_later(model, info, coded_frames(model, request))
    return stream_frames(film_id(model.name), info, only_codes(frames))


def shipped_message(model: Model, film: Film) -> dict[str, Any]:
    """The film that came with the checkpoint, whole."""
    indices, known = film.info.get("class_labels"), range(len(model.classes or ()))
    fits = isinstance(indices, list) and all(index in known for index in indices)
    info = film_info(model, film.info, indices if fits else None, "opening")
    info, frames = judged_later(model, info, shipped_frames(film), OPENING)
    return whole_film(f"{model.name}-shipped", info | walk_of(film), only_codes(frames))


# ---- the layout ------------------------------------------------------------------------------------------


def schedule_choice(model: Model, wanted: str = "") -> controls.Choice:
    """The model's own schedule, or another: `wanted` if it is another."""
    text, values = labels(), schedules_offered(model)
    own = text["own_schedule"].format(name=shown_name(model.schedule_name))
    choices = [(text[value] if value else own, value) for value in values]
    return controls.Choice(choices, value=wanted if wanted in values else "", label=text["schedule"])


def schedules_offered(model: Model) -> list[str]:
    """What can be chosen: the model's own, "", or the name of another."""
    return ["", *(name for name in SCHEDULES if name != model.schedule_name)]


def variant_choice() -> gr.Dropdown:
    """How a lesson may change the walk."""
    text = labels()
    choices = [(text[f"variant_{name or 'none'}"], name) for name in VARIANTS]
    return gr.Dropdown(
        choices,
        value=VARIANTS[0],
        label=text["variant"],
        info=text["variant_info"],
        elem_classes=controls.asks("clipping"),
    )


def settings(models: Mapping[str, Model]) -> list[Any]:
    """Lay out what can be set, in the order in which `checked_class_request` takes it."""
    text = labels()
    first = next(iter(models.values()))
    label = class_choice(first)
    guidance = controls.guidance_slider(opening_guidance(first), info=text["guidance_info"])
    images = gr.Slider(1, MAX_IMAGES, 4, step=1, label=text["num_images"])
    its_sampler, its_steps = first.usual_walk
    steps = controls.steps_choice("reverse", MAX_CLASS_STEPS, its_steps)
    sampler = controls.sampler_choice(its_sampler)
    seed = controls.seed_number()
    with gr.Accordion(text["more"], open=False) as more:
        model = model_choice(models)
        schedule = schedule_choice(first)
        eta = gr.Slider(0, 1, 0, step=0.05, label=text["eta"], info=text["eta_info"])
        variant = variant_choice()
    reasons = {"label === ''": "guidance_needs_class", "guidance === 0": "guidance_drops_class"}
    offered = {
        "class": {name: classes_offered(each) for name, each in models.items()},
        "schedule": {name: schedules_offered(each) for name, each in models.items()},
    }
    told: dict[str, Any] = {"class": label, "images": images, "sampler": sampler, "seed": seed}
    told |= {"model": model, "steps": steps, "schedule": schedule, "guidance": guidance, "eta": eta}
    linked("reverse", told | {"variant": variant}, offered)
    another_model.build(more)
    say_why(guidance, {"label": label, "guidance": guidance}, reasons)
    say_why(eta, {"sampler": sampler}, {"sampler !== 'ddim'": "eta_needs_ddim"})
    silent = f"variant === '{WITHOUT_Z}' && sampler !== 'ddpm' && !(sampler === 'ddim' && eta > 0)"
    say_why(variant, {"variant": variant, "sampler": sampler, "eta": eta}, {silent: "variant_needs_z"})
    return [label, images, steps, sampler, seed, model, schedule, guidance, eta, variant]


def opening_button(is_there: bool, elem_id: str) -> gr.Button:
    """What shows the film again that plays before anything is sampled, if it is there."""
    return gr.Button(labels()["opening_film"], size="sm", elem_id=elem_id, visible=is_there)


def walk_to_try(changed: list[Any]) -> Callable[..., Any]:
    """The event of a walk that there is to try of a question, when the page has set these controls for it.

    They are in the order of NAMES in static/lib/walks.js.
    """
    set_up = gr.Button(visible="hidden", elem_classes="set-up")
    js = f"async (...values) => {imported('lib/walks.js')}.settings(values)"
    event: Callable[..., Any] = set_up.click(None, changed, changed, js=js, **PRIVATE).then
    return event


def follow(models: Mapping[str, Model], label: Any, schedule: Any, model: Any, guidance: Any) -> None:
    """Let controls offer what the chosen model has, and the guidance be its own."""

    def choices_of(name: Any, label: str, schedule: str) -> tuple[controls.Choice, controls.Choice]:
        network = model_named(models, name)
        return class_choice(network, label), schedule_choice(network, schedule)

    offers = model.change(choices_of, [model, label, schedule], [label, schedule], **PRIVATE)
    take_from_link(offers, "reverse", {"class": label, "schedule": schedule})
    follow_guidance(models, model, guidance)


def build(models: Mapping[str, Model], film: Film | None) -> Any:
    """Lay out the tab inside the current gr.Blocks.

    Args:
        models: by name.
        film: of the first, which plays before anything is sampled; None if it has none.

    Returns:
        The choice of the model.
    """
    text, ids = labels(), {"opening": new_id("opening"), "start": new_id("sample")}
    controls.lead(text["reverse_lead"])
    with controls.workspace() as (stage, actions, side):
        with stage:
            scrubber = controls.film_scrubber("reverse", ids, asked_in_line(judged_film), CLASS_CODE)
        with actions:
            start, stop = controls.start_and_stop(text["sample"], ids["start"])
            problem = controls.problem_line()
        with side:
            chosen = settings(models)
            opening = opening_button(film is not None, ids["opening"])
        controls.below("judged")
    label, images, _, sampler, _, model, schedule, guidance, _, variant = chosen

    def messages(*sent: Any) -> Iterator[dict[str, Any]]:
        request = checked_class_request(models, *sent)
        return film_messages(models[request.model], request)

    def shared_turn(*sent: Any) -> Hashable:
        return shares(checked_class_request(models, *sent))

    triggers = [start.click, walk_to_try([label, images, sampler, guidance, variant])]
    wish(messages, triggers, chosen, [scrubber, problem], [stop, opening], shared_turn)
    follow(models, label, schedule, model, guidance)
    return model
