"""The Forward tab: what Python sends once per picture; the browser does the rest."""

from typing import Any

from PIL import Image

from diffusion.data.grids import image_grid, png_bytes
from diffusion.data.images import letterbox
from diffusion.films.film import Film
from diffusion.ui.parts.example_pictures import SIZE, preset_pictures
from diffusion.ui.parts.noised_picture import MAX_TIMESTEPS, tables
from diffusion.ui.parts.own_picture import open_picture, picture_row
from diffusion.ui.parts.scrubber import Scrubber, data_url
from diffusion.ui.text import labels


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
    return {
        "tables": tables({"num_timesteps": MAX_TIMESTEPS}),
        "presets": pictures,
        "picture": pictures[0]["picture"],
        "seed": 0,
    }


def build(film: Film | None) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    parts = picture_row(labels()["presets"])
    Scrubber("forward", first_message(film), [open_picture], parts)
