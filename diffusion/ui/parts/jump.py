"""Why not jump at once? What one call says of pure noise, beside what walks from the same noises draw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from diffusion.models.model import Model
from diffusion.ui.parts import controls
from diffusion.ui.parts.class_choice import class_words
from diffusion.ui.parts.class_film import (
    ClassRequest,
    checked_class_request,
    coded_frames,
    only_codes,
    walk_info,
)
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import Message, encode, film_id, per_step, stream_frames, wish
from diffusion.ui.parts.students import student_of
from diffusion.ui.text import in_each_language, labels, shown_name

NUM_JUMPS, JUMP_STEPS = 8, 20


def checked_jump(models: Mapping[str, Model], class_label: Any, seed: Any, model: Any) -> ClassRequest:
    """Walks from several noises to pictures of one class, without guidance, which would change the mean.

    Raises:
        InputError: names the value and its allowed range.
    """
    request = checked_class_request(
        models, class_label, NUM_JUMPS, JUMP_STEPS, "dpm++2m", seed, model, "", 1.0
    )
    classes = models[request.model].classes or ()
    return request if request.class_label in classes else _one_class(request, classes)


def _one_class(request: ClassRequest, classes: tuple[str, ...]) -> ClassRequest:
    """Where each was to be of another class: all are of the first of them."""
    return replace(request, class_label=classes[0]) if request.class_label else request


def jump_messages(model: Model, request: ClassRequest, student: Model | None = None) -> Iterator[Message]:
    """A film of these walks: the x̂_0 of its first step is the jump. Beside it what a student makes of it."""
    channels, height, width = model.sample_shape
    info = {
        "num_steps": request.num_steps,
        "guidance_scale": request.guidance_scale,
        "made": in_each_language(lambda: jump_made(model, request)),
        "per_step": per_step([request.guidance_scale]),
        "student": student and student_jumps(student, request),
        **walk_info(request.seed, (request.num_images, height, width, channels)),
    }
    frames = only_codes(coded_frames(model, request))
    yield from stream_frames(film_id(f"jump-{model.name}"), info, frames)


def student_jumps(student: Model, request: ClassRequest) -> str:
    """What a student says of the same noises in one call, as base64 of (B, H, W, C) uint8."""
    *_, (result, _) = coded_frames(student, replace(request, num_steps=1))
    return encode(result["x_0_hat"])


def jump_made(model: Model, request: ClassRequest) -> str:
    """How that was made, in a sentence."""
    return labels()["jump_made"].format(
        model=shown_name(model.name),
        count=request.num_images,
        steps=request.num_steps,
        seed=request.seed,
        classes=class_words(model, request.classes_in(model.classes or ())),
    )


def build(models: Mapping[str, Model], inputs: Sequence[Any]) -> None:
    """Lay out the fold inside the current gr.Blocks.

    Args:
        inputs: the choices of the class, the seed and the model.
    """
    text = labels()
    with gr.Accordion(text["jump"], open=False):
        controls.lead(text["jump_lead"])
        start, stop = controls.start_and_stop(text["jump_start"])
        problem = controls.problem_line()
        view = Scrubber("jump")

    def messages(*sent: Any) -> Iterator[Message]:
        request = checked_jump(models, *sent)
        return jump_messages(models[request.model], request, student_of(models, request.model))

    wish(messages, [start.click], inputs, [view, problem], [stop])
