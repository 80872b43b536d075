"""The public endpoints, for `gradio_client` and plain HTTP. Everything else on the page is private."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from functools import partial, wraps
from typing import Any, TypeVar, cast

import gradio as gr
import numpy as np
import torch
from gradio.components.api_component import Api
from gradio.utils import get_function_description
from PIL import Image

from diffusion.data.grids import image_grid
from diffusion.data.images import centre_crop, to_uint8
from diffusion.films.samples import EMOJI_GUIDANCE
from diffusion.models.model import LatentModel, Model
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.class_film import (
    checked_class_request,
    class_frames,
)
from diffusion.ui.parts.example_pictures import SIZE
from diffusion.ui.parts.inputs import (
    MAX_SEED,
    choice,
    refusal,
    uploaded_picture,
    whole_number,
)
from diffusion.ui.parts.line import LINE
from diffusion.ui.parts.nearest_emoji import nearest
from diffusion.ui.parts.noised_picture import MAX_TIMESTEPS, MIN_TIMESTEPS, corrupt_picture
from diffusion.ui.parts.prompt_film import prompt_frames
from diffusion.ui.parts.prompt_request import (
    DEFAULT_STEPS,
    PromptRequest,
    checked_prompt_request,
)
from diffusion.ui.parts.prompts import reader
from diffusion.ui.parts.requests import LastArgument
from diffusion.ui.parts.streaming import IN_LINE, Concurrency

T = TypeVar("T")

# What the endpoints are described by is what Gradio reads of a docstring: a description, and a line for each
# argument. Here are those that depend on the models.
DENOISE = """Sample a trained network from a seed.

Returns a PNG grid of the images, and a JSON object with the settings that were applied, notes about those
that could not be, and one entry per step: t, s, snr, the update's weights and the seconds it took.

Args:
    model: one of {models}
    seed: whole number, 0 to 4294967295
    sampler: ddpm, ddim or dpm++2m
    num_steps: 1 to 1000
    schedule: linear, cosine, or empty for the checkpoint's own
    class_label: a class's name, * for each image another one, or empty for none
    guidance_scale: 0 to 20, 1 is off
    num_images: 1 to 16; steps times images at most 4000
"""
TEXT_TO_IMAGE = """Draw a prompt.

Returns a PNG, of several pictures a grid, and a JSON object with the settings, notes about the prompts, its
tokens (known: in the vocabulary; seen: the word is in a caption that was trained on), the real emoji nearest
to the first picture (held_out: never trained on; null if the model is not of emoji), and one entry per step.

Args:
    prompt: what to draw, at most 500 characters; empty leaves it to the network
    negative_prompt: what guidance leads away from, or empty
    seed: whole number, 0 to 4294967295
    num_steps: 1 to 100
    guidance_scale: 0 to 20, 1 is off
    sampler: ddpm, ddim or dpm++2m
    model: one of {models}
    num_images: 1 to 4
"""


class PictureFile(gr.File):
    """A file input that hands the path on, for the handler to open."""

    def get_block_name(self) -> str:
        return "file"

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None


Described = Callable[[str], gr.components.Component]  # an endpoint's parameter, once its description is known


def value(default: Any, kind: str, form: type[Api] = Api) -> Described:
    """A parameter that is passed on as it was sent, for the handler to check."""
    return lambda told: form(default, {"type": kind, "description": told}, label=told)


def picture_file() -> Described:
    return lambda told: PictureFile(visible=False, label=told)


def png_output() -> gr.Image:
    return gr.Image(format="png", visible=False)


def corrupt(image: str | None, t: Any, schedule: Any, seed: Any) -> Image.Image:
    """Noise a picture: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, as the Forward tab shows it. Returns x_t as a PNG.

    Args:
        image: a picture file; its middle is cropped and scaled to 256×256
        t: whole number, 0 to 1000
        schedule: linear or cosine
        seed: whole number, 0 to 4294967295, of ε
    """
    t = whole_number(t, "t", 0, MAX_TIMESTEPS)
    schedule = choice(schedule, "schedule", SCHEDULES)
    seed = whole_number(seed, "seed", 0, MAX_SEED)
    if image is None:
        raise refusal("picture_missing")
    return corrupt_picture(centre_crop(uploaded_picture(image), SIZE), t, schedule, seed)


def schedule_table(schedule: Any, num_timesteps: Any) -> dict[str, list[float | None]]:
    """The numbers of a noise schedule.

    Returns a JSON object of four lists with an entry for each t = 0..T: t, betas, alphas_cumprod, snr
    (betas[0] and snr[0] are null).

    Args:
        schedule: linear or cosine
        num_timesteps: T, 20 to 1000
    """
    name = choice(schedule, "schedule", SCHEDULES)
    made = SCHEDULES[name](whole_number(num_timesteps, "T", MIN_TIMESTEPS, MAX_TIMESTEPS))
    t = torch.arange(made.num_timesteps + 1)
    return {
        "t": t.tolist(),
        "betas": [None, *made.betas.tolist()],
        "alphas_cumprod": made.alphas_cumprod.tolist(),
        "snr": [None, *made.snr(t[1:]).tolist()],
    }


def denoise_with(models: dict[str, Model]) -> Callable[..., tuple[Image.Image, dict[str, Any]]]:
    """The /denoise endpoint over these models."""

    def denoise(
        model: Any,
        seed: Any,
        sampler: Any,
        num_steps: Any,
        schedule: Any,
        class_label: Any,
        guidance_scale: Any,
        num_images: Any,
    ) -> tuple[Image.Image, dict[str, Any]]:
        request = checked_class_request(
            models, class_label, num_images, num_steps, sampler, seed, model, schedule, guidance_scale
        )
        *steps, (result, _) = class_frames(models[request.model], request)
        images = to_uint8(torch.from_numpy(result["x_0_hat"])).numpy()
        return square_grid(images), {**asdict(request), "steps": [row for _, row in steps]}

    denoise.__doc__ = DENOISE.format(models=", ".join(models))
    return denoise


def text_to_image_with(
    models: dict[str, LatentModel],
) -> Callable[..., tuple[Image.Image, dict[str, Any]]]:
    """The /text_to_image endpoint over these models."""

    def text_to_image(
        prompt: Any,
        negative_prompt: Any,
        seed: Any,
        num_steps: Any,
        guidance_scale: Any,
        sampler: Any,
        model: Any,
        num_images: Any,
    ) -> tuple[Image.Image, dict[str, Any]]:
        sent = (prompt, negative_prompt, seed, num_steps, guidance_scale, sampler)
        chosen = models[choice(model, "model", models)]
        return draw_prompt(chosen, checked_prompt_request(chosen, *sent, num_images=num_images))

    text_to_image.__doc__ = TEXT_TO_IMAGE.format(models=", ".join(models))
    return text_to_image


def draw_prompt(model: LatentModel, request: PromptRequest) -> tuple[Image.Image, dict[str, Any]]:
    """The first variant's pictures as one, and all about them as JSON values: what the endpoint returns."""
    *steps, last = (frames[0] for frames in prompt_frames(model, request))
    variant, pictures = request.variants[0], last.planes["decoded"]
    about = {
        "model": model.name,
        "prompt": variant.prompt.text,
        "negative_prompt": variant.negative.text,
        "seed": request.seed,
        "num_steps": request.num_steps,
        "num_images": request.num_images,
        "guidance_scale": variant.guidance_scale,
        "sampler": request.sampler,
        "tokens": [asdict(token) for token in variant.prompt.tokens],
        "notes": list(variant.notes),
        "nearest": nearest(reader(model).atlas, pictures[0]),
        "steps": [frame.row for frame in steps],
    }
    return square_grid(pictures), about


def square_grid(pictures: np.ndarray) -> Image.Image:
    """(B, H, W, C) uint8 → one picture, as square as it gets."""
    return image_grid(pictures, math.ceil(len(pictures) ** 0.5))


def in_turn(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """The same function, which waits in line for the networks."""

    @wraps(function)
    async def wait(*sent: Any) -> T:
        return cast(T, await LINE.take(partial(function, *sent)))  # nobody replaces a program's ticket

    return wait


def register(
    function: Callable[..., Any],
    parameters: Sequence[Described],
    outputs: Sequence[gr.components.Component],
    concurrency: Concurrency | None = None,
) -> None:
    """An endpoint with the function's name and description, inside the current gr.Blocks."""
    _, told, _ = get_function_description(function)
    gr.Button(visible=False).click(
        function,
        [parameter(told[name]) for name, parameter in zip(told, parameters)],
        outputs,
        api_name=function.__name__,
        show_progress="hidden",
        **(concurrency or {}),
    )


def register_schedule_endpoints() -> None:
    """Those that need no network."""
    noised = [picture_file(), value(500, "integer"), value("linear", "string"), value(0, "integer")]
    register(corrupt, noised, [png_output()])
    table = [value("linear", "string"), value(1000, "integer")]
    register(schedule_table, table, [gr.JSON(visible=False)])


def register_denoise(models: dict[str, Model]) -> None:
    parameters = [
        value(next(iter(models)), "string"),
        value(0, "integer"),
        value("dpm++2m", "string"),
        value(20, "integer"),
        value("", "string"),
        value("", "string"),
        value(1.0, "number"),
        value(1, "integer"),
    ]
    outputs = [png_output(), gr.JSON(visible=False)]
    register(in_turn(denoise_with(models)), parameters, outputs, IN_LINE)


def register_text_to_image(models: dict[str, LatentModel]) -> None:
    emoji = next((name for name, model in models.items() if model.cats is None), next(iter(models)))
    parameters = [
        value("red heart", "string"),
        value("", "string"),
        value(0, "integer"),
        value(DEFAULT_STEPS, "integer"),
        value(EMOJI_GUIDANCE, "number"),
        value("dpm++2m", "string"),
        value(emoji, "string", LastArgument),
        value(1, "integer", LastArgument),
    ]
    outputs = [png_output(), gr.JSON(visible=False)]
    register(in_turn(text_to_image_with(models)), parameters, outputs, IN_LINE)


def build(models: dict[str, Model], text_models: dict[str, LatentModel]) -> None:
    """Register the endpoints inside the current gr.Blocks.

    Args:
        models: of pixels, by name; may be none.
        text_models: those that draw prompts; may be none. One of emoji is used if no other is named.
    """
    register_schedule_endpoints()
    if models:
        register_denoise(models)
    if text_models:
        register_text_to_image(text_models)
