"""The Forward tab: what Python sends once per picture and seed; the browser does the rest."""

from typing import Any

import gradio as gr
from PIL import Image

from diffusion.data.images import centre_crop, letterbox
from diffusion.films.film import Film
from diffusion.films.grids import image_grid, png_bytes
from diffusion.ui.parts import controls
from diffusion.ui.parts.example_pictures import SIZE, preset_pictures
from diffusion.ui.parts.noised_picture import MAX_TIMESTEPS, noise, tables
from diffusion.ui.parts.picture_input import PictureInput, answer_upload
from diffusion.ui.parts.scrubber import Scrubber, data_url, new_id
from diffusion.ui.parts.streaming import PRIVATE
from diffusion.ui.text import labels

FITS = {"crop": centre_crop, "letterbox": letterbox}


def presets(film: Film | None) -> list[dict[str, str]]:
    """The preset pictures for the page; with a film, also a grid of what the network drew in it."""
    pictures = dict(preset_pictures())
    if film is not None:
        grid = image_grid(film.frames[-1, 0, :9], 3).convert("RGB")
        pictures["digits"] = letterbox(grid.resize((SIZE - 4, SIZE - 4), Image.Resampling.NEAREST), SIZE)
    return [{"name": labels()[name], **picture_message(picture)} for name, picture in pictures.items()]


def picture_message(picture: Image.Image) -> dict[str, str]:
    """A 256×256 picture for the page."""
    return {"picture": data_url(png_bytes(picture))}


def first_message(film: Film | None) -> dict[str, Any]:
    """All that the first paint needs."""
    pictures, seed = presets(film), 0
    jump, step = noise({"seed": seed})
    return {
        "tables": tables({"num_timesteps": MAX_TIMESTEPS}),
        "presets": pictures,
        "picture": pictures[0]["picture"],
        "seed": seed,
        "noise": jump,
        "stepNoise": step,
    }


def new_picture(path: str | None, fit: str) -> tuple[Any, Any, Any]:
    """Another picture was chosen, or another way to fit it: `answer_upload`."""
    return answer_upload(path, lambda picture: picture_message(FITS[fit](picture, SIZE)))


def build(film: Film | None) -> str:
    """Lay out the tab inside the current gr.Blocks; returns the elem_id of its upload."""
    text, upload = labels(), new_id("upload")
    with controls.workspace() as (stage, side):
        with stage:
            scrubber = Scrubber("forward", first_message(film), [noise], controls={"upload": upload})
        with side:
            picture = PictureInput(elem_id=upload)
            problem = controls.problem_line()
            fit = gr.Radio([(text[name], name) for name in FITS], value="crop", label=text["fit"])
    shown = [scrubber, problem, picture]
    picture.change(new_picture, [picture, fit], shown, **PRIVATE)
    fit.change(new_picture, [picture, fit], shown, **PRIVATE)
    return upload
