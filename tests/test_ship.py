"""Shipping a run: small files, the same loss, and a refusal where float16 would cost something."""

import json
from dataclasses import replace

import pytest
import torch
from cat_models import few_cats, model_of, text_model_of
from conftest import randomised

from diffusion import LatentModel, Model, UNet, UNetConfig, cosine_schedule, load_model, save_model
from diffusion.data.cat_prompts import asked
from diffusion.data.cats import Rule
from diffusion.data.image_sets import ImageData
from diffusion.models.folder import CheckpointError
from tools import ship

CLASSES = tuple(map(str, range(10)))


@pytest.fixture
def run(tmp_path):
    """The folder of a small run on MNIST, with its state and some of the small files."""
    torch.manual_seed(0)
    net = randomised(UNet(UNetConfig(1, 32, (1, 1), 1, (1,), num_classes=10)))
    about = {"data": "MNIST", "licence": "none", "images_seen": 7, "settings": {"seed": 0}}
    model = Model("a-run", net, "cosine", cosine_schedule(), "v", (1, 28, 28), CLASSES, about)
    save_model(tmp_path / "a-run", model)
    (tmp_path / "a-run/metrics.json").write_text('{"bits/dim": "2"}')
    for name in ("README.md", "samples.png", "log.jsonl", "state.safetensors"):
        (tmp_path / "a-run" / name).write_text(name)
    return tmp_path / "a-run"


@pytest.fixture(autouse=True)
def test_images(monkeypatch):
    """A few pictures in the place of MNIST's test images."""
    images = torch.randint(256, (16, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    data = ImageData("MNIST", images.to(torch.uint8), torch.arange(16) % 10, CLASSES)
    monkeypatch.setattr(ship, "load_data", lambda name, data_dir, train: data)
    return data


def shipped(run, target) -> None:
    ship.main(ship.parse_arguments([str(run), str(target)]))


def test_what_is_shipped(run, tmp_path, capsys):
    target = tmp_path / "checkpoints/better-name"
    shipped(run, target)
    names = {"config.json", "model.safetensors", "metrics.json", "README.md", "samples.png", "log.jsonl"}
    assert {file.name for file in target.iterdir()} == names
    before, after = (folder.joinpath("model.safetensors").stat().st_size for folder in (run, target))
    assert after < 0.55 * before
    assert (target / "samples.png").read_text() == "samples.png"
    card = (target / "README.md").read_text("utf-8")
    assert "# better-name" in card and "- bits/dim: 2" in card
    assert json.loads((target / "metrics.json").read_text()) == {"bits/dim": "2"}
    assert "MB; float16 changes the held-out loss by " in capsys.readouterr().out


def test_the_loss_is_that_of_the_shipped_file(run, tmp_path, test_images):
    shipped(run, tmp_path / "small")
    model, small = load_model(run), load_model(tmp_path / "small")
    expected = ship.rounded(model).net.state_dict()
    assert all(torch.equal(expected[name], weight) for name, weight in small.net.state_dict().items())
    assert ship.change_of_loss(model, test_images) != 0 == ship.change_of_loss(small, test_images)


def test_a_model_that_float16_changes_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "MAX_CHANGE", 1e-12)
    with pytest.raises(CheckpointError, match="is not shipped: float16 changes its held-out loss by"):
        shipped(run, tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_weights_beyond_float16_are_refused(run, tmp_path):
    model = load_model(run)
    model.net.conv_in.weight.data[0, 0, 0, 0] = 1e6
    save_model(run, model)
    with pytest.raises(CheckpointError, match="is not shipped"):
        shipped(run, tmp_path / "small")


def test_a_run_is_not_shipped_into_itself_nor_of_other_data(run, tmp_path):
    with pytest.raises(CheckpointError, match="into itself"):
        shipped(run, run)
    save_model(run, replace(load_model(run), about={"data": "the folder cats"}))
    with pytest.raises(CheckpointError, match="not trained on MNIST or CIFAR-10"):
        shipped(run, tmp_path / "small")


# Cats


def test_cats_are_shipped_with_their_parts_and_judged_on_those(tmp_path, capsys):
    run, target = tmp_path / "run", tmp_path / "cats"
    model = model_of(few_cats(Rule(below=2**32 // 4)))
    save_model(run, replace(model, net=randomised(model.net)))
    (run / "state.safetensors").write_bytes(b"state")
    shipped(run, target)
    assert {file.name for file in target.iterdir()} == {
        *("config.json", "model.safetensors", "README.md", "parts.json", "parts.png")
    }
    small = load_model(target)
    assert all(torch.equal(one, other) for one, other in zip(small.cats.layers, model.cats.layers))
    assert (target / "parts.json").read_bytes() == (run / "parts.json").read_bytes()
    assert "license: cc-by-4.0" in (target / "README.md").read_text("utf-8")
    data = ship.held_out_data(small, tmp_path / "nowhere", None)
    assert torch.equal(data.images, model.cats.held_out().images) and len(data.images) > 200


def test_cats_told_by_text_are_shipped_with_parts_and_vocabulary_and_judged_by_captions(tmp_path):
    run, target, model = tmp_path / "run", tmp_path / "words", text_model_of(few_cats())
    save_model(run, replace(model, net=randomised(model.net)))
    shipped(run, target)
    assert {file.name for file in target.iterdir()} == {
        *("config.json", "model.safetensors", "README.md", "tokenizer.json", "parts.json", "parts.png")
    }
    small = load_model(target)
    assert small.tokenizer.to_str() == model.tokenizer.to_str() and small.cats.names == model.cats.names
    images, names = ship.held_out_data(small, tmp_path / "nowhere", None)
    assert len(images) == len(names) > 200 and images.dtype == torch.uint8
    assert all(len(asked(name).named) == 5 for name in names[:9])
    never = model.cats.never_trained_on(ship.NUM_JUDGED)
    assert torch.equal(images, model.cats.render(never)) and not model.cats.is_trained_on(never).any()


def test_cats_without_their_parts_are_not_shipped(tmp_path):
    save_model(tmp_path / "run", model_of(few_cats()))
    (tmp_path / "run/parts.json").unlink()
    with pytest.raises(CheckpointError, match="run draws cats, judged by benchmarks.cats with their parts"):
        shipped(tmp_path / "run", tmp_path / "cats")


# A text model


def test_a_text_model_is_shipped_in_half_the_size_with_the_same_losses(emoji_model, tmp_path):
    folder = tmp_path / "em"
    save_model(folder, emoji_model)
    (folder / "atlas.json").write_text("{}")
    ship.main(ship.parse_arguments([str(folder), str(tmp_path / "small")]))
    sizes = [(place / "model.safetensors").stat().st_size for place in (folder, tmp_path / "small")]
    assert sizes[1] < 0.55 * sizes[0] and (tmp_path / "small/atlas.json").exists()
    small, expected = load_model(tmp_path / "small"), ship.rounded(emoji_model)
    for name, part in expected.parts().items():
        weights = small.parts()[name].state_dict()
        assert all(torch.equal(weight, weights[key]) for key, weight in part.state_dict().items())
    assert small.tokenizer.to_str() == emoji_model.tokenizer.to_str()


@pytest.mark.parametrize("part", ["net", "text", "autoencoder"])
def test_what_float16_does_to_any_part_of_a_text_model_counts(few, emoji_model, part):
    test = few.subset(few.held_out)
    data = ship.Named(test.images, test.names["en"])
    before = abs(ship.change_of_loss(emoji_model, data))
    assert 0 < before < ship.MAX_CHANGE
    spoilt = LatentModel(**{name: getattr(emoji_model, name) for name in LatentModel.__dataclass_fields__})
    net = type(getattr(emoji_model, part))(getattr(emoji_model, part).config)
    net.load_state_dict(getattr(emoji_model, part).state_dict())
    for parameter in net.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.manual_seed(1))
    worse = ship.losses(replace(spoilt, **{part: net.eval()}), data)
    assert max(abs(a / b - 1) for a, b in zip(worse, ship.losses(emoji_model, data))) > 2 * before
