"""The Reverse tab: run the sampler, send every step to the page as it is made."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import torch

from diffusion.devices import best_device
from diffusion.films.film import KINDS, Film, final_frame, run_sampler, step_frame
from diffusion.models.model import Model
from diffusion.samplers import SAMPLERS
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.gpu import on_gpu
from diffusion.ui.parts.inputs import (
    MAX_FRAMES,
    MAX_GUIDANCE,
    MAX_IMAGES,
    MAX_SEED,
    MAX_STEPS,
    InputError,
    choice,
    real_number,
    refusal,
    whole_number,
)
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import Planes, Row, new_film_id, stream_frames, whole_film
from diffusion.ui.text import labels


def checked_settings(
    models: dict[str, Model],
    model: Any,
    seed: Any,
    sampler: Any,
    num_steps: Any,
    schedule: Any,
    class_label: Any,
    guidance_scale: Any,
    num_images: Any,
    eta: Any = 0.0,
) -> dict[str, Any]:
    """A request to sample, with every value checked.

    Args:
        models: by name.
        model, seed, …: as sent; schedule and class_label may be empty: the model's own, none.

    Raises:
        InputError: names the value and its allowed range.
    """
    chosen = models[choice(model, "model", models)]
    settings = {
        "model": chosen.name,
        "seed": whole_number(seed, "seed", 0, MAX_SEED),
        "sampler": choice(sampler, "sampler", SAMPLERS),
        "num_steps": whole_number(num_steps, "num_steps", 1, min(MAX_STEPS, chosen.schedule.num_timesteps)),
        "schedule": choice(schedule, "schedule", ["", *SCHEDULES]) or chosen.schedule_name,
        "class_label": choice(class_label, "class_label", ["", *(chosen.classes or ())]),
        "guidance_scale": real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE),
        "num_images": whole_number(num_images, "num_images", 1, MAX_IMAGES),
        "eta": real_number(eta, "eta", 0, 1),
    }
    if settings["num_steps"] * settings["num_images"] > MAX_FRAMES:
        raise refusal("too_many_frames", limit=f"{MAX_FRAMES:,}")
    return settings


@on_gpu
def trajectory(model: Model, settings: dict[str, Any]) -> Iterator[tuple[Planes, Row]]:
    """Every frame, a plane (B, H, W, C) for each of KINDS, with its table row, the last one with none.

    One call holds the device for the whole walk, and what it yields is NumPy's.
    """
    model.to(device := best_device())
    labels = None
    if settings["class_label"]:
        index = model.classes.index(settings["class_label"])
        labels = torch.full((settings["num_images"],), index, device=device)
    schedule = model.schedule
    if settings["schedule"] != model.schedule_name:
        schedule = SCHEDULES[settings["schedule"]](model.schedule.num_timesteps)
    passed_on = ("seed", "num_images", "num_steps", "sampler", "eta", "guidance_scale")
    for step, row in run_sampler(
        model, class_labels=labels, schedule=schedule, **{key: settings[key] for key in passed_on}
    ):
        yield dict(zip(KINDS, step_frame(step))), row
    yield dict(zip(KINDS, final_frame(step.x_s))), None


def film_info(model: Model, settings: dict[str, Any], label: str) -> dict[str, Any]:
    """What the page must know of a film before its first frame."""
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
    return {
        "num_steps": settings["num_steps"],
        "num_timesteps": model.schedule.num_timesteps,
        "made": made,
    }


def film_messages(model: Model, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Sample, and yield messages for the page."""
    text = labels()
    label = settings["class_label"]
    info = film_info(model, settings, text["class_of"].format(label=label) if label else text["no_class"])
    yield from stream_frames(new_film_id(model.name), info, trajectory(model, settings))


def shipped_message(model: Model, film: Film | None) -> dict[str, Any] | None:
    """The film that came with the checkpoint, whole."""
    if film is None:
        return None
    rows = [*film.info["steps"], None]
    info = film_info(model, film.info, labels()["each_class" if model.classes else "no_class"])
    frames = ((dict(zip(KINDS, frame)), row) for frame, row in zip(film.frames, rows))
    return whole_film(f"{model.name}-shipped", info, frames)


def build(models: dict[str, Model]) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    text = labels()
    first = next(iter(models.values()))

    def class_choices(model: Model) -> list[tuple[str, str]]:
        return [(text["none"], ""), *((name, name) for name in model.classes or ())]

    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=3, min_width=320):
            parts = {"slider": text["film_slider"], "position": text["film_position"]}
            scrubber = Scrubber("reverse", parts=parts)
        with gr.Column(scale=1, min_width=260, elem_classes="side"):
            with gr.Row():
                start = gr.Button(text["sample"], variant="primary", min_width=100)
                stop = gr.Button(text["stop"], min_width=100)
            problem = gr.Markdown(elem_classes="problem", container=False)
            label = gr.Dropdown(class_choices(first), value="", label=text["class"], info=text["class_info"])
            images = gr.Slider(1, MAX_IMAGES, 4, step=1, label=text["num_images"])
            steps = gr.Slider(1, MAX_STEPS, 20, step=1, label=text["num_steps"])
            sampler = gr.Dropdown(
                list(SAMPLERS), value="dpm++2m", label=text["sampler"], info=text["sampler_info"]
            )
            seed = gr.Number(0, label=text["seed"])
            with gr.Accordion(text["more"], open=False):
                model = gr.Dropdown(list(models), value=first.name, label=text["checkpoint"])
                schedules = [(text["own_schedule"], ""), *((text[name], name) for name in SCHEDULES)]
                schedule = gr.Dropdown(schedules, value="", label=text["schedule"])
                guidance = gr.Slider(0, 10, 1, step=0.1, label=text["guidance"], info=text["guidance_info"])
                eta = gr.Slider(0, 1, 0, step=0.05, label=text["eta"], info=text["eta_info"])

    def stream(*request: Any) -> Iterator[tuple[Any, str]]:
        try:
            settings = checked_settings(models, *request)
        except InputError as error:
            yield gr.skip(), str(error.message)
            return
        for message in film_messages(models[settings["model"]], settings):
            yield message, ""

    run = start.click(
        stream,
        [model, seed, sampler, steps, schedule, label, guidance, images, eta],
        [scrubber, problem],
        concurrency_id="model",
        concurrency_limit=1,
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(None, None, None, cancels=[run], api_visibility="private")
    model.change(
        lambda name: gr.Dropdown(class_choices(models[name]), value=""),
        model,
        label,
        show_progress="hidden",
        api_visibility="private",
    )
