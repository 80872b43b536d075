"""The Forward tab: what Python sends once per picture; the browser does the rest."""

from typing import Any

from PIL import Image, ImageOps

from diffusion.data.grids import image_grid
from diffusion.data.images import letterbox
from diffusion.films.film import Film
from diffusion.models.model import Model
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.code import PICTURE_CODE
from diffusion.ui.parts.credit import credit_of_drawn, credit_of_examples
from diffusion.ui.parts.example_pictures import SIZE, preset_pictures
from diffusion.ui.parts.files import address_of_picture, in_a_file, needs_first
from diffusion.ui.parts.noised_picture import MAX_TIMESTEPS, tables
from diffusion.ui.parts.own_picture import open_picture, picture_row
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.text import labels


def presets(model: Model | None, film: Film | None) -> list[dict[str, str]]:
    """The preset pictures for the page, with a sentence saying whose they are, if there must be one.

    Args:
        model: of cats, it adds a cat that it was not trained on.
        film: of the model; it adds a grid of what was drawn in it.
    """
    pictures = {name: (picture, "") for name, picture in preset_pictures().items()}
    if model is not None and model.cats is not None:
        for cat in model.cats.never_trained_on(8)[:1]:
            picture = Image.fromarray(model.cats.render(cat).permute(1, 2, 0).numpy())
            pictures["never_drawn"] = (_enlarged(picture), credit_of_examples(model))
    if model is not None and film is not None:
        credit = f"{labels()['drawn']}. {credit_of_drawn(model)}".strip()
        pictures["drawn"] = (_enlarged(_drawn(film)), credit)
    return [
        {"name": labels()[name], "picture": address_of_picture(picture), "credit": whose}
        for name, (picture, whose) in pictures.items()
    ]


def _drawn(film: Film) -> Image.Image:
    """The first pictures of a film, so many that each can be seen well."""
    columns = max(1, min(3, SIZE // 2 // film.frames.shape[4]))
    return image_grid(film.frames[-1, 0, : columns**2], columns)


def _enlarged(picture: Image.Image) -> Image.Image:
    """On one of the page's squares, pixels as squares of one size."""
    whole = max(1, SIZE // max(picture.size))
    return letterbox(ImageOps.scale(picture.convert("RGB"), whole, Image.Resampling.NEAREST), SIZE)


def first_message(model: Model | None, film: Film | None) -> dict[str, Any]:
    """All that the first paint needs."""
    pictures = presets(model, film)
    return {
        "tables": tables({"num_timesteps": MAX_TIMESTEPS}),
        "presets": pictures,
        "picture": pictures[0]["picture"],
        "seed": 0,
    }


def build(model: Model | None, film: Film | None) -> None:
    """Lay out the tab inside the current gr.Blocks, with pictures of this model's data, and of its film."""
    parts = picture_row(labels()["presets"])
    answers = [open_picture, animation]
    message = first_message(model, film)
    needs_first(message["picture"], "image")
    first = in_a_file(message)
    needs_first(first["file"], "fetch")
    Scrubber("forward", first, answers, parts, code=PICTURE_CODE)
