"""The Forward tab: what Python sends once per picture and seed; the browser does the rest."""

import base64
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import Image

from diffusion.data.images import centre_crop, letterbox, to_signed, to_uint8
from diffusion.films.film import Film
from diffusion.films.grids import image_grid, png_bytes
from diffusion.process import draw_noise, q_sample
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.example_pictures import SIZE, preset_pictures
from diffusion.ui.parts.inputs import (
    MAX_SEED,
    MAX_TIMESTEPS,
    InputError,
    uploaded_picture,
    whole_number,
)
from diffusion.ui.parts.picture_input import PictureInput
from diffusion.ui.parts.schedule_tables import tables
from diffusion.ui.parts.scrubber import Scrubber, data_url
from diffusion.ui.text import labels

FITS = {"crop": centre_crop, "letterbox": letterbox}


def picture_noise(seed: int) -> torch.Tensor:
    """(2, 256, 256, 3) noise of a seed: the jump's ε, and the single step's in the Markov view."""
    return draw_noise((2, SIZE, SIZE, 3), torch.Generator().manual_seed(seed))


def noise_message(seed: int) -> list[str]:
    """The two noise tensors as base64 of float16, exact."""
    return [base64.b64encode(noise.half().numpy().tobytes()).decode() for noise in picture_noise(seed)]


def noise(request: dict[str, Any]) -> list[str]:
    """Asked by the page when the seed changes."""
    return noise_message(whole_number(request.get("seed"), "seed", 0, MAX_SEED))


def presets(film: Film | None) -> list[dict[str, str]]:
    """The preset pictures for the page; with a film, also a grid of what the network drew in it."""
    pictures = dict(preset_pictures())
    if film is not None:
        grid = image_grid(film.frames[-1, 0, :9], 3).convert("RGB")
        pictures["digits"] = letterbox(grid.resize((SIZE - 4, SIZE - 4), Image.Resampling.NEAREST), SIZE)
    return [
        {"name": labels()[name], "picture": data_url(png_bytes(picture))}
        for name, picture in pictures.items()
    ]


def first_message(film: Film | None) -> dict[str, Any]:
    """All that the first paint needs."""
    pictures = presets(film)
    jump, step = noise_message(0)
    return {
        "tables": tables({"num_timesteps": MAX_TIMESTEPS}),
        "presets": pictures,
        "picture": pictures[0]["picture"],
        "seed": 0,
        "noise": jump,
        "stepNoise": step,
    }


def fit_picture(path: str | None, fit: str) -> tuple[Any, str, Any]:
    """A message to the page, the sentence beside the control, and what stays in the control.

    A refused file leaves the picture on the page as it is, and the control empty.
    """
    if path is None:
        return gr.skip(), gr.skip(), gr.skip()
    try:
        picture = FITS[fit](uploaded_picture(path, shown=True), SIZE)
    except InputError as error:
        return gr.skip(), error.message, None
    return {"picture": data_url(png_bytes(picture))}, "", gr.skip()


def new_picture(path: str | None, fit: str) -> tuple[Any, str, Any]:
    """`fit_picture` for the control's own event, which may come twice: a refused file is gone by then."""
    return fit_picture(path if path and Path(path).exists() else None, fit)


def build(film: Film | None) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    text = labels()
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=3, min_width=320):
            scrubber = Scrubber("forward", first_message(film), [noise])
        with gr.Column(scale=1, min_width=260, elem_classes="side"):
            picture = PictureInput()
            problem = gr.Markdown(elem_classes="problem", container=False)
            fit = gr.Radio([(text[name], name) for name in FITS], value="crop", label=text["fit"])
    for event, handler in ((picture.change, new_picture), (fit.change, fit_picture)):
        event(
            handler,
            [picture, fit],
            [scrubber, problem, picture],
            show_progress="hidden",
            api_visibility="private",
        )


def corrupt_picture(picture: Image.Image, t: int, schedule: str, seed: int) -> Image.Image:
    """x_t of a 256×256 picture, exactly as the page shows it."""
    x_0 = to_signed(torch.from_numpy(np.asarray(picture).copy()))[None]
    x_t = q_sample(SCHEDULES[schedule](), x_0, torch.tensor([t]), picture_noise(seed)[:1])
    return Image.fromarray(to_uint8(x_t)[0].numpy())
