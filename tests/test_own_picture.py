"""Pictures of one's own as Python opens them: fitted, or refused by a sentence."""

import base64
import io

import numpy as np
import pytest
from pictures import encoded, heic, photo, png_header
from PIL import Image

from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.own_picture import FITS, MAX_MEGABYTES, open_picture


def sent(content: bytes) -> dict[str, str]:
    return {"file": base64.b64encode(content).decode()}


def square(address: str) -> np.ndarray:
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_picture_is_cropped_and_shown_whole():
    wide = Image.new("RGB", (400, 200), "red")
    wide.paste("blue", (0, 0, 100, 200))
    shown = open_picture(sent(encoded(wide, "PNG")))
    assert shown.keys() == FITS.keys()
    assert (square(shown["crop"])[:, 5:] == (255, 0, 0)).all()
    assert (square(shown["letterbox"])[0] == 128).all()
    assert (square(shown["letterbox"])[128, 10] == (0, 0, 255)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "HEIC", "AVIF"])
def test_what_people_have_is_opened(kind):
    content = heic(photo()) if kind == "HEIC" else encoded(photo(), kind)
    assert square(open_picture(sent(content))["crop"]).shape == (256, 256, 3)


@pytest.mark.parametrize(
    "request_, told",
    [
        ({}, "Send a picture"),
        ({"file": None}, "Send a picture"),
        ({"file": ""}, "Send a picture"),
        ({"file": ["a"]}, "Send a picture"),
        ({"file": "é"}, "Send a picture"),
        ({"file": "abc"}, "Send a picture"),
        (sent(b"no picture"), "not a readable picture"),
        (sent(png_header(9000, 9000)), "at most 50,000,000 pixels"),
        (sent(encoded(photo(4, 400), "PNG")), "at least 8 pixels"),
        (sent(bytes(MAX_MEGABYTES * 2**20 + 3)), "at most 20 MB"),
    ],
)
def test_what_is_no_picture_is_refused(request_, told):
    with pytest.raises(InputError, match=told):
        open_picture(request_)
