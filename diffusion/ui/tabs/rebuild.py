"""The tab Your picture: a picture is ruined and rebuilt, from one t and from several."""

from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr

from diffusion.films.training_history import History
from diffusion.models.model import Model
from diffusion.ui.parts import code_panels, controls
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.another_model import model_choice
from diffusion.ui.parts.credit import credit_of_drawn, credit_of_examples
from diffusion.ui.parts.effects import take_from_link
from diffusion.ui.parts.example_pictures import photo, preset_pictures
from diffusion.ui.parts.files import in_a_file
from diffusion.ui.parts.line import asked_in_line
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.model_pictures import as_example, examples_of, history_of, note_of
from diffusion.ui.parts.modules import imported
from diffusion.ui.parts.opened import PixelModels, model_named
from diffusion.ui.parts.own_picture import open_picture, picture_row
from diffusion.ui.parts.rebuilding import (
    MAX_REBUILD_STEPS,
    NUM_NOISES,
    Rebuild,
    checked_rebuild,
    grey_levels_off,
    levels,
    likeness,
    rebuilt_frames,
    rebuilt_levels,
)
from diffusion.ui.parts.room_code import LEVELS_CODE, REBUILD_CODE, rebuild_values
from diffusion.ui.parts.scrubber import Scrubber, new_id
from diffusion.ui.parts.streaming import (
    PRIVATE,
    Frame,
    film_id,
    film_message,
    paced,
    per_step,
    stream_frames,
    wish,
)
from diffusion.ui.text import in_each_language, labels, shown_name

NUM_STEPS = 12  # at first
MOST_EXAMPLES = 5  # of a model's own kind, so that all pictures stand in one row
DIGITS = 6  # of ᾱ_t as the page gets it
UNLIKE = ("cat", "spiral")  # of the preset pictures, those offered to networks that do not know them


# ---- what the page must know of a model ------------------------------------------------------------------


def about(models: Mapping[str, Model], model: Model) -> dict[str, Any]:
    """What the views must know of a model before anything is rebuilt: the pictures to try it on among it."""
    channels, height, width = model.sample_shape
    history = examples_for(models, model)
    own = examples_of(model, history)[:MOST_EXAMPLES] if history else []
    others = [as_example(model, preset_pictures()[name], labels()[name]) for name in UNLIKE]
    if picture := photo():
        others.append(as_example(model, picture, labels()["photo"]))
    table = model.schedule.alphas_cumprod.tolist()
    return {
        "model": model.name,
        "image_shape": [height, width, channels],
        "alphas_cumprod": [float(f"{alpha_bar:.{DIGITS}g}") for alpha_bar in table],
        "examples": [example | {"note": note_of(history) if history else ""} for example in own]
        + [example | {"note": ""} for example in others],
        "credit": credit_of_examples(model) if own else "",
        "count": len(own),
    }


def examples_for(models: Mapping[str, Model], model: Model) -> History | None:
    """Its own history, or that of another model of the page that was trained on the same data."""
    if history := history_of(model):
        return history
    data = model.about.get("data")
    alike = [
        m for m in models.values() if data and m.about.get("data") == data and m.classes == model.classes
    ]
    found = (history_of(other) for other in alike if other.sample_shape == model.sample_shape)
    return next((history for history in found if history is not None), None)


# ---- messages --------------------------------------------------------------------------------------------


def film_info(model: Model, request: Rebuild) -> dict[str, Any]:
    """What the page must know of a walk from the chosen t before its first frame."""
    channels, height, width = model.sample_shape
    alpha_bar = model.schedule.alphas_cumprod[request.start].item()
    return {
        "num_steps": request.steps_from(request.start),
        "num_timesteps": model.schedule.num_timesteps,
        "caption": "film_on_show",
        "made": in_each_language(lambda: made(model, request, str(request.start))),
        "credit": in_each_language(lambda: credit_of_drawn(model)),
        "per_step": per_step([1.0]),
        "walk": {
            "seed": request.seed,
            "shape": [NUM_NOISES, height, width, channels],
            "sent": None,
            "start": {"picture": request.picture, "t": request.start, "alphas_cumprod": alpha_bar},
        },
        "file": ["rebuilt", model.name, f"t{request.start}", f"seed{request.seed}", request.sampler],
        "code": rebuild_values(model, request),
    }


def made(model: Model, request: Rebuild, start: str) -> str:
    """How pictures were rebuilt, in a sentence with a place for the steps."""
    text = labels()
    label = shown_name(request.class_label)
    return text["rebuild_made"].format(
        count=NUM_NOISES,
        seed=request.seed,
        t=start,
        model=shown_name(model.name),
        sampler=request.sampler,
        steps="{steps}",
        classes=text["class_of"].format(names=label) if label else text["no_class"],
    )


def film_messages(model: Model, request: Rebuild) -> Iterator[dict[str, Any]]:
    """Rebuild from the chosen t, and yield messages for the page."""
    return stream_frames(film_id(model.name), film_info(model, request), rebuilt_frames(model, request))


def levels_messages(model: Model, request: Rebuild) -> Iterator[dict[str, Any]]:
    """Rebuild from several t, and yield messages: a frame for each, again and again as it clears up.

    Each repeats the level that was finished last, so that none is lost when two arrive together.
    """
    starts = levels(model.schedule.num_timesteps)
    info = {
        "columns": starts,
        "num_timesteps": model.schedule.num_timesteps,
        "picture": request.picture,
        "made": in_each_language(lambda: made(model, request, "{t}")),
        "num_steps": request.num_steps,
        "per_step": per_step([1.0]),
        "file": ["levels", model.name, f"seed{request.seed}", request.sampler],
        "code": rebuild_values(model, request) | {"levels": repr(starts)},
    }
    film, before = film_id(model.name), list[Frame]()
    for k, pictures, finished, calls in paced(rebuilt_levels(model, request), lambda look: look[2]):
        row = {"t": starts[k], "finished": finished, "off": grey_levels_off(pictures, request.x_0)}
        frame = Frame(k, {"pictures": pictures}, row)
        yield film_message(film, info, [*before, frame]) | {"calls": calls}
        if finished:
            before = [frame]


# ---- the layout ------------------------------------------------------------------------------------------


def class_choice(model: Model, wanted: str = "") -> controls.Choice:
    """Which class to rebuild as, `wanted` if the model has it."""
    text, classes = labels(), model.classes or ()
    none = text["any_accessory" if model.cats else "none"]
    return controls.Choice(
        [(none, ""), *((shown_name(name), name) for name in classes)],
        value=wanted if wanted in classes else "",
        label=text["accessory" if model.cats else "class"],
        info=text["rebuild_class_info" if classes else "no_classes"],
    )


def settings(models: PixelModels) -> list[Any]:
    """Lay out what can be set, in the order in which `checked_rebuild` takes it after the picture."""
    text, first = labels(), next(iter(models.values()))
    model = model_choice(models, "rebuild_checkpoint_info")
    label = class_choice(first)
    steps = controls.steps_choice("rebuild", MAX_REBUILD_STEPS, NUM_STEPS)
    with gr.Accordion(text["more"], open=False):
        sampler, seed = controls.sampler_choice(), controls.seed_number()
    offered = {"class": {name: ["", *(each.classes or ())] for name, each in models.items()}}
    told = {"model": model, "class": label, "steps": steps, "sampler": sampler, "seed": seed}
    linked("rebuild", told, offered)
    js = f"async (seed) => {{ {imported('lib/subject.js')}.setSeed(seed); }}"
    seed.change(None, seed, None, js=js, **PRIVATE)
    return [model, label, steps, sampler, seed]


def follow(models: PixelModels, model: Any, label: Any, view: Scrubber) -> None:
    """Let the view and the classes be those of the chosen model."""

    def of_model(name: Any, chosen: str) -> tuple[dict[str, Any], controls.Choice]:
        network = model_named(models, name)
        return gr.update(value=about(models, network)), class_choice(network, chosen)

    offers = model.change(of_model, [model, label], [view, label], **PRIVATE)
    take_from_link(offers, "rebuild", {"class": label})


def build_film(models: PixelModels, sent: Scrubber) -> list[Any]:
    """Lay out the room's first part: a picture, ruined and rebuilt. Returns what it is sent with."""
    text, ids, first = labels(), {"start": new_id("rebuild-start")}, next(iter(models.values()))
    row = picture_row(text["rebuild_pictures"])
    parts = {"slider": text["film_slider"], "position": text["film_position"], **row}

    def judge(request: dict[str, Any]) -> dict[str, Any]:
        return likeness(model_named(models, request.get("model", first.name)), request)

    with controls.workspace() as (stage, actions, side):
        with stage:
            questions = [*asked_in_line(judge), open_picture, animation]
            view = Scrubber(
                "rebuild", in_a_file(about(models, first)), questions, parts, ids, code=REBUILD_CODE
            )
        with actions:
            start, stop = controls.start_and_stop(text["rebuild"], ids["start"])
            problem = controls.problem_line()
        with side:
            chosen = settings(models)

    def messages(*values: Any) -> Iterator[dict[str, Any]]:
        request = checked_rebuild(models, *values)
        return film_messages(models[request.model], request)

    wish(messages, [start.click], [sent, *chosen], [view, problem], [stop])
    follow(models, chosen[0], chosen[1], view)
    return chosen


def build_levels(models: PixelModels, inputs: list[Any]) -> None:
    """Lay out the second part: the same picture, rebuilt from several t."""
    text, ids = labels(), {"start": new_id("levels-start")}
    code_panels.title("levels")
    with controls.workspace() as (stage, actions, _):
        with stage:
            view = Scrubber("levels", controls=ids, code=LEVELS_CODE)
        with actions:
            start, stop = controls.start_and_stop(text["levels"], ids["start"])
            problem = controls.problem_line()

    def messages(*values: Any) -> Iterator[dict[str, Any]]:
        request = checked_rebuild(models, *values)
        return levels_messages(models[request.model], request)

    wish(messages, [start.click], inputs, [view, problem], [stop])


def build(models: Mapping[str, Model]) -> Any:
    """Lay out the tab inside the current gr.Blocks.

    Args:
        models: by name.

    Returns:
        The choice of the model.
    """
    pixel_models = models if isinstance(models, PixelModels) else PixelModels(models)
    controls.lead(labels()["rebuild_lead"])
    sent = Scrubber("sent", {"picture": 0}, parts={"name": "subject"})
    chosen = build_film(pixel_models, sent)
    build_levels(pixel_models, [sent, *chosen])
    code_panels.build(pixel_models, chosen[0], sent)
    return chosen[0]
