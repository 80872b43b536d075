"""Formats that not every machine opens: what phones and browsers save, and what is said without them."""

import io
import sys

import numpy as np
import pytest
from pictures import claiming, encoded, heic, photo, turned
from PIL import AvifImagePlugin, Image, ImageOps, features

from diffusion.data import image_formats
from diffusion.data.folders import list_pictures
from diffusion.data.image_formats import BUILT_IN, FORMATS, accepted, looks_like_a_picture, openable
from diffusion.data.images import ImageError, open_image
from diffusion.data.sources import load_image_folder

RED, BLUE = (255, 0, 0), (0, 0, 255)
SAVED = {"HEIC": heic, "AVIF": lambda image, **options: encoded(image, "AVIF", **options)}
saved_as = pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)


def quarters() -> Image.Image:
    """Another colour in each corner, so that every turn shows."""
    picture = Image.new("RGB", (96, 64), RED)
    for colour, place in ((BLUE, (48, 0)), ("lime", (0, 32)), ("white", (48, 32))):
        picture.paste(colour, (*place, place[0] + 48, place[1] + 32))
    return picture


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean one, of pictures that must have the same size: codecs smear edges."""
    assert one.size == other.size
    return np.abs(np.asarray(one, int) - np.asarray(other.convert("RGB"), int)).mean()


@pytest.fixture
def forgetful():
    """What can be opened is found out anew, here and after the test."""
    openable.cache_clear()
    yield
    openable.cache_clear()


@pytest.fixture
def without_heic(monkeypatch, forgetful):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # importing it fails, as where it is not installed
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)


@pytest.fixture
def without_avif(monkeypatch, forgetful):
    monkeypatch.setattr(AvifImagePlugin, "SUPPORTED", False)
    monkeypatch.setitem(features.modules, "avif", ("PIL.no_such_codec", None))


def refused(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        open_image(content)
    said = str(caught.value)
    assert said.startswith("This ") and said.endswith(".") and "\n" not in said
    return said


def test_all_are_opened_where_all_is_installed():
    assert openable() == tuple(FORMATS)
    assert "use a complete JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP, TIFF or PPM." in refused(b"no picture")
    assert accepted() == "image/*,.heic,.heif,.avif"


@saved_as
def test_a_picture(save, tmp_path):
    content = save(photo(400, 300), quality=95)
    (tmp_path / "picture").write_bytes(content)
    for source in (content, tmp_path / "picture", str(tmp_path / "picture")):
        opened = open_image(source)
        assert opened.mode == "RGB" and distance(opened, photo(400, 300)) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_turn(orientation):
    """By EXIF data; in HEICs by the file itself as well, as phones do, where it must not be turned twice."""
    exif = turned(orientation)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(quarters(), "PNG", exif=exif))))
    for content in (
        heic(quarters(), exif=exif.tobytes(), quality=95),
        heic(quarters(), exif=exif, quality=95),
        encoded(quarters(), "AVIF", exif=exif, quality=95),
    ):
        assert distance(open_image(content), upright) < 10


@saved_as
def test_transparency_shows_white(save):
    picture = Image.new("RGBA", (64, 64), (*RED, 255))
    picture.paste((0, 255, 0, 0), (0, 0, 32, 64))
    opened = np.asarray(open_image(save(picture, quality=95)), int)
    assert np.abs(opened[:, :28] - 255).max() < 10 and np.abs(opened[:, 36:] - RED).max() < 10


def test_grey_of_16_bits():
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    opened = np.asarray(open_image(heic(Image.fromarray(ramp), quality=95)), int)
    assert (opened == opened[..., :1]).all() and np.abs(opened[..., 0] - ramp / 257).max() < 4


@saved_as
def test_grey_and_palettes(save):
    for mode in ("L", "P", "1"):
        picture = quarters().convert(mode)
        assert distance(open_image(save(picture, quality=95)), picture) < 10


def test_of_several_pictures_the_main_one():
    frames = [Image.new("RGB", (64, 48), colour) for colour in (RED, BLUE)]
    for main, colour in enumerate((RED, BLUE)):
        several = heic(frames[0], save_all=True, append_images=frames[1:], primary_index=main)
        assert distance(open_image(several), Image.new("RGB", (64, 48), colour)) < 3
    animation = SAVED["AVIF"](frames[0], save_all=True, append_images=frames[1:])
    assert distance(open_image(animation), frames[0]) < 3


@saved_as
def test_broken_ones_are_told_in_a_sentence(save):
    content = save(photo(400, 300))
    for length in (12, 30, 100, len(content) // 2, len(content) - 40):
        assert "not a readable picture: use a complete" in refused(content[:length])
    generator = np.random.default_rng(0)
    for _ in range(200):  # whatever becomes of it, it is a picture or a sentence
        bent = bytearray(content)
        for place in generator.integers(len(bent), size=4):
            bent[place] = generator.integers(256)
        try:
            assert open_image(bytes(bent)).mode == "RGB"
        except ImageError as error:
            assert str(error).startswith("This ")


@saved_as
def test_what_the_header_claims_is_refused_before_anything_is_decoded(save, monkeypatch):
    content = save(photo(512, 384))

    def decode(*_):
        raise AssertionError("Nothing of it is to be decoded.")

    monkeypatch.setattr(type(Image.open(io.BytesIO(content))), "load", decode)
    assert "9,000 × 9,000; at most 50,000,000 pixels" in refused(claiming(content, 9000, 9000))
    assert "more than 50,000,000 pixels" in refused(claiming(content, 16_000, 16_000))
    assert "its shorter side" in refused(claiming(content, 400, 4))
    refused(claiming(content, 70_000, 70_000))


def test_a_header_that_claims_too_little_opens_no_way_around_the_limit():
    """The decoder compares it with what it finds, and allocates nothing for the larger picture."""
    assert "not a readable picture" in refused(claiming(heic(Image.new("RGB", (2048, 2048))), 64, 64))
    small = open_image(claiming(SAVED["AVIF"](Image.new("RGB", (2048, 2048))), 64, 64))
    assert small.size == (64, 64)


def test_without_the_package_the_sentence_names_it(without_heic):
    assert "HEIF" not in openable()
    for several in (False, True):
        content = heic_before_it_was_gone(several)
        said = refused(content)
        assert "only where the package pillow-heif is installed; use a JPEG" in said
    assert "HEIC" not in refused(b"no picture")
    assert "pillow-heif" not in refused(SAVED["AVIF"](photo())[:100])
    assert accepted() == "image/*,.avif" and not looks_like_a_picture("a.png.heic")


def heic_before_it_was_gone(several: bool) -> bytes:
    """How the files of phones begin, and those of their series."""
    brands = b"msf1\0\0\0\0msf1hevcmif1" if several else b"heic\0\0\0\0mif1heicmiaf"
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + bytes(1000)


def test_a_pillow_without_avif_says_so(without_avif):
    content = bytes.fromhex("0000002066747970617669660000000061766966") + b"mif1miafMA1B" + bytes(500)
    said = refused(content)
    assert "only where Pillow is built with AVIF" in said and "use a JPEG" in said
    assert "AVIF" not in refused(b"no picture")
    assert accepted() == "image/*,.heic,.heif"


def test_a_pillow_without_other_codecs_does_not_promise_them(monkeypatch, forgetful):
    for name in ("JPEG", "WEBP"):
        monkeypatch.setattr(image_formats, "BUILT_IN", BUILT_IN | {name: "avif"})
    monkeypatch.setitem(features.modules, "avif", ("PIL.no_such_codec", None))
    assert "WebP" not in refused(b"no picture") and "PNG" in refused(b"no picture")


def test_a_folder_of_a_phones_pictures_is_trained_on(tmp_path):
    for name, save in SAVED.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"0.{name.lower()}").write_bytes(save(photo(90, 90), quality=95))
        (tmp_path / name / f"1.{name}").write_bytes(b"no picture")
    data = load_image_folder(tmp_path, 32)
    assert data.classes == ("AVIF", "HEIC") and data.images.shape == (2, 3, 32, 32)
    assert len(data.skipped) == 2 and all("not a readable picture" in line for line in data.skipped)


def test_a_folder_without_the_package_says_what_it_left_out(tmp_path, without_heic):
    (tmp_path / "phone.heic").write_bytes(heic_before_it_was_gone(False))
    (tmp_path / "photo.png").write_bytes(encoded(photo(), "PNG"))
    data = load_image_folder(tmp_path, 32)
    assert len(data.images) == 1
    assert len(data.skipped) == 1 and "phone.heic: This file" in data.skipped[0]
    assert "pillow-heif" in data.skipped[0]


def test_such_pictures_beside_a_folder_train_are_seen(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(encoded(photo(), "PNG"))
    (tmp_path / "b.HEIC").write_bytes(heic(photo()))
    assert list_pictures(tmp_path).root == tmp_path  # pictures lie beside: it is a class
