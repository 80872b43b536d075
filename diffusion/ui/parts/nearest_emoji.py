"""Is it memorised? The real emoji that are most like one that was drawn."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from diffusion.data.grids import png_bytes
from diffusion.data.images import to_signed
from diffusion.films.emoji_atlas import Atlas
from diffusion.ui.parts.scrubber import data_url
from diffusion.ui.text import LANGUAGES, language

NEAREST = 3


def nearest(atlas: Atlas | None, picture: np.ndarray) -> dict[str, Any] | None:
    """The real pictures most like one that was drawn, and how far apart such pictures are.

    Args:
        atlas: None gives None.
        picture: (H, W, 3) uint8.

    Returns:
        JSON values: how many there are, the median of the distances to all, and the nearest with index,
        character, name in the language that is spoken, distance (RMS over pixels in [−1, 1], at 32 × 32), and
        whether held out.
    """
    if atlas is None:
        return None
    names = atlas.names.get(language(), atlas.names["en"])
    distances = atlas.distances(to_signed(torch.from_numpy(picture.copy())).permute(2, 0, 1))
    found = [
        {
            "index": i,
            "character": atlas.characters[i],
            "name": names[i],
            "held_out": bool(atlas.held_out[i]),
            "distance": round(distances[i].item(), 4),
        }
        for i in distances.argsort()[:NEAREST].tolist()
    ]
    median = round(distances.median().item(), 4)
    return {"number": len(atlas.characters), "median_distance": median, "nearest": found}


def nearest_shown(atlas: Atlas | None, picture: np.ndarray) -> dict[str, Any] | None:
    """The same with the emoji's pictures, as addresses that hold them, and their names in each language."""
    found = nearest(atlas, picture)
    if atlas is None or found is None:
        return None
    urls = [data_url(png_bytes(Image.fromarray(atlas.pictures[each["index"]]))) for each in found["nearest"]]
    names = {code: atlas.names.get(code, atlas.names["en"]) for code in LANGUAGES}
    shown = [
        each | {"picture": url, "name": {code: all_[each["index"]] for code, all_ in names.items()}}
        for each, url in zip(found["nearest"], urls)
    ]
    return found | {"nearest": shown}
