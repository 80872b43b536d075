import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import encoded, photo
from PIL import Image
from training import write_idx, write_mnist

from diffusion.data.image_sets import DataError, ImageData, save_images
from diffusion.data.images import centre_crop
from diffusion.data.sources import (
    CIFAR10_CLASSES,
    decoded_file,
    load_cifar10,
    load_data,
    load_image_folder,
    load_mnist,
)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")} | {
        str(folder): (folder.stat().st_mtime_ns, 0)
    }


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


def test_a_broken_decoded_part_is_named(tmp_path):
    file = decoded_file(tmp_path, "cifar10", train=True)
    save_images(file, ImageData("blots", torch.zeros(2, 1, 4, 4, dtype=torch.uint8)))
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match="cifar10-train.safetensors is broken, or not a data set"):
        load_data("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["imagenet", "MNIST", ""])
def test_an_unknown_data_set_is_refused_by_name(tmp_path, name):
    with pytest.raises(DataError, match=f"data set must be one of mnist, cifar10, folder, not {name!r}"):
        load_data(name, tmp_path)


# Folders


def test_a_folder_of_pictures_has_no_classes(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encoded(photo(seed=i), "PNG"))
    before = contents(tmp_path)
    data = load_image_folder(tmp_path, 16)
    assert data.images.shape == (3, 3, 16, 16) and data.labels is None and data.classes is None
    assert np.array_equal(data.images[1].permute(1, 2, 0), np.asarray(centre_crop(photo(seed=1), 16)))
    assert data.title == f"the folder {tmp_path.name}" and contents(tmp_path) == before
    assert load_data("folder", tmp_path, 16, train=False) is None


def test_sub_folders_are_classes(tmp_path):
    for name in ("cats/a.png", "cats/deep/b.png", "dogs/c.jpg", ".hidden/d.png", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(photo(), "PNG") if name[-3:] != "txt" else b"notes")
    (tmp_path / "loose.png").write_bytes(encoded(photo(), "PNG"))
    data = load_image_folder(tmp_path, 8)
    assert data.classes == ("cats", "dogs") and data.labels.tolist() == [0, 0, 1]
    left_out = [Path(line.split(": ")[0]).name for line in data.skipped]
    assert left_out == [".hidden", "loose.png", "notes.txt"]
    assert data.found[0] == "3 pictures, 2 classes: cats, dogs"
    assert "Without a picture, and so no class: empty." in data.found


def test_a_corrupt_picture_among_good_ones_is_skipped_and_named(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(encoded(photo(seed=i), "PNG"))
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    data = load_image_folder(tmp_path, 16)
    assert len(data.images) == 2 and len(data.skipped) == 1
    assert data.skipped[0].startswith(f"{tmp_path / '1.png'}: ")


def test_no_folder_and_no_pictures(tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder.*--data-dir"):
        load_image_folder(tmp_path / "nowhere", 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no readable picture \(files skipped: 0\)"):
        load_image_folder(tmp_path / "empty", 16)
    (tmp_path / "empty/text.txt").write_text("text")
    with pytest.raises(DataError, match=r"\(files skipped: 1\)"):
        load_image_folder(tmp_path / "empty", 16)
