from pathlib import Path

import pytest
import torch

from diffusion.data.image_sets import (
    DataError,
    ImageData,
    load_images,
    save_images,
    shuffled,
    step_generator,
)
from diffusion.data.images import to_uint8

CPU = torch.device("cpu")


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


def test_a_data_set_without_labels_is_read_as_it_was_written(tmp_path):
    save_images(tmp_path / "data", ImageData("blots", torch.zeros(2, 1, 4, 4, dtype=torch.uint8)))
    read = load_images(tmp_path / "data")
    assert read.labels is None and read.classes is None and read.images.shape == (2, 1, 4, 4)


def test_a_data_set_with_labels_is_read_as_it_was_written(tmp_path):
    data = toy(4, labels=torch.arange(4) % 2, classes=("a", "b"), flip=True, skipped=("x: broken",))
    save_images(tmp_path / "new/data", data)
    read = load_images(tmp_path / "new/data")
    assert torch.equal(read.images, data.images) and torch.equal(read.labels, data.labels)
    for name in ("title", "classes", "flip", "licence", "skipped"):
        assert getattr(read, name) == getattr(data, name)


@pytest.mark.parametrize(
    "broken", [lambda file: file[:-9], lambda file: b"", lambda file: file.replace(b"about", b"other")]
)
def test_a_broken_data_set_is_named(tmp_path, broken):
    file = tmp_path / "data.safetensors"
    save_images(file, ImageData("blots", torch.zeros(2, 1, 4, 4, dtype=torch.uint8)))
    file.write_bytes(broken(file.read_bytes()))
    with pytest.raises(DataError, match="data.safetensors is broken, or not a data set"):
        load_images(file)


def test_contents_are_the_same_wherever_a_data_set_was_kept(tmp_path):
    data = toy(6, labels=torch.arange(6) % 2, classes=("a", "b"))
    save_images(tmp_path / "data", data)
    assert load_images(tmp_path / "data").contents == data.contents
    assert [part.pictures for part in data.contents.values()] == [3, 3]
    other = toy(6, labels=torch.arange(6) // 3, classes=("a", "b"))
    assert all(other.contents[name] != data.contents[name] for name in "ab")
    assert toy(6).contents[""].pictures == 6 and toy(6).found == ["6 pictures, no classes"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of what is mapped")
def test_a_data_set_that_was_read_may_go_away(tmp_path):
    save_images(tmp_path / "data", toy())
    kept = load_images(tmp_path / "data")
    assert str(tmp_path) not in Path("/proc/self/maps").read_text() and len(kept.images) == 10
