"""The classifier of digits beside a model: kept in a file, read strictly, told of in the card."""

from dataclasses import replace

import pytest
import safetensors.torch
import torch
from conftest import ROOT

from benchmarks import classifier as script
from diffusion.data.image_sets import ImageData
from diffusion.data.images import to_signed
from diffusion.films.folder import load_film
from diffusion.hub import HUB_FILES
from diffusion.models.card import is_generated
from diffusion.models.digit_judge import (
    CLASSIFIER_FILE,
    DIGITS,
    draws_digits,
    load_classifier,
    recognise,
    save_classifier,
    stated_accuracy,
)
from diffusion.models.folder import CheckpointError, load_folder
from diffusion.nets.digit_classifier import DigitClassifier

SHIPPED = [ROOT / "checkpoints" / name for name in ("mnist", "mnist-cosine", "mnist-linear")]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_the_shipped_classifier_recognises_what_the_shipped_film_draws(folder):
    net, film, model = load_classifier(folder), load_film(folder), load_folder(folder, "meta")
    assert draws_digits(model) and stated_accuracy(folder) > 0.99
    results = to_signed(torch.from_numpy(film.frames[-1, 2]).permute(0, 3, 1, 2))
    seen = recognise(net, results)
    asked = [model.classes[label] for label in film.info["class_labels"]]
    wrong = [digit for digit, wanted in zip(seen.digits.tolist(), asked) if DIGITS[digit] != wanted]
    assert len(wrong) <= 1 and len(asked) == 10  # networks draw a bad one now and then


def test_it_comes_back_as_it_was_saved(tmp_path):
    torch.manual_seed(0)
    net = DigitClassifier().eval()
    save_classifier(tmp_path, net, 0.98765)
    images = torch.randn(4, 1, 28, 28)
    again = load_classifier(tmp_path)
    assert torch.allclose(again(images), net(images), atol=0.01)  # of float16
    assert stated_accuracy(tmp_path) == 0.9877 and not again.training
    assert (tmp_path / CLASSIFIER_FILE).stat().st_size < 500_000


def test_without_a_file_there_is_none(tmp_path):
    assert load_classifier(tmp_path) is None and stated_accuracy(tmp_path) is None


def broken_files(folder):
    """By what is wrong: the content of a file."""
    save_classifier(folder, DigitClassifier(), 0.9)
    good = (folder / CLASSIFIER_FILE).read_bytes()
    weights = safetensors.torch.load(good)
    first, *_ = weights
    return {
        "truncated": good[:-100],
        "pickle": b"\x80\x04\x95rubbish",
        "missing": safetensors.torch.save({name: w for name, w in weights.items() if name != first}),
        "more": safetensors.torch.save(weights | {"extra": torch.zeros(1)}),
        "shape": safetensors.torch.save(weights | {first: torch.zeros(1)}),
        "infinite": safetensors.torch.save(weights | {first: weights[first] * torch.inf}),
    }


@pytest.mark.parametrize("wrong", ["truncated", "pickle", "missing", "more", "shape", "infinite"])
def test_what_is_no_such_classifier_is_refused(tmp_path, wrong):
    content = broken_files(tmp_path)[wrong]
    (tmp_path / CLASSIFIER_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match=CLASSIFIER_FILE):
        load_classifier(tmp_path)


def test_it_goes_with_the_model_and_its_card_tells_how_good_it_is(digit_checkpoint):
    images = torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8, generator=torch.manual_seed(0))
    test = ImageData("noise", images, torch.arange(20) % 10, DIGITS)
    torch.manual_seed(0)
    net = DigitClassifier().eval().requires_grad_(False)
    script.put_into(digit_checkpoint, net, test)
    card = (digit_checkpoint / "README.md").read_text("utf-8")
    assert f"{stated_accuracy(digit_checkpoint):.2%} of the 10,000 test images" in card
    assert CLASSIFIER_FILE in card and is_generated(card.encode()) and CLASSIFIER_FILE in HUB_FILES


def test_only_models_of_digits_get_one(tmp_path, tiny_model):
    with pytest.raises(CheckpointError):
        script.put_into(ROOT / "checkpoints/cats", DigitClassifier(), None)
    assert not draws_digits(tiny_model)
    assert draws_digits(replace(tiny_model, classes=DIGITS, sample_shape=(1, 28, 28)))
