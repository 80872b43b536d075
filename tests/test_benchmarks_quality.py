"""The judges, and the quality of a checkpoint that they measure; small real runs of both."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from conftest import DIGITS, randomised
from training import write_idx

from benchmarks import classifier, curves, quality, samples
from benchmarks.samples import Sampling
from diffusion import save_model
from diffusion.data.image_sets import ImageData
from diffusion.data.sources import CIFAR10_CLASSES, load_mnist
from diffusion.films.quality_curves import CURVES_FILE
from diffusion.nets.step_cost import num_parameters


def blocks(number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 28, 28) uint8 pictures with one bright block whose place is the class, and the labels (N,)."""
    labels = np.arange(number) % 10
    images = np.random.default_rng(seed).integers(0, 60, (number, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels):
        row, column = divmod(int(label), 5)
        image[14 * row + 3 : 14 * row + 11, 5 * column + 1 : 5 * column + 5] += 190
    return images, labels.astype(np.uint8)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with 640 training and 160 test pictures in MNIST's format."""
    folder = tmp_path_factory.mktemp("mnist")
    for seed, (prefix, number) in enumerate({"train": 640, "t10k": 160}.items()):
        images, labels = blocks(number, seed)
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.fixture(scope="module")
def cache(data_dir):
    """Where a classifier trained on these pictures is kept."""
    folder = data_dir / "judges"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "CACHE", folder)
        classifier.load_or_train("mnist", data_dir)
    return folder


@pytest.fixture
def judge(cache, monkeypatch):
    """That classifier is the one that is used."""
    monkeypatch.setattr(classifier, "CACHE", cache)


def coloured(number: int, seed: int) -> ImageData:
    """Noisy 3×32×32 pictures whose colour tells the class, in CIFAR-10's classes."""
    labels = torch.arange(number) % 10
    colours = torch.tensor([[label % 3, label // 3 % 3, label // 9] for label in range(10)]) * 80
    noise = torch.randint(80, (number, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
    pictures = (colours[labels][:, :, None, None] + noise).to(torch.uint8)
    return ImageData("CIFAR-10", pictures, labels, CIFAR10_CLASSES, flip=True)


@pytest.mark.parametrize(("name", "most"), [("mnist", 0.5), ("cifar10", 5.0)])
def test_classifier_shapes(name, most):
    recipe = classifier.RECIPES[name]
    net = recipe.net().eval()
    images = torch.zeros(7, *recipe.sample_shape, dtype=torch.uint8)
    features, classes = classifier.classify(net, images, batch_size=3)
    assert features.ndim == 2 and len(features) == len(classes) == 7
    assert net(torch.zeros(2, *recipe.sample_shape)).shape == (2, 10)
    assert num_parameters(net) < most * 1e6


def test_classifier_learns_and_is_kept(data_dir, judge):
    test = load_mnist(data_dir, train=False)
    net = classifier.load_or_train("mnist", data_dir / "there is no data here")
    assert not net.training and classifier.accuracy(net, test) > 0.95


def test_classifier_training_depends_on_the_seed_alone():
    images, labels = (torch.from_numpy(array) for array in blocks(256, seed=0))
    data = ImageData("blocks", images[:, None], labels.long(), DIGITS)
    recipe = replace(classifier.RECIPES["mnist"], epochs=1)
    first, again = (classifier.train(data, recipe).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_classifier_of_photos_learns():
    narrow = partial(classifier.PhotoClassifier, 8)
    recipe = replace(classifier.RECIPES["cifar10"], net=narrow, epochs=10, batch_size=50, learning_rate=0.1)
    net = classifier.train(coloured(200, seed=0), recipe)
    assert classifier.accuracy(net, coloured(100, seed=1)) > 0.6


def test_shifted_moves_each_picture_and_mirrors_its_edge():
    x = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    padded = torch.nn.functional.pad(x, (4, 4, 4, 4), mode="reflect")
    moved = classifier.shifted(x, torch.Generator().manual_seed(0))
    places = [(row, column) for row in range(9) for column in range(9)]
    for source, result in zip(padded, moved):
        assert any(torch.equal(source[:, r : r + 8, c : c + 8], result) for r, c in places)


def test_classifier_command(data_dir, judge, capsys):
    classifier.main(classifier.parse_arguments(["--data-dir", str(data_dir)]))
    assert "classifier-mnist.safetensors recognises" in capsys.readouterr().out


def test_fewer_epochs_are_fewer_steps(data_dir, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(classifier, "CACHE", tmp_path)
    classifier.main(classifier.parse_arguments(["--data-dir", str(data_dir), "--epochs", "1"]))
    assert "| 5/5 [" in capfd.readouterr().err  # of 128 pictures each


def quality_run(checkpoint, data_dir, *arguments: str) -> tuple[dict, dict]:
    """Run the benchmark with few samples; what metrics.json and curves.json hold then."""
    numbers = ["--num-samples", "20", "--num-bits", "10", "--num-steps-samples", "10"]
    command = [str(checkpoint), "--data-dir", str(data_dir), *numbers, *arguments]
    quality.main(quality.parse_arguments(command))
    files = (checkpoint / name for name in ("metrics.json", CURVES_FILE))
    return tuple(json.loads(file.read_text("utf-8")) if file.exists() else {} for file in files)


@pytest.fixture
def few(monkeypatch):
    """Curves of few points."""
    monkeypatch.setattr(quality, "STEPS", {"ddpm": (2,), "ddim": (2, 3), "dpm++2m": (2,)})
    monkeypatch.setattr(quality, "REFERENCE", ("ddim", 3))
    monkeypatch.setattr(curves, "REFERENCE", ("ddim", 3))
    monkeypatch.setattr(quality, "LONG", ("ddpm", 4))
    monkeypatch.setattr(quality, "GUIDANCE_SCALES", (1.0, 2.0))
    monkeypatch.setattr(quality, "HEADLINE", Sampling("dpm++2m", 3))


def test_quality_writes_its_figures_beside_the_others(data_dir, judge, few, digit_checkpoint, capsys):
    (digit_checkpoint / "metrics.json").write_text('{"kept": "1", "bits/dim": "old"}')
    metrics, measured_curves = quality_run(digit_checkpoint, data_dir, "--guidance", "1.5")
    assert metrics["kept"] == "1" and metrics["bits/dim"] != "old" and len(metrics) == 7
    measured = {key: value for key, value in metrics.items() if key != "kept"}
    assert all(isinstance(value, str) and "seed 0" in value for value in measured.values())
    assert "20 samples, dpm++2m, 3 steps, guidance 1.5" in metrics["Fréchet distance to the test set"]
    card = (digit_checkpoint / "README.md").read_text("utf-8")
    assert all(f"- {name}: {value}" in card for name, value in metrics.items())
    assert "| **all** | 20 |" in capsys.readouterr().out
    assert [(row["sampler"], row["num_steps"]) for row in measured_curves["steps"]] == [
        ("ddim", 2), ("ddim", 3), ("ddpm", 2), ("dpm++2m", 2)
    ]  # fmt: skip
    assert [row["guidance_scale"] for row in measured_curves["guidance"]] == [1.0, 2.0]
    assert all(
        row.keys() >= {"recognised", "recognised_error", "frechet", "num_samples"}
        for row in measured_curves["steps"] + measured_curves["guidance"]
    )
    assert measured_curves["classifier_accuracy"] > 0.95 and measured_curves["setting"]["data"] == "MNIST"


def test_quality_continues_where_it_stopped(data_dir, judge, few, digit_checkpoint, monkeypatch):
    draws = []

    def counted(model, num_images, how, labels):
        draws.append((how.sampler, how.num_steps))
        if draws == [("ddpm", 2), ("ddim", 2)]:
            raise KeyboardInterrupt
        return load_mnist(data_dir).images[:num_images]

    monkeypatch.setattr(quality, "draw", counted)
    only = ("--only", "steps", "--skip-known")
    with pytest.raises(KeyboardInterrupt):
        quality_run(digit_checkpoint, data_dir, *only)
    metrics, measured_curves = quality_run(digit_checkpoint, data_dir, *only)
    assert draws[2:] == [("ddim", 2), ("ddim", 3), ("dpm++2m", 2)] and len(measured_curves["steps"]) == 4
    assert quality_run(digit_checkpoint, data_dir, *only) == (metrics, measured_curves) and len(draws) == 5
    measured_curves = quality_run(digit_checkpoint, data_dir, *only, "--long")[1]
    assert draws[5:] == [("ddpm", 4)] and len(measured_curves["steps"]) == 5
    quality_run(digit_checkpoint, data_dir, "--only", "steps")
    assert len(draws) == 10


def test_frechet_distance_to_the_training_set(data_dir, judge, few, digit_checkpoint):
    metrics, _ = quality_run(digit_checkpoint, data_dir, "--only", "frechet", "--reference", "train")
    assert "of 20 test images" in metrics["Fréchet distance to the training set"]


def test_sampling_in_bf16_is_close(digit_checkpoint, monkeypatch):
    model = quality.load_folder(digit_checkpoint)
    monkeypatch.setattr(samples, "has_bf16", lambda device: True)
    halved = samples.for_sampling(model)
    for parameter in model.net.parameters():
        torch.nn.init.normal_(parameter, std=0.03)
    halved.net.net.load_state_dict(model.net.state_dict())
    images, close = (
        samples.draw(each, 10, Sampling("ddim", 2), torch.arange(10)) for each in (model, halved)
    )
    difference = (images.float() - close.float()).abs()
    assert 0 < difference.mean() < 2


def test_samples_are_the_same_again_and_of_every_class(digit_checkpoint, data_dir, judge):
    flags = ["--data-dir", str(data_dir), "--num-samples", "20"]
    bench = quality.make_bench(quality.parse_arguments([str(digit_checkpoint), *flags]))
    (images, labels), (again, _) = (bench.draw(20, Sampling("ddim", 2)) for _ in range(2))
    assert torch.equal(images, again) and images.shape == (20, 1, 28, 28) and images.dtype == torch.uint8
    assert labels.bincount().tolist() == [2] * 10


def test_batches_have_seeds_of_their_own_and_their_own_classes(digit_checkpoint, monkeypatch):
    model = quality.load_folder(digit_checkpoint)
    randomised(model.net)
    monkeypatch.setitem(samples.BATCH_SIZES, "cpu", 3)
    images = samples.draw(model, 5, Sampling("ddim", 2, 3.0), torch.arange(5))
    for seed, part in enumerate(torch.arange(5).split(3)):
        denoise = model.denoiser(class_labels=part, guidance_scale=3.0)
        expected = samples.pictures(model, denoise, Sampling("ddim", 2), seed=seed, num_images=len(part))
        assert torch.equal(images[part], expected)
    assert not torch.equal(samples.draw(model, 5, Sampling("ddim", 2)), images)


def test_fewest_steps():
    measured = {
        ("ddim", 50): (0.98, 0.004, 1.0),
        ("ddim", 20): (0.977, 0.004, 1.2),  # too far from the test set
        ("dpm++2m", 10): (0.97, 0.004, 0.9),  # too few recognised
        ("dpm++2m", 20): (0.985, 0.004, 0.9),
        ("dpm++2m", 15): (0.977, 0.004, 1.04),
        ("ddpm", 50): (0.5, 0.004, 9.0),
        ("ddpm", 20): (0.4, 0.004, 9.0),
    }
    keys = ("sampler", "num_steps", "recognised", "recognised_error", "frechet")
    rows = [dict(zip(keys, (*at, *values))) for at, values in measured.items()]
    fewest = {name: curves.fewest_steps(rows, name) for name in ("ddpm", "ddim", "dpm++2m")}
    assert fewest == {"ddpm": None, "ddim": 50, "dpm++2m": 15}
    assert curves.enough_steps(rows) == {"ddpm": "over 50", "ddim": "50", "dpm++2m": "15"}


def test_the_data_of_a_checkpoint_is_known_by_all_that_it_says(digit_checkpoint):
    model = quality.load_folder(digit_checkpoint)
    photos = {"data": "CIFAR-10 (JPEG copy)"}
    assert classifier.data_of(model) == "mnist"
    assert (
        classifier.data_of(replace(model, sample_shape=(3, 32, 32), classes=CIFAR10_CLASSES, about=photos))
        == "cifar10"
    )
    for other in (replace(model, about=photos), replace(model, classes=None), replace(model, about={})):
        with pytest.raises(quality.CheckpointError, match="not trained on MNIST or CIFAR-10"):
            classifier.data_of(other)


def test_another_checkpoint_is_refused(data_dir, tiny_model, tmp_path):
    save_model(tmp_path / "tiny", tiny_model)
    with pytest.raises(quality.CheckpointError, match="not trained on MNIST"):
        quality.main(quality.parse_arguments([str(tmp_path / "tiny"), "--data-dir", str(data_dir)]))
    assert not (tmp_path / "tiny" / "metrics.json").exists()


def test_arguments():
    assert quality.parse_arguments(["x"]).only == list(quality.PARTS)
    assert quality.parse_arguments(["x", "--only", "bits,copies"]).only == ["bits", "copies"]
    assert classifier.parse_arguments([]).epochs is None
    for arguments in (["x", "--only", "speed"], ["x", "--num-samples", "3"]):
        with pytest.raises(SystemExit):
            quality.parse_arguments(arguments)
