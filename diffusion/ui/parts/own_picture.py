"""Pictures of one's own: a file as people have it becomes squares for the page. Nothing of it is kept."""

import base64
import binascii
from typing import Any

from PIL import Image

from diffusion.data.grids import png_bytes
from diffusion.data.image_formats import accepted
from diffusion.data.images import ImageError, centre_crop, letterbox, open_image
from diffusion.ui.parts.example_pictures import SIZE
from diffusion.ui.parts.inputs import InputError, refusal
from diffusion.ui.parts.scrubber import data_url

MAX_MEGABYTES = 20  # of a file
FITS = {"crop": centre_crop, "letterbox": letterbox}


def sent_picture(request: dict[str, Any]) -> Image.Image:
    """The picture in a request's file, which is base64.

    Raises:
        InputError: there is none, it is too large, or it is no usable picture.
    """
    file = request.get("file")
    if not isinstance(file, str) or not file:
        raise refusal("picture_missing")
    if len(file) > MAX_MEGABYTES * 2**20 * 4 / 3 + 4:
        raise refusal("picture_too_large", most=str(MAX_MEGABYTES))
    try:
        return open_image(base64.b64decode(file, validate=True))
    except (binascii.Error, ValueError) as error:
        if isinstance(error, ImageError):
            raise InputError(str(error)) from None
        raise refusal("picture_missing") from None


def open_picture(request: dict[str, Any]) -> dict[str, str]:
    """Asked by the page for a file of one's own: 256×256 squares of it as addresses, for each of FITS."""
    picture = sent_picture(request)
    return {name: data_url(png_bytes(fit(picture, SIZE))) for name, fit in FITS.items()}


def picture_row(label: str) -> dict[str, str]:
    """The parts of a Scrubber with a row of pictures to choose from, which has this label."""
    return {"pictures_label": label, "most_megabytes": str(MAX_MEGABYTES), "accepted": accepted()}
