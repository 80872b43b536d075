import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from pictures import encoded, photo, png_header
from PIL import Image

from diffusion.data.images import (
    ImageError,
    centre_crop,
    letterbox,
    open_image,
    to_signed,
    to_uint8,
    x_0_of,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
JPEG, PNG = encoded(photo(), "JPEG"), encoded(photo(), "PNG")
REFUSED = {
    "text": (b"This is no picture.", "not a readable picture"),
    "empty": (b"", "not a readable picture"),
    "zeros": (bytes(1000), "not a readable picture"),
    "truncated JPEG": (JPEG[: len(JPEG) * 2 // 3], "not a readable picture"),
    "truncated PNG": (PNG[: len(PNG) * 2 // 3], "not a readable picture"),
    "PNG without data": (png_header(40, 30), "not a readable picture"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "not a readable picture"),
    "PDF": (b"%PDF-1.4\n", "not a readable picture"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable picture"),
    "30,000 × 30,000": (png_header(30_000, 30_000), "pixels"),
    "10,000 × 10,000": (png_header(10_000, 10_000), "10,000 × 10,000; at most 50,000,000 pixels"),
    "8,000 × 8,000": (png_header(8_000, 8_000), "8,000 × 8,000; at most 50,000,000 pixels"),
    "1 × 1": (encoded(photo(1, 1), "PNG"), "1 × 1; its shorter side needs at least 8 pixels"),
    "1 × 5,000": (encoded(photo(1, 5000), "PNG"), "1 × 5,000; its shorter side needs at least 8 pixels"),
    "5,000 × 7": (encoded(photo(5000, 7), "PNG"), "its shorter side"),
}


def test_grey_levels_survive_the_way_to_signed_and_back():
    grey = torch.arange(256, dtype=torch.uint8)
    signed = to_signed(grey)
    assert signed[0] == -1 and signed[-1] == 1
    assert torch.equal(to_uint8(signed), grey)
    assert to_uint8(torch.tensor([-9.0, 9.0, 0.0])).tolist() == [0, 255, 128]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes the module's filter
@pytest.mark.parametrize("content, saying", REFUSED.values(), ids=REFUSED)
def test_what_is_no_usable_picture_is_told_in_a_sentence(content, saying, tmp_path):
    (tmp_path / "file").write_bytes(content)
    for source in (content, tmp_path / "file", str(tmp_path / "file")):
        with pytest.raises(ImageError) as caught:
            open_image(source)
        message = str(caught.value)
        assert saying in message and message.startswith("This ") and message.endswith(".")
        assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ImageError):
        open_image(tmp_path / "nothing.png")


def test_pillows_warnings_do_not_surface():
    """A size that Pillow itself would warn of, and a broken EXIF block."""
    bomb = "open_image(bytes.fromhex(sys.argv[1]))"
    broken = encoded(photo(), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff")
    code = f"import sys\nfrom diffusion.data.images import *\ntry: {bomb}\nexcept ImageError as e: print(e)\n"
    code += "print(open_image(bytes.fromhex(sys.argv[2])).size)"
    command = [sys.executable, "-W", "always", "-c", code, png_header(10_000, 10_000).hex(), broken.hex()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert "10,000 × 10,000" in done.stdout and "(40, 30)" in done.stdout
    assert "PIL" not in done.stderr


def test_a_plain_picture_is_itself():
    assert np.array_equal(open_image(PNG), photo())
    assert open_image(PNG).mode == "RGB"


def test_cmyk_jpeg():
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert np.abs(np.asarray(open_image(encoded(cyan, "JPEG", quality=95)), int) - (0, 255, 255)).max() <= 6


def test_grey_of_16_bits():
    grey = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    opened = np.asarray(open_image(encoded(Image.fromarray(grey), "PNG")), int)
    assert (opened == np.round(grey / 257)[..., None]).all()


def test_a_palette():
    palette = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) // 128, "P")
    palette.putpalette([*RED, *BLUE])
    opened = np.asarray(open_image(encoded(palette, "PNG")))
    assert opened[0, 0].tolist() == list(RED) and opened[-1, -1].tolist() == list(BLUE)


def test_transparency_shows_white():
    rgba = Image.new("RGBA", (10, 10), (*RED, 255))
    rgba.paste((*GREEN, 0), (0, 0, 5, 10))
    opened = open_image(encoded(rgba, "PNG"))
    assert opened.getpixel((0, 0)) == WHITE and opened.getpixel((9, 0)) == RED
    half = open_image(encoded(Image.new("RGBA", (10, 10), (0, 0, 0, 128)), "PNG"))
    assert half.getpixel((5, 5)) == (127, 127, 127)


def test_a_transparent_palette_colour_shows_white():
    palette = Image.new("P", (10, 10), 0)
    palette.putpalette([*RED, *BLUE])
    palette.paste(1, (0, 0, 5, 10))
    opened = open_image(encoded(palette, "PNG", transparency=1))
    assert opened.getpixel((0, 0)) == WHITE and opened.getpixel((9, 0)) == RED


def test_exif_rotation_is_applied():
    image = Image.new("RGB", (40, 20), BLUE)
    image.paste(RED, (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to the right
    opened = open_image(encoded(image, "JPEG", exif=exif, quality=95))
    assert opened.size == (20, 40)
    top, bottom = (np.asarray(opened.getpixel((10, y)), int) for y in (5, 35))
    assert np.abs(top - RED).max() < 10 and np.abs(bottom - BLUE).max() < 10


def test_an_animation_shows_its_first_frame():
    frames = [Image.new("RGB", (12, 12), colour) for colour in (RED, GREEN, BLUE)]
    animated = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert open_image(animated).getpixel((6, 6)) == RED


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "TIFF", "PPM"])
def test_other_formats(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(open_image(encoded(photo(), kind, **options)), photo())


def test_a_phones_picture_of_several_frames():
    frames = [Image.new("RGB", (12, 12), colour) for colour in (RED, GREEN)]
    opened = open_image(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert np.abs(np.asarray(opened, int) - RED).max() < 10


def test_fitting_a_square():
    image = Image.new("RGB", (30, 10), GREEN)
    image.paste(RED, (0, 0, 10, 10))
    assert (np.asarray(centre_crop(image, 10)) == GREEN).all()
    boxed = letterbox(image, 30)
    assert boxed.size == (30, 30) and boxed.getpixel((15, 0)) == (128, 128, 128)
    assert boxed.getpixel((2, 15)) == RED and boxed.getpixel((28, 15)) == GREEN


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_was_saved_larger_is_the_same_x_0(channels):
    x_0 = torch.randint(256, (channels, 16, 12), dtype=torch.uint8, generator=torch.manual_seed(0))
    pixels = x_0.permute(1, 2, 0).expand(16, 12, 3).numpy()
    larger = Image.fromarray(pixels.repeat(4, 0).repeat(4, 1)).convert("RGBA")
    assert torch.equal(to_uint8(x_0_of(larger, x_0.shape)), x_0)


RAMP = np.tile(np.linspace(0, 1, 64), (64, 1))
GREY = np.round(255 * RAMP)
NUMBERS = {
    "floats from 0 to 1": RAMP.astype(np.float32),
    "floats a little beyond": (RAMP * 1.04 - 0.02).astype(np.float32),
    "floats from 0 to 255": (RAMP * 255).astype(np.float32),
    "floats from −1 to 1": (RAMP * 2 - 1).astype(np.float32),
    "heights in metres": (RAMP * 9000 - 400).astype(np.float32),
    "floats from 0 to 2.1": (RAMP * 2.1).astype(np.float32),
    "floats from 0 to 3": (RAMP * 3).astype(np.float32),
    "hundredths": (RAMP * 0.01).astype(np.float32),
    "next to nothing": (RAMP * 1e-30).astype(np.float32),
    "whole floats": GREY.astype(np.float32),
    "counts": (RAMP * 1e6).astype(np.float32),
    "16 bits": (RAMP * 65535).astype(np.uint16),
    "a camera's 12 bits": (RAMP * 4095).astype(np.uint16),
    "8 bits in 32": (RAMP * 255).astype(np.int32),
    "16 bits in 32": (RAMP * 65535).astype(np.int32),
    "32 bits": (RAMP * 2e9 - 1e9).astype(np.int32),
    "big-endian": (RAMP * 65535).astype(">u2"),
}


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS)
def test_a_tiff_of_numbers_is_a_grey_picture(numbers):
    opened = np.asarray(open_image(encoded(Image.fromarray(numbers), "TIFF")), int)
    assert (opened == opened[..., :1]).all() and np.abs(opened[..., 0] - GREY).max() <= 6


@pytest.mark.parametrize("no_data", [-9999, -3.4e38, 3.4e38, 1e20])
@pytest.mark.parametrize("scale", [1, 0.01, 2.1, 3, 255, 9000])
def test_pixels_without_a_value_do_not_decide_the_scale(scale, no_data):
    values = (RAMP * scale).astype(np.float32)
    values[:4] = no_data
    opened = np.asarray(open_image(encoded(Image.fromarray(values), "TIFF")), int)[..., 0]
    assert (opened[:4] == (0 if no_data < 0 else 255)).all() and np.abs(opened[4:] - GREY[4:]).max() <= 1


def test_floats_that_are_dark_in_part_are_as_they_are():
    values = (RAMP * 0.05).astype(np.float32)
    values[0, 0] = 0.8
    opened = np.asarray(open_image(encoded(Image.fromarray(values), "TIFF")), int)
    assert opened[0, 0, 0] == 204 and opened.max(axis=(1, 2))[1:].max() == 13


def test_pixels_without_a_number_are_black():
    values = RAMP.astype(np.float32)
    values[:8] = np.nan
    values[8:16] = np.inf
    opened = np.asarray(open_image(encoded(Image.fromarray(values), "TIFF")), int)
    assert (opened[:16] == 0).all() and np.abs(opened[16:, :, 0] - GREY[16:]).max() <= 1
    with pytest.raises(ImageError, match="no finite numbers"):
        open_image(encoded(Image.fromarray(np.full((16, 16), np.nan, np.float32)), "TIFF"))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_one_number_everywhere_is_one_grey(value):
    opened = np.asarray(open_image(encoded(Image.fromarray(np.full((16, 16), value, np.float32)), "TIFF")))
    assert (opened == round(255 * value)).all()


@pytest.mark.parametrize("numbers", [NUMBERS["16 bits"], NUMBERS["floats from 0 to 1"]])
def test_a_tiff_whose_zero_is_white(numbers):
    opened = np.asarray(open_image(encoded(Image.fromarray(numbers), "TIFF", tiffinfo={262: 0})), int)
    assert np.abs(opened[..., 0] - (255 - GREY)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "LAB"])
def test_every_mode_of_a_tiff(mode):
    stripes = Image.new("RGB", (32, 32), "white")
    stripes.paste("black", (16, 0, 32, 32))
    if mode == "LAB":
        lab = np.zeros((32, 32, 3), np.uint8)
        lab[:, :16, 0] = 255
        picture = Image.frombytes("LAB", (32, 32), lab.tobytes())
    else:
        picture = stripes.convert("P").convert(mode) if mode == "PA" else stripes.convert(mode)
    opened = np.asarray(open_image(encoded(picture, "TIFF")), int)
    assert np.abs(opened - np.asarray(stripes, int)).max() <= 2


def test_a_file_that_may_not_be_read_says_so(tmp_path):
    with pytest.raises(ImageError, match="cannot be read: No such file or directory"):
        open_image(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="cannot be read: File name too long"):
        open_image(tmp_path / ("x" * 300))
