import io
import os
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from training import write_idx, write_mnist

from diffusion.data.image_sets import (
    DataError,
    ImageData,
    load_images,
    save_images,
    shuffled,
    step_generator,
)
from diffusion.data.images import ImageError, centre_crop, letterbox, open_image, to_signed, to_uint8
from diffusion.data.sources import (
    CIFAR10_CLASSES,
    decoded_file,
    load_cifar10,
    load_data,
    load_folder,
    load_mnist,
)

CPU = torch.device("cpu")
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """Smooth colours, as JPEG likes them."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")} | {
        str(folder): (folder.stat().st_mtime_ns, 0)
    }


# The order of examples, and values


def toy(number: int = 10, **kind) -> ImageData:
    return ImageData("toy", torch.arange(number, dtype=torch.uint8).view(-1, 1, 1, 1), **kind)


def test_every_epoch_is_a_permutation_of_its_own():
    order = shuffled(10, range(0, 30), 3, CPU).view(3, 10)
    assert all(sorted(epoch.tolist()) == list(range(10)) for epoch in order)
    assert len({tuple(epoch.tolist()) for epoch in order}) == 3


def test_the_order_depends_on_seed_and_position_alone():
    whole = shuffled(10, range(0, 45), 3, CPU)
    parts = [shuffled(10, range(start, min(start + 7, 45)), 3, CPU) for start in range(0, 45, 7)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(shuffled(10, range(0, 45), 4, CPU), whole)


def test_a_batch_may_be_larger_than_the_data():
    assert shuffled(3, range(2, 12), 0, CPU).bincount().tolist() in ([3, 3, 4], [3, 4, 3], [4, 3, 3])


def test_a_batch_is_signed_and_labelled():
    data = toy(10, labels=torch.arange(10) + 100)
    x_0, labels = data.batch(range(5, 9), 0, step_generator(0, 5, "cpu"))
    assert x_0.dtype == torch.float32 and torch.equal(labels - 100, to_uint8(x_0).flatten().long())


def test_half_of_a_flipping_batch_is_mirrored():
    images = torch.tensor([0, 255], dtype=torch.uint8).expand(1000, 1, 1, 2)
    x_0, _ = ImageData("toy", images, flip=True).batch(range(1000), 0, step_generator(0, 0, "cpu"))
    mirrored = x_0[:, 0, 0, 0] == 1
    assert 400 < mirrored.sum() < 600
    assert torch.equal(x_0[mirrored, 0, 0].flip(1), x_0[~mirrored][:1, 0, 0].expand(int(mirrored.sum()), 2))


def test_randomness_of_a_step_depends_on_seed_and_position():
    draws = {torch.rand(1, generator=step_generator(s, p, "cpu")).item() for s in (0, 1) for p in (0, 1, 8)}
    assert len(draws) == 6
    assert torch.rand(1, generator=step_generator(1, 8, "cpu")).item() in draws


def test_grey_levels_survive_the_way_to_signed_and_back():
    grey = torch.arange(256, dtype=torch.uint8)
    signed = to_signed(grey)
    assert signed[0] == -1 and signed[-1] == 1
    assert torch.equal(to_uint8(signed), grey)
    assert to_uint8(torch.tensor([-9.0, 9.0, 0.0])).tolist() == [0, 255, 128]


# MNIST


def test_mnist_is_read_as_it_is(tmp_path):
    images, labels = write_mnist(tmp_path)
    data, before = load_mnist(tmp_path), contents(tmp_path)
    assert torch.equal(data.images, torch.from_numpy(images)[:, None])
    assert data.labels.tolist() == labels.tolist() and data.labels.dtype == torch.int64
    assert data.classes == tuple("0123456789") and not data.flip
    assert len(load_data("mnist", tmp_path, train=False).images) == 6
    assert contents(tmp_path) == before


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
def test_mnist_is_found_in(tmp_path, place):
    write_mnist(tmp_path / "written")
    (tmp_path / "data" / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "written/MNIST/raw").rename(tmp_path / "data" / place)
    assert len(load_mnist(tmp_path / "data").images) == 60


@pytest.mark.parametrize("part", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_incomplete_mnist_is_not_fetched_over(tmp_path, part):
    write_mnist(tmp_path)
    (tmp_path / "MNIST/raw" / part).unlink()
    before = contents(tmp_path)
    with pytest.raises(DataError, match=part):
        load_mnist(tmp_path, train="train" in part)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_broken_mnist_is_named(tmp_path, keep):
    write_mnist(tmp_path)
    file = tmp_path / "MNIST/raw/train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz is truncated"):
        load_mnist(tmp_path)


def test_idx_files_of_something_else_are_refused(tmp_path):
    write_mnist(tmp_path)
    write_idx(tmp_path / "MNIST/raw/train-labels-idx1-ubyte.gz", np.full(60, 26, np.uint8))
    with pytest.raises(DataError, match="something else"):
        load_mnist(tmp_path)


@pytest.mark.parametrize("name, preset", [("MNIST", "mnist"), ("CIFAR10", "cifar10")])
def test_what_is_not_there_is_fetched(tmp_path, monkeypatch, name, preset):
    from torchvision import datasets

    def no_network(*_, **__):
        raise RuntimeError("Error downloading:\nhost not found")

    monkeypatch.setattr(datasets, name, no_network)
    with pytest.raises(DataError, match=f"{name} is not in .* could not be fetched: Error downloading:$"):
        load_data(preset, tmp_path)


# CIFAR-10


def write_cifar10(folder: Path, per_class: int = 2) -> dict[str, bytes]:
    """The JPEG copy's layout; returns every file's content by its name in it."""
    files = {}
    for split in ("train", "test"):
        for label, class_name in enumerate(CIFAR10_CLASSES):
            for i in range(per_class if split == "train" else 1):
                jpeg = encoded(photo(32, 32, seed=100 * label + i), "JPEG", quality=75)
                files[f"{split}/{class_name}/{i:04d}.jpg"] = jpeg
    for name, jpeg in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg)
    return files


def pack(folder: Path, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:xz", preset=0) as tar:
        for split in ("train", "test"):
            tar.add(folder / split, split)


@pytest.mark.parametrize("place", [".", "cifar10-jpeg"])
@pytest.mark.parametrize("packed", [True, False])
def test_cifar10_from_jpegs(tmp_path, place, packed):
    folder = tmp_path / "unpacked" if packed else tmp_path / "data" / place
    files = write_cifar10(folder)
    if packed:
        pack(folder, tmp_path / "data" / place / "cifar10-jpeg.tar.xz")
    before = contents(tmp_path)
    data, test = load_cifar10(tmp_path / "data"), load_data("cifar10", tmp_path / "data", train=False)
    assert contents(tmp_path) == before
    assert data.images.shape == (20, 3, 32, 32) and test.images.shape == (10, 3, 32, 32)
    assert data.labels.tolist() == [label for label in range(10) for _ in range(2)]
    assert data.classes == CIFAR10_CLASSES and data.flip and "JPEG copy" in data.title
    decoded = np.asarray(Image.open(io.BytesIO(files["train/bird/0001.jpg"])))
    assert np.array_equal(data.images[5].permute(1, 2, 0).numpy(), decoded)


def test_a_broken_jpeg_of_cifar10_is_named(tmp_path):
    write_cifar10(tmp_path)
    (tmp_path / "train/cat/0001.jpg").write_bytes(b"\xff\xd8 no more")
    data = load_cifar10(tmp_path)
    assert len(data.images) == 19 and len(data.skipped) == 1 and "cat/0001.jpg" in data.skipped[0]
    assert data.labels.tolist().count(3) == 1


def test_cifar10_without_a_class_is_not_complete(tmp_path):
    write_cifar10(tmp_path, per_class=1)
    (tmp_path / "train/frog/0000.jpg").unlink()
    with pytest.raises(DataError, match="not complete: it has no frog"):
        load_cifar10(tmp_path)


def test_a_broken_archive_is_named(tmp_path):
    write_cifar10(tmp_path / "unpacked")
    archive = tmp_path / "data/cifar10-jpeg.tar.xz"
    pack(tmp_path / "unpacked", archive)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(DataError, match="cifar10-jpeg.tar.xz is truncated"):
        load_cifar10(tmp_path / "data")


def test_a_data_set_without_labels_is_read_as_it_was_written(tmp_path):
    save_images(tmp_path / "data", ImageData("blots", torch.zeros(2, 1, 4, 4, dtype=torch.uint8)))
    read = load_images(tmp_path / "data")
    assert read.labels is None and read.classes is None and read.images.shape == (2, 1, 4, 4)


@pytest.mark.parametrize(
    "broken", [lambda file: file[:-9], lambda file: b"", lambda file: file.replace(b"about", b"other")]
)
def test_a_broken_data_set_is_named(tmp_path, broken):
    file = decoded_file(tmp_path, "cifar10", train=True)
    save_images(file, ImageData("blots", torch.zeros(2, 1, 4, 4, dtype=torch.uint8)))
    file.write_bytes(broken(file.read_bytes()))
    with pytest.raises(DataError, match="cifar10-train.safetensors is broken, or not a data set"):
        load_data("cifar10", tmp_path)


# Folders


def test_a_folder_of_pictures_has_no_classes(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encoded(photo(seed=i), "PNG"))
    before = contents(tmp_path)
    data = load_folder(tmp_path, 16)
    assert data.images.shape == (3, 3, 16, 16) and data.labels is None and data.classes is None
    assert np.array_equal(data.images[1].permute(1, 2, 0), np.asarray(centre_crop(photo(seed=1), 16)))
    assert data.title == f"the folder {tmp_path.name}" and contents(tmp_path) == before
    assert load_data("folder", tmp_path, 16, train=False) is None


def test_sub_folders_are_classes(tmp_path):
    for name in ("cats/a.png", "cats/deep/b.png", "dogs/c.jpg", ".hidden/d.png", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(photo(), "PNG") if name[-3:] != "txt" else b"notes")
    (tmp_path / "loose.png").write_bytes(encoded(photo(), "PNG"))
    data = load_folder(tmp_path, 8)
    assert data.classes == ("cats", "dogs") and data.labels.tolist() == [0, 0, 1]
    assert [Path(line.split(": ")[0]).name for line in data.skipped] == ["notes.txt", "loose.png"]


def test_a_corrupt_picture_among_good_ones_is_skipped_and_named(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encoded(photo(seed=i), "PNG"))
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    data = load_folder(tmp_path, 16)
    assert len(data.images) == 2 and len(data.skipped) == 1
    assert data.skipped[0].startswith(f"{tmp_path / '1.png'}: ")


def test_no_folder_and_no_pictures(tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder.*--data-dir"):
        load_folder(tmp_path / "nowhere", 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no readable picture \(files skipped: 0\)"):
        load_folder(tmp_path / "empty", 16)
    (tmp_path / "empty/text.txt").write_text("text")
    with pytest.raises(DataError, match=r"\(files skipped: 1\)"):
        load_folder(tmp_path / "empty", 16)


# Strangers' pictures


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


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
