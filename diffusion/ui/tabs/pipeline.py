"""The panel for pipelines of the Hub: a real Stable Diffusion, filmed like the small one above it."""

import io
import itertools
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from diffusion.devices import best_device
from diffusion.hub import HubError
from diffusion.models.folder import CheckpointError
from diffusion.pipelines.filming import Drawing, Moment, film
from diffusion.pipelines.loading import MAX_CPU_PARAMETERS, PipelineError, Shelf, missing_packages
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, InputError, real_number, refusal, whole_number
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import Planes, new_film_id, stream_frames
from diffusion.ui.text import labels

MAX_STEPS, MAX_CHARACTERS, MAX_NAME = 100, 2000, 300
DEFAULT_PIPELINE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
JPEG_QUALITY = 95
shelf = Shelf()


def checked_request(
    name: Any, prompt: Any, negative_prompt: Any, num_steps: Any, guidance_scale: Any, seed: Any
) -> tuple[str, Drawing]:
    """A pipeline's name and what to draw, with every value checked.

    Raises:
        InputError: names the value and its allowed range.
    """
    name = short_text(name, "pipeline", MAX_NAME).strip()
    if not name:
        raise refusal("pipeline_missing")
    drawing = Drawing(
        short_text(prompt, "prompt", MAX_CHARACTERS),
        short_text(negative_prompt, "negative_prompt", MAX_CHARACTERS),
        whole_number(num_steps, "num_steps", 1, MAX_STEPS),
        real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE),
        whole_number(seed, "seed", 0, MAX_SEED),
    )
    return name, drawing


def short_text(value: Any, name: str, most: int) -> str:
    """`value` if it is text of no more than `most` characters; `name` is a parameter's name."""
    if isinstance(value, str) and len(value) <= most:
        return value
    raise refusal("must_be_short_text", name=labels()[f"name_{name}"], most=f"{most:,}")


def planes(moment: Moment) -> Planes:
    """A moment's latents, and its picture as a JPEG, a tenth of the pixels' own size."""
    buffer = io.BytesIO()
    Image.fromarray(moment.picture).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return {"latents": moment.latents, "jpeg": np.frombuffer(buffer.getvalue(), np.uint8)}


def film_info(name: str, drawing: Drawing, first: Moment) -> dict[str, Any]:
    """What the page must know of a film before its first frame."""
    scheduler = shelf.get(name).scheduler
    made = labels()["pipeline_made"].format(
        name=name,
        kind=type(shelf.get(name)).__name__,
        scheduler=type(scheduler).__name__,
        steps=drawing.num_steps,
        guidance=f"{drawing.guidance_scale:g}",
        seed=drawing.seed,
    )
    height, width, _ = first.picture.shape
    return {
        "num_steps": first.num_steps,
        "num_timesteps": scheduler.config.get("num_train_timesteps", 1000),
        "image_shape": [height, width],
        "made": made,
    }


def film_messages(name: str, drawing: Drawing) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages for the page: each step as it is made."""
    moments = film(shelf.get(name), drawing)
    try:
        first = next(moments)
        frames = ((planes(moment), row(moment)) for moment in itertools.chain([first], moments))
        yield from stream_frames(new_film_id("pipeline"), film_info(name, drawing, first), frames)
    finally:
        moments.close()


def row(moment: Moment) -> dict[str, Any] | None:
    """A step's numbers; None for what came out."""
    if moment.k == moment.num_steps:
        return None
    return {key: getattr(moment, key) for key in ("t", "seconds", "predicted", "withheld")}


def build() -> None:
    """Lay out the panel inside the current gr.Blocks."""
    text = labels()
    with gr.Accordion(text["pipeline"], open=False, elem_classes="pipeline-panel"):
        gr.Markdown(text["pipeline_lead"], container=False, elem_classes="lead")
        if best_device() == "cpu":
            most = f"{MAX_CPU_PARAMETERS / 1e6:,.0f}"
            gr.Markdown(text["pipeline_no_gpu"].format(most=most), container=False, elem_classes="lead")
        with gr.Row(elem_classes="workspace"):
            with gr.Column(scale=3, min_width=320):
                parts = {"slider": text["film_slider"], "position": text["film_position"]}
                scrubber = Scrubber("pipeline", parts=parts)
            with gr.Column(scale=1, min_width=260, elem_classes="side"):
                with gr.Row():
                    start = gr.Button(text["draw"], variant="primary", min_width=100)
                    stop = gr.Button(text["stop"], min_width=100)
                status = gr.Markdown(container=False, elem_classes="lead")
                problem = gr.Markdown(missing_packages() or "", elem_classes="problem", container=False)
                name = gr.Textbox(
                    DEFAULT_PIPELINE, label=text["pipeline_name"], info=text["pipeline_name_info"]
                )
                prompt = gr.Textbox(
                    text["pipeline_prompt"], label=text["prompt"], max_lines=3, elem_classes="prompt"
                )
                negative = gr.Textbox("", label=text["negative_prompt"], elem_classes="prompt")
                steps = gr.Slider(1, MAX_STEPS, 30, step=1, label=text["num_steps"])
                guidance = gr.Slider(0, MAX_GUIDANCE, 7.5, step=0.1, label=text["guidance"])
                seed = gr.Number(0, label=text["seed"])

    def stream(*request: Any) -> Iterator[tuple[Any, str, str]]:
        try:
            name, drawing = checked_request(*request)
            yield gr.skip(), "", text["pipeline_loading"].format(name=name)
            for message in film_messages(name, drawing):
                yield message, "", ""
        except InputError as error:
            yield gr.skip(), str(error.message), ""
        except (PipelineError, HubError, CheckpointError) as error:
            yield gr.skip(), str(error), ""

    asked = gr.on(
        [start.click, prompt.submit, name.submit],
        stream,
        [name, prompt, negative, steps, guidance, seed],
        [scrubber, problem, status],
        concurrency_id="model",
        concurrency_limit=1,
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(lambda: "", None, status, cancels=[asked], show_progress="hidden", api_visibility="private")
