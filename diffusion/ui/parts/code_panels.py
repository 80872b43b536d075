"""Two panels about codes: a picture there and back, and what lies between two."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from torch import Tensor

from diffusion.data.images import to_pixels, to_uint8
from diffusion.films.film import EPS_RANGE
from diffusion.interpolation import slerp_weights
from diffusion.models.model import Model
from diffusion.ui.parts import controls
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.codes import (
    JOURNEY_CORRECTIONS,
    JOURNEY_STEPS,
    MAX_CORRECTIONS,
    NUM_BETWEEN,
    Between,
    Coding,
    between_codes,
    checked_coding,
    statistics,
    steps_for,
    there_and_back,
)
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.opened import PixelModels
from diffusion.ui.parts.own_picture import open_picture, picture_row
from diffusion.ui.parts.rebuilding import grey_levels_off
from diffusion.ui.parts.room_code import BETWEEN_CODE, CODES_CODE, coding_values
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import Frame, film_id, film_message, paced, per_step, wish
from diffusion.ui.text import in_each_language, labels, shown_name


def title(part: str) -> None:
    """The heading of a part of the room, and what it is for."""
    text = labels()
    heading = f"<h2>{text[f'{part}_title']}</h2>"
    gr.HTML(heading, js_on_load=None, elem_classes=["scrubber", "part-title"], apply_default_css=False)
    controls.lead(text[f"{part}_lead"])


# ---- messages --------------------------------------------------------------------------------------------


def as_noise(code: Tensor) -> np.ndarray:
    """(C, H, W) → (H, W, C) uint8, shown as ε is."""
    return to_uint8(code, EPS_RANGE).permute(1, 2, 0).numpy()


def codes_messages(model: Model, request: Coding) -> Iterator[dict[str, Any]]:
    """There and back, and messages for the page: a frame for each number of steps, again as it goes on.

    Each repeats the frame that was finished last, so that none is lost when two arrive together.
    """
    numbers = steps_for(model)
    info = {
        "columns": numbers,
        "picture": request.pictures[0],
        "corrections": request.corrections,
        "made": in_each_language(lambda: codes_made(model, request)),
        "per_step": per_step([1.0]),
        "file": ["code", model.name],
        "code": coding_values(model, request) | {"numbers": repr(numbers)},
    }
    film, before = film_id(model.name), list[Frame]()
    for look in paced(there_and_back(model, request), lambda look: look.finished):
        back = to_pixels(look.back[None])
        row = {
            "steps": look.num_steps,
            "finished": look.finished,
            "off": grey_levels_off(back, request.x_0[0]),
        }
        row |= statistics(look.code)
        planes = {"code": as_noise(look.code)[None], "back": back}
        frame = Frame(numbers.index(look.num_steps), planes, row)
        yield film_message(film, info, [*before, frame]) | {"calls": look.calls}
        if look.finished:
            before = [frame]


def codes_made(model: Model, request: Coding) -> str:
    """How codes were found, in a sentence."""
    text, name = labels(), shown_name(model.name)
    return text["codes_made"].format(model=name, corrections=request.corrections)


def between_messages(model: Model, request: Coding) -> Iterator[dict[str, Any]]:
    """Between two codes, and messages for the page: all frames, again and again as they clear up; while the
    codes are looked for, the first one alone."""
    channels, height, width = model.sample_shape
    info = {
        "count": NUM_BETWEEN,
        "steps": JOURNEY_STEPS,
        "pictures": request.pictures,
        "image_shape": [height, width, channels],
        "made": in_each_language(
            lambda: labels()["between_made"].format(model=shown_name(model.name), steps=JOURNEY_STEPS)
        ),
        "per_step": per_step([1.0]),
        "file": ["between", model.name],
        "code": coding_values(model, request),
    }
    film = film_id(model.name)
    for look in paced(between_codes(model, request), lambda look: look.finished):
        yield film_message(film, info, _frames(look, request)) | {"calls": look.calls}


def _frames(look: Between, request: Coding) -> list[Frame]:
    pictures = to_pixels(request.x_0[:1] if look.pictures is None else look.pictures)
    frames = []
    for k, picture in enumerate(pictures):
        w = k / (NUM_BETWEEN - 1)
        row: dict[str, Any] = {"w": w, "finished": look.finished, "variance": look.codes[k].var().item()}
        if look.angle is not None:
            row |= {"weights": slerp_weights(look.angle, w), "angle": look.angle}
        frames.append(Frame(k, {"code": as_noise(look.codes[k]), "picture": picture}, row))
    return frames


# ---- the layout ------------------------------------------------------------------------------------------


def build(models: PixelModels, model: Any, sent: Scrubber) -> None:
    """Lay out both panels inside the current gr.Blocks.

    Args:
        model: the choice of the model.
        sent: what an event sends of the picture that is chosen.
    """
    text = labels()
    title("codes")
    with controls.workspace() as (stage, actions, _):
        with stage:
            view = Scrubber("codes", code=CODES_CODE)
        with actions:
            start, stop = controls.start_and_stop(text["codes"])
            problem = controls.problem_line()
            corrections = gr.Slider(
                0,
                MAX_CORRECTIONS,
                0,
                step=1,
                label=text["corrections"],
                info=text["corrections_info"],
                elem_classes=controls.asks("inexact"),
            )
    linked("codes", {"corrections": corrections})

    def codes(name: Any, *pictures: Any) -> Iterator[dict[str, Any]]:
        request = checked_coding(models, name, *pictures)
        return codes_messages(models[request.model], request)

    wish(codes, [start.click], [model, corrections, sent], [view, problem], [stop])
    build_between(models, model, sent)


def build_between(models: PixelModels, model: Any, sent: Scrubber) -> None:
    """Lay out the second panel."""
    text = labels()
    title("between")
    other = Scrubber("sent", {"picture": 0}, parts={"name": "other"})
    with controls.workspace() as (stage, actions, _):
        with stage:
            row = picture_row(text["between_pictures"])
            parts = {"slider": text["journey_slider"], "position": text["journey_position"], **row}
            view = Scrubber("between", None, [open_picture, animation], parts, code=BETWEEN_CODE)
        with actions:
            start, stop = controls.start_and_stop(text["between"])
            problem = controls.problem_line()

    def between(name: Any, *pictures: Any) -> Iterator[dict[str, Any]]:
        request = checked_coding(models, name, JOURNEY_CORRECTIONS, *pictures)
        return between_messages(models[request.model], request)

    wish(between, [start.click], [model, sent, other], [view, problem], [stop])
