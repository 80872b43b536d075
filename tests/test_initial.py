"""`train.py PRESET --init CHECKPOINT`: a run begins with the averaged weights of another model."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cat_models import few_cats, model_of
from conftest import ROOT, randomised
from hub_server import HubServer
from pictures import write_photos
from tiny_runs import images_seen, said_by, state
from training import environment

import train
from diffusion import CheckpointError, Model, UNet, UNetConfig, cosine_schedule, load_model, save_model
from diffusion.training.command_line import parse_config
from diffusion.training.initial import begin_with, origin
from diffusion.training.presets import PRESETS
from diffusion.ui.parts.credit import credit_of_drawn, credit_of_examples

SHAPE = UNetConfig(3, 32, (1, 2), 1, (1,), num_classes=3, patch_size=2)
PETS = ("cat", "dog", "mouse")


def a_model(config: UNetConfig = SHAPE, classes: tuple[str, ...] | None = PETS) -> Model:
    net = randomised(UNet(config))
    side = config.factor
    shape = (config.in_channels, side, side)
    return Model("pets", net, "cosine", cosine_schedule(), "v", shape, classes)


def begun(classes: tuple[str, ...] | None, model: Model) -> UNet:
    net = UNet(replace(SHAPE, num_classes=classes and len(classes), dropout=0.1)).eval()
    begin_with(net, "v", classes, model)
    return net


@torch.no_grad()
def output(net: UNet, label: int | None = None) -> torch.Tensor:
    x_t = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return net(x_t, torch.tensor([300.0]), None if label is None else torch.tensor([label]))


def test_classes_of_the_same_name_are_kept_wherever_they_stand_and_new_ones_begin_as_none():
    model = a_model()
    net = begun(("ant", "dog", "cat", "yak"), model)
    for label, theirs in ((0, 3), (1, 1), (2, 0), (3, 3), (4, 3), (None, None)):
        assert torch.equal(output(net, label), output(model.net, theirs))
    assert not torch.equal(output(net, 1), output(net, 2))


def test_a_run_without_classes_begins_as_the_model_is_without_a_class():
    model = a_model()
    assert torch.allclose(output(begun(None, model)), output(model.net), atol=1e-5)
    assert not torch.allclose(output(begun(None, model)), output(model.net, 0), atol=1e-3)


def test_a_model_without_classes_is_what_every_class_begins_with():
    model = a_model(replace(SHAPE, num_classes=None), None)
    net = begun(PETS, model)
    assert all(torch.equal(output(net, label), output(model.net)) for label in (0, 1, 2, 3, None))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"in_channels": 1}, "channels of a picture 1 instead of 3"),
        ({"patch_size": 1}, "pixels along a patch 1 instead of 2"),
        ({"channels": 64}, "width 64 instead of 32"),
        ({"channel_mult": (1, 1, 2)}, "widths of the levels in units of that 1 1 2 instead of 1 2"),
        ({"blocks_per_level": 2}, "blocks on a level 2 instead of 1"),
        ({"attention_levels": ()}, "levels that attend none instead of 1"),
    ],
)
def test_what_differs_is_said_in_words_and_nothing_is_changed(changes, said):
    net = UNet(SHAPE)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        begin_with(net, "v", PETS, a_model(replace(SHAPE, **changes)))
    beginning = "pets is another network than this run's, which cannot begin with it: "
    assert str(caught.value) == f"{beginning}{said}."
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_all_differences_are_said():
    with pytest.raises(CheckpointError, match="width 64 instead of 32, output v instead of epsilon.$"):
        begin_with(UNet(SHAPE), "epsilon", PETS, a_model(replace(SHAPE, channels=64)))


def test_a_model_told_by_text_is_refused(model):
    with pytest.raises(CheckpointError, match=f"^{model.name} is told by text: a run on pictures cannot"):
        begin_with(UNet(SHAPE), "v", None, model)


def test_the_learning_rate_is_half_and_falls_all_the_way():
    config, preset = parse_config(["cats", "--init", "checkpoints/cats"]), PRESETS["cats"]
    assert config.learning_rate == preset.learning_rate / 2 and config.decay == 1 - config.warmup
    rates = [train.learning_rate(round(share * config.total_images), config) for share in (0, 0.02, 0.51, 1)]
    assert rates == pytest.approx([0, 5e-4, 2.5e-4, 0], abs=1e-7)
    assert config == replace(
        preset,
        learning_rate=config.learning_rate,
        decay=config.decay,
        stage=replace(preset.stage, init="checkpoints/cats"),
    )


def test_one_s_own_pictures_begin_with_the_shipped_cats():
    """All presets whose network is the shipped one's."""
    model = load_model(ROOT / "checkpoints/cats")
    for preset, classes in (("cats", model.classes), ("folder", ("nothing", "sofa")), ("folder", None)):
        net = UNet(PRESETS[preset].stage.unet(3, num_classes=classes and len(classes))).eval()
        begin_with(net, "v", classes, model)
        assert torch.allclose(output(net), output(model.net), atol=1e-3)  # rounding: a bias is a sum now


# Runs


@pytest.fixture
def digits(tiny, tmp_path) -> Path:
    """What a tiny run of digits left."""
    return tiny("--total-images", "16", out=tmp_path / "digits")


def test_weights_and_their_averages_begin_there(tiny, digits):
    out = tiny("--init", str(digits), "--time-limit", "1e-9")
    weights, begun = load_model(digits).net.state_dict(), state(out)
    for name, weight in weights.items():
        assert torch.equal(begun[f"net.{name}"], weight) and torch.equal(begun[f"ema.{name}"], weight)
    assert all(
        torch.equal(load_model(out).net.state_dict()[name], weight) for name, weight in weights.items()
    )


def test_the_card_says_what_it_began_with_and_not_where_that_lies(tiny, digits, tmp_path):
    out = tiny("--init", str(digits), "--total-images", "16")
    card = (out / "README.md").read_text("utf-8")
    assert "A diffusion model begun with the weights of digits and trained on MNIST" in card
    assert "\n| init | digits |\n" in card and str(tmp_path) not in card
    assert str(tmp_path) not in (out / "config.json").read_text("utf-8")
    assert "trained from scratch on MNIST" in (digits / "README.md").read_text("utf-8")


def test_whose_pictures_it_began_with_is_told_when_it_is_resumed_and_passed_on(tiny, digits, tmp_path):
    """Even where the checkpoint that it began with is gone, and by the name of each alone."""
    out = tiny("--init", str(digits), "--total-images", "24", "--time-limit", "1e-9")
    (out / "config.json").unlink()  # as after a run that was killed
    gone = digits.rename(tmp_path / "gone")
    tiny("--total-images", "24")
    again = tiny("--init", str(out), "--total-images", "16", out=tmp_path / "again")
    first = {key: load_model(gone).about[key] for key in ("data", "licence")}
    assert "began_with" not in load_model(gone).about
    told = [{"name": "run"} | first, {"name": "digits"} | first]
    assert load_model(again).about["began_with"] == told and load_model(out).about["began_with"] == told[1:]
    assert str(tmp_path) not in (again / "config.json").read_text("utf-8")
    card = (again / "README.md").read_text("utf-8")
    assert "begun with the weights of run and trained on MNIST" in card
    assert "\nBegun with" not in card  # it is the same data


def test_one_s_own_pictures_begun_with_the_cats_name_who_drew_those(tiny, pets, tmp_path):
    """On the card and beside what is drawn; and so does what begins with that."""
    cats = few_cats()
    net = UNet(parse_config(["folder"]).stage.unet(3, len(cats.classes)))
    save_model(tmp_path / "cats", replace(model_of(cats), net=net))
    for out, init in (("mine", "cats"), ("more", "mine")):
        flags = ["--data-dir", str(pets), "--out", str(tmp_path / out), "--total-images", "8"]
        train.main(["folder", *flags, "--init", str(tmp_path / init)])
        model, card = load_model(tmp_path / out), (tmp_path / out / "README.md").read_text("utf-8")
        assert card.count("\nBegun with the weights of ") == 1
        assert "\nBegun with the weights of cats, trained on cats by David Revoy (CC BY 4.0)." in card
        assert "\nlicense: other\n" in card and "Weights: as the data allows" in card
        assert credit_of_drawn(model) == "Begun with weights trained on cats by David Revoy, CC BY 4.0."
        assert credit_of_examples(model) == ""


def test_a_run_goes_on_with_and_without_its_init_even_when_that_is_gone(tiny, digits, tmp_path):
    whole = state(tiny("--init", str(digits), "--total-images", "24", out=tmp_path / "whole"))
    out = tiny("--init", str(digits), "--total-images", "24", "--time-limit", "1e-9")
    moved = digits.rename(tmp_path / "elsewhere")
    tiny("--total-images", "24", "--time-limit", "1e-9")  # as the state says
    (tmp_path / "moved").mkdir()
    moved = Path(shutil.move(moved, tmp_path / "moved/digits"))
    tiny("--init", str(moved), "--total-images", "24")
    assert images_seen(out) == 24
    resumed = state(out)
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


@pytest.mark.parametrize("first", ["with", "without"])
def test_another_init_is_refused_by_name(tiny, digits, tmp_path, first):
    other = Path(shutil.copytree(digits, tmp_path / "others"))
    begun_so = ("--init", str(digits)) if first == "with" else ()
    out = tiny(*begun_so, "--total-images", "24", "--time-limit", "1e-9")
    said = said_by(lambda: tiny("--init", str(other), "--total-images", "24"))
    assert said == f"train.py: {out} holds a run with another init: choose another --out."


def test_a_checkpoint_that_cannot_be_used_is_named_before_anything_is_written(tiny, digits, tmp_path, model):
    out = tmp_path / "run"
    (digits / "model.safetensors").write_bytes(b"broken")
    broken = said_by(lambda: tiny("--init", str(digits)))
    assert broken == f"train.py: {digits}/model.safetensors is truncated or not a safetensors file."
    nowhere = said_by(lambda: tiny("--init", str(tmp_path / "nowhere")))
    assert nowhere == f"train.py: {tmp_path}/nowhere is neither a folder nor a Hub repo like user/name."
    assert "is told by text" in said_by(lambda: tiny("--init", str(model.folder)))
    assert not (out / "state.safetensors").exists()


def test_digits_are_no_beginning_of_coloured_pictures(tiny, digits, tmp_path):
    write_photos(tmp_path / "photos")
    flags = ["--data-dir", str(tmp_path / "photos"), "--out", str(tmp_path / "o"), "--init", str(digits)]
    said = said_by(lambda: train.main(["folder", *flags]))
    assert "digits is another network than this run's" in said
    assert "channels of a picture 1 instead of 3, pixels along a patch 1 instead of 2" in said


def test_one_folder_of_pictures_begins_with_another(tiny, tmp_path):
    """Of the classes, in whatever order, those are known that have the same names."""
    for data, names in (("first", ("cat", "dog")), ("second", ("ant", "dog"))):
        for name in names:
            write_photos(tmp_path / data / name)
    first = ["--data-dir", str(tmp_path / "first"), "--out", str(tmp_path / "a"), "--total-images", "16"]
    train.main(["folder", *first])
    second = ["--data-dir", str(tmp_path / "second"), "--out", str(tmp_path / "b"), "--time-limit", "1e-9"]
    train.main(["folder", *second, "--init", str(tmp_path / "a")])
    cat, dog, none = load_model(tmp_path / "a").net.class_embedding.weight
    ant, again, nothing = load_model(tmp_path / "b").net.class_embedding.weight
    assert torch.equal(again, dog) and torch.equal(nothing, none) and torch.equal(ant, none)
    assert not torch.equal(cat, none)


def test_a_run_begins_with_a_repo_of_the_hub_whose_whole_name_it_keeps(data_dir, digits, tmp_path):
    with HubServer() as hub:
        env = environment(**hub.environment(tmp_path / "cache"))
        push = f"from diffusion import push_to_hub; push_to_hub({str(digits)!r}, 'user/digits')"
        subprocess.run([sys.executable, "-c", push], env=env, check=True, cwd=tmp_path)
        command = [sys.executable, str(ROOT / "tests/training.py"), "mnist", "--data-dir", str(data_dir)]
        command += ["--out", str(tmp_path / "run"), "--total-images", "16", "--init", "user/digits"]
        subprocess.run(command, env=env, check=True, cwd=tmp_path)
    assert load_model(tmp_path / "run").about["settings"]["init"] == "user/digits"
    assert "begun with the weights of user/digits" in (tmp_path / "run/README.md").read_text("utf-8")


def test_a_checkpoint_has_one_name_however_its_folder_is_written(tmp_path, monkeypatch):
    save_model(tmp_path / "pets", a_model())
    monkeypatch.chdir(tmp_path)
    for written in ("pets", "./pets/", str(tmp_path / "pets"), os.path.join("pets", "..", "pets")):
        assert origin(written) == "pets"
    monkeypatch.chdir(tmp_path / "pets")
    assert origin(".") == "pets" and origin("user/pets") == "user/pets"
    assert json.dumps(origin(str(tmp_path / "pets"))) == '"pets"'
