"""The panel for pipelines of the Hub: a real Stable Diffusion, filmed like the small one above it."""

import io
import itertools
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from diffusion.devices import best_device
from diffusion.pipelines.filming import PipelineFrame, PipelineRequest, film
from diffusion.pipelines.loading import MAX_CPU_PARAMETERS, PipelineCache
from diffusion.ui.parts import controls
from diffusion.ui.parts.effects import guidance_words, say_why
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, real_number, refusal, whole_number
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.streaming import Message, Planes, Row, film_id, per_step, stream_frames, wish
from diffusion.ui.text import in_each_language, labels

MAX_PIPELINE_STEPS, MAX_PIPELINE_CHARACTERS, MAX_NAME = 100, 2000, 300
DEFAULT_PIPELINE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
JPEG_QUALITY = 95
cache = PipelineCache()


def checked_pipeline_request(
    name: Any, prompt: Any, negative_prompt: Any, num_steps: Any, guidance_scale: Any, seed: Any
) -> tuple[str, PipelineRequest]:
    """A pipeline's name and what to draw, with every value checked.

    Raises:
        InputError: names the value and its allowed range.
    """
    name = short_text(name, "pipeline", MAX_NAME).strip()
    if not name:
        raise refusal("pipeline_missing")
    request = PipelineRequest(
        short_text(prompt, "prompt", MAX_PIPELINE_CHARACTERS),
        short_text(negative_prompt, "negative_prompt", MAX_PIPELINE_CHARACTERS),
        whole_number(num_steps, "num_steps", 1, MAX_PIPELINE_STEPS),
        real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE),
        whole_number(seed, "seed", 0, MAX_SEED),
    )
    return name, request


def short_text(value: Any, name: str, most: int) -> str:
    """`value` if it is text of no more than `most` characters; `name` is a parameter's name."""
    if isinstance(value, str) and len(value) <= most:
        return value
    raise refusal("must_be_short_text", name=labels()[f"name_{name}"], most=f"{most:,}")


def planes(frame: PipelineFrame) -> Planes:
    """A frame's latents, and its picture as a JPEG, a tenth of the pixels' own size."""
    buffer = io.BytesIO()
    Image.fromarray(frame.picture).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return {"latents": frame.latents, "jpeg": np.frombuffer(buffer.getvalue(), np.uint8)}


def film_info(name: str, request: PipelineRequest, first: PipelineFrame) -> dict[str, Any]:
    """What the page must know of a film before its first frame."""
    pipeline = cache.get(name)
    scheduler, guided = pipeline.scheduler, getattr(pipeline, "do_classifier_free_guidance", True)
    guidance_scale = request.guidance_scale if guided else 1.0

    def made() -> str:
        return labels()["pipeline_made"].format(
            name=name,
            kind=type(pipeline).__name__,
            scheduler=type(scheduler).__name__,
            steps="{steps}",
            guidance=guidance_words(guidance_scale),
            seed=request.seed,
        )

    height, width, _ = first.picture.shape
    return {
        "num_steps": first.num_steps,
        "num_timesteps": scheduler.config.get("num_train_timesteps", 1000),
        "image_shape": [height, width],
        "made": in_each_language(made),
        "per_step": per_step([guidance_scale]),
        "file": [name.rpartition("/")[2], f"seed{request.seed}", f"{first.num_steps}steps"],
    }


def film_messages(name: str, request: PipelineRequest) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages for the page: each step as it is made."""
    filmed = film(cache.get(name), request)
    try:
        first = next(filmed)
        frames = ((planes(drawn), row(drawn)) for drawn in itertools.chain([first], filmed))
        yield from stream_frames(film_id("pipeline"), film_info(name, request, first), frames)
    finally:
        filmed.close()


def load_and_draw(name: str, request: PipelineRequest) -> Iterator[Message]:
    """The same, after a word about what takes its time."""
    yield {"note": labels()["pipeline_loading"].format(name=name)}
    yield from film_messages(name, request)


def row(frame: PipelineFrame) -> Row:
    """A step's numbers; None for what came out."""
    if frame.k == frame.num_steps:
        return None
    return {key: getattr(frame, key) for key in ("t", "seconds", "predicted", "withheld")}


def settings() -> list[Any]:
    """Lay out what can be set, in the order in which `checked_pipeline_request` takes it."""
    text = labels()
    default = "" if best_device() == "cpu" else DEFAULT_PIPELINE  # which is too large for a CPU
    name = gr.Textbox(default, label=text["pipeline_name"], info=text["pipeline_name_info"])
    prompt = controls.prompt_box(text["pipeline_prompt"], "prompt", max_lines=3)
    negative = controls.prompt_box("", "negative_prompt")
    steps = controls.steps_choice("pipeline", MAX_PIPELINE_STEPS, 30)
    guidance = controls.guidance_slider(7.5, most=MAX_GUIDANCE)
    off = "guidance <= 1"
    say_why(guidance, {"guidance": guidance}, {off: "pipeline_guidance_off"})
    say_why(negative, {"guidance": guidance}, {off: "pipeline_negative_unused"})
    seed = controls.seed_number()
    told = {"name": name, "prompt": prompt, "negative": negative, "steps": steps}
    linked("pipeline", told | {"guidance": guidance, "seed": seed})
    return [name, prompt, negative, steps, guidance, seed]


def build() -> None:
    """Lay out the panel inside the current gr.Blocks."""
    text = labels()
    with gr.Column(elem_classes="pipeline-panel"):
        controls.lead(text["pipeline_lead"])
        if best_device() == "cpu":
            controls.lead(text["pipeline_no_gpu"].format(most=f"{MAX_CPU_PARAMETERS / 1e6:,.0f}"))
        with controls.workspace() as (stage, actions, side):
            with stage:
                scrubber = controls.film_scrubber("pipeline")
            with actions:
                start, stop = controls.start_and_stop(text["draw"])
                problem = controls.problem_line()
            with side:
                chosen = settings()
    name, prompt = chosen[:2]

    def messages(*sent: Any) -> Iterator[Message]:
        name, request = checked_pipeline_request(*sent)
        return load_and_draw(name, request)

    triggers = [start.click, prompt.submit, name.submit]
    wish(messages, triggers, chosen, [scrubber, problem], [stop])
