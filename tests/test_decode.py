"""A data set decoded once: the same pictures without their source, or a few of them."""

import pytest
import torch
from test_sources import write_cifar10
from training import write_mnist

from diffusion.data.sources import load_data
from tools import decode

ABOUT = ("title", "classes", "flip", "licence", "skipped")


def decoded(name, source, out, *flags: str) -> None:
    decode.main(decode.parse_arguments([name, "--data-dir", str(source), "--out", str(out), *flags]))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_decoded_data_set_is_the_same_without_its_source(name, tmp_path):
    source, out = tmp_path / "source", tmp_path / "new/decoded"
    if name == "mnist":
        write_mnist(source)
    else:
        write_cifar10(source)
        (source / "train/cat/0001.jpg").write_bytes(b"\xff\xd8 no more")
    decoded(name, source, out)
    for train in (True, False):
        known, read = (load_data(name, place, train=train) for place in (source, out))
        assert torch.equal(read.images, known.images) and torch.equal(read.labels, known.labels)
        assert [getattr(read, each) for each in ABOUT] == [getattr(known, each) for each in ABOUT]


def test_a_decoded_data_set_may_be_smaller(tmp_path):
    write_mnist(tmp_path)
    decoded("mnist", tmp_path, tmp_path / "few", "--every", "7")
    known, few = load_data("mnist", tmp_path), load_data("mnist", tmp_path / "few")
    assert len(few.images) == len(few.labels) == 9 and torch.equal(few.images[1], known.images[7])
    with pytest.raises(SystemExit):
        decode.parse_arguments(["mnist", "--out", "x", "--every", "0"])
