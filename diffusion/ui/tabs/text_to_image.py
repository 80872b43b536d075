"""The tab Text to image: a prompt becomes a picture, and each step shows what the network reads and sees."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from diffusion.films.emoji_atlas import Atlas
from diffusion.films.grids import png_bytes
from diffusion.films.samples import PROMPT_GUIDANCE
from diffusion.models.model import Model
from diffusion.samplers import SAMPLERS
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.prompt_film import (
    DEFAULT_STEPS,
    MAX_PROMPT_STEPS,
    Drawing,
    Moment,
    checked_drawing,
    nearest,
    trajectory,
)
from diffusion.ui.parts.prompts import reader
from diffusion.ui.parts.scrubber import Scrubber, data_url, new_id
from diffusion.ui.parts.streaming import Planes, Row, film_message, new_film_id, stream_frames
from diffusion.ui.text import labels

PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}


def film_info(model: Model, drawing: Drawing) -> dict[str, Any]:
    """What the page must know of a film before its first frame."""
    made = labels()["drawn_by"].format(
        model=model.name, seed=drawing.seed, sampler=drawing.sampler, steps=drawing.num_steps
    )
    variants = [
        {
            "tokens": [asdict(token) for token in variant.prompt.tokens],
            "text": variant.prompt.text,
            "notes": variant.prompt.notes,
            "guidance_scale": variant.guidance_scale,
            "negative": variant.negative.text,
        }
        for variant in drawing.variants
    ]
    return {
        "variants": variants,
        "num_steps": drawing.num_steps,
        "num_timesteps": model.schedule.num_timesteps,
        "made": made,
    }


def planes_of(index: int, latent: np.ndarray, pictures: np.ndarray, attention: np.ndarray) -> Planes:
    """What is shown of a variant, see `Moment`; `index` is its number."""
    kinds = ("decoded", "with", "without", "sketch") if len(pictures) > 2 else ("decoded", "sketch")
    planes = {"latent": latent, **dict(zip(kinds, pictures)), "attention": attention}
    return {f"{index}.{name}": plane for name, plane in planes.items()}


def empty_planes(model: Model, drawing: Drawing) -> Planes:
    """Zeros in the shapes of every frame."""
    _, *size = model.sample_shape
    channels, height, width = model.image_shape
    planes = {}
    for i, variant in enumerate(drawing.variants):
        pictures = np.zeros((2 if variant.guidance_scale == 1 else 4, height, width, channels), np.uint8)
        attention = np.zeros((len(variant.prompt.tokens), *size), np.uint8)
        planes |= planes_of(i, np.zeros(model.sample_shape, np.uint8), pictures, attention)
    return planes


def frames(moments: Iterator[tuple[Moment, ...]], results: list[np.ndarray]) -> Iterator[tuple[Planes, Row]]:
    """Steps with a table row; at the end, the pictures are in `results`.

    The row is the first variant's, and tells what 255 stands for in each one's attention.
    """
    for together in moments:
        planes: Planes = {}
        for i, moment in enumerate(together):
            planes |= planes_of(i, moment.latent, moment.pictures, moment.attention)
        row = together[0].row
        yield planes, row and {**row, "attention_max": [m.attention_max for m in together]}
    results += [m.pictures[0] for m in together]


def film_messages(model: Model, drawing: Drawing) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages: the tokens, each step as it is made, at last the nearest emoji."""
    film, info = new_film_id(model.name), film_info(model, drawing)
    message = film_message(film, info, [], empty_planes(model, drawing))
    yield message
    results: list[np.ndarray] = []
    for message in stream_frames(film, info, frames(trajectory(model, drawing), results)):
        yield message
    atlas = reader(model).atlas
    yield message | {"nearest": [with_pictures(atlas, nearest(atlas, result)) for result in results]}


def with_pictures(atlas: Atlas | None, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """What `nearest` found, with the pictures as addresses that hold them."""
    if found is None:
        return None
    urls = [data_url(png_bytes(Image.fromarray(atlas.pictures[each["index"]]))) for each in found["nearest"]]
    return found | {"nearest": [each | {"picture": url} for each, url in zip(found["nearest"], urls)]}


def examples(model: Model) -> tuple[list[list[str]], list[str]]:
    """Prompts to try, for gr.Dataset: samples, and labels that mark what was never seen together."""
    prompts = labels()["prompt_examples"].split("|")
    held_out = reader(model).held_out_names
    mark = labels()["never_together"]
    return [[p] for p in prompts], [f"{p} {mark}" if p.lower() in held_out else p for p in prompts]


def ask(model: Model, draw: str) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.Dataset]:
    """Lay out the prompt, Draw, whose elem_id is `draw`, and Stop, and the examples."""
    text = labels()
    samples, sample_labels = examples(model)
    shape = " × ".join(map(str, model.sample_shape))
    lead = text["text_to_image_lead"].format(shape=shape)
    gr.Markdown(lead, container=False, elem_classes="lead")
    with gr.Row():
        first = samples[0][0]
        prompt = gr.Textbox(
            first, label=text["prompt"], max_lines=3, scale=4, min_width=240, elem_classes="prompt"
        )
        with gr.Column(scale=1, min_width=240), gr.Row():
            start = gr.Button(text["draw"], variant="primary", elem_id=draw, min_width=100)
            stop = gr.Button(text["stop"], min_width=100)
    pick = gr.Dataset(
        components=[prompt],
        samples=samples,
        sample_labels=sample_labels,
        samples_per_page=len(samples),
        layout="gallery",
        label=text["prompt_try"],
        elem_classes="prompt-examples",
    )
    return prompt, start, stop, pick


def settings() -> tuple[gr.Textbox, gr.Number, gr.Slider, gr.Slider, gr.Dropdown, gr.Textbox, gr.Number]:
    """Lay out the controls beside the stage, in the order in which `checked_drawing` takes their values."""
    text = labels()
    info = text["prompt_guidance_info"]
    guidance = gr.Slider(0, 10, PROMPT_GUIDANCE, step=0.1, label=text["guidance"], info=info)
    steps = gr.Slider(1, MAX_PROMPT_STEPS, DEFAULT_STEPS, step=1, label=text["num_steps"])
    # Numbers with a range of their own would raise before `checked_drawing` can name it.
    seed = gr.Number(0, label=text["seed"])
    with gr.Accordion(text["compare"], open=False):
        info = text["compare_info"]
        second_prompt = gr.Textbox("", label=text["second_prompt"], info=info, elem_classes="prompt")
        second_guidance = gr.Number(None, label=text["second_guidance"])
    with gr.Accordion(text["more"], open=False):
        info = text["negative_prompt_info"]
        negative = gr.Textbox("", label=text["negative_prompt"], info=info, elem_classes="prompt")
        sampler = gr.Dropdown(
            list(SAMPLERS), value="dpm++2m", label=text["sampler"], info=text["sampler_info"]
        )
    return negative, seed, steps, guidance, sampler, second_prompt, second_guidance


def build(model: Model) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    text, draw = labels(), new_id("draw")
    prompt, start, stop, pick = ask(model, draw)
    problem = gr.Markdown(elem_classes="problem", container=False)
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=3, min_width=320):
            parts = {"slider": text["film_slider"], "position": text["film_position"]}
            scrubber = Scrubber("text_to_image", parts=parts, controls={"draw": draw})
        with gr.Column(scale=1, min_width=260, elem_classes="side"):
            chosen = settings()

    def stream(*request: Any) -> Iterator[tuple[Any, str]]:
        try:
            drawing = checked_drawing(model, *request)
        except InputError as error:
            yield gr.skip(), str(error.message)
            return
        for message in film_messages(model, drawing):
            yield message, ""

    how = {"concurrency_id": "model", "concurrency_limit": 1, **PRIVATE}
    request, shown = [prompt, *chosen], [scrubber, problem]
    fields = [prompt, *(field for field in chosen if isinstance(field, gr.Textbox))]
    triggers = [start.click, *(field.submit for field in fields)]
    # Asked again while it draws, it draws that next.
    asked = gr.on(triggers, stream, request, shown, trigger_mode="always_last", **how)
    picked = pick.click(lambda sample: sample[0], pick, prompt, **PRIVATE).then(stream, request, shown, **how)
    stop.click(None, None, None, cancels=[asked, picked], api_visibility="private")
