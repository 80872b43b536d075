"""`train.py folder --image-size`: the size of one's own pictures, and with which network they are drawn."""

import json
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from tiny_runs import images_seen, said_by
from training import shrink

import train
from diffusion import UNet, load_model
from diffusion.films.folder import load_film
from diffusion.films.training_history import load_history
from diffusion.nets.step_cost import num_parameters, step_operations
from diffusion.training import pixel_stage
from diffusion.training.command_line import parse_config
from diffusion.training.presets import PRESETS

SIZES = (32, 64, 96, 128)


@pytest.fixture
def folder(tiny, pets, tmp_path):
    """`train.py folder` on them with a tiny network; returns the run's folder."""

    def run(*flags: str, out: Path = tmp_path / "run") -> Path:
        train.main(["folder", "--data-dir", str(pets), "--out", str(out), "--total-images", "16", *flags])
        return out

    return run


def rewritten_state(folder: Path, change) -> None:
    """Change the settings that a state holds."""
    file = folder / "state.safetensors"
    with safetensors.safe_open(file, "pt") as state:
        meta = json.loads(state.metadata()["meta"])
    change(meta["config"])
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file(tensors, file, {"meta": json.dumps(meta)})


@pytest.mark.parametrize("size", [32, 96, 128])
def test_a_picture_is_32_patches_wide_and_costs_much_the_same(size):
    config = parse_config(["folder", "--image-size", str(size)])
    shape = config.stage.unet(3)
    assert config.stage.data.image_size == size == 32 * shape.patch_size
    of_64 = parse_config(["folder"]).stage.unet(3)
    assert 0.95 < step_operations(shape, size, 0) / step_operations(of_64, 64, 0) < 1.2
    with torch.device("meta"):
        assert num_parameters(UNet(shape)) < 1.02 * num_parameters(UNet(of_64))


@pytest.mark.parametrize("size", range(32, 513, 32))
def test_a_patch_of_any_size_passes_through_the_networks_channels(size):
    shape = parse_config(["folder", "--image-size", str(size)]).stage.unet(3)
    assert size % shape.factor == 0 and shape.in_channels * shape.patch_size**2 < shape.channels


@pytest.mark.parametrize("size", ["0", "-32", "16", "33", "48", "100", "544"])
def test_a_size_that_fits_nothing_is_refused_by_name(size, capsys):
    with pytest.raises(SystemExit):
        parse_config(["folder", "--image-size", size])
    assert capsys.readouterr().err.endswith("error: --image-size must be a multiple of 32, up to 512\n")


@pytest.mark.parametrize("size", SIZES)
def test_a_run_of_every_size_leaves_model_samples_film_and_history(folder, size):
    out = folder("--image-size", str(size))
    model = load_model(out)
    assert model.image_shape == (3, size, size) and model.net.config.patch_size == size // 32
    history = load_history(out)
    assert history.examples.shape[1:3] == history.frames.shape[2:4] == (size, size)
    assert load_film(out).frames.shape[-3:-1] == (size, size)
    assert (out / "samples.png").exists()


def test_a_begun_run_goes_on_at_its_size_with_and_without_the_flag(folder):
    out = folder("--image-size", "96", "--time-limit", "1e-9")
    assert images_seen(out) == 0
    folder("--time-limit", "1e-9")
    folder("--image-size", "96")
    assert images_seen(out) == 16 and load_model(out).sample_shape == (3, 96, 96)


def old_settings(config: dict) -> None:
    """As before there was a choice: 32×32, and no patches."""
    del config["patch_size"], config["init"]


def older_settings(config: dict) -> None:
    old_settings(config)
    del config["image_size"]


@pytest.mark.parametrize("change", [old_settings, older_settings])
@pytest.mark.parametrize("flags", [(), ("--image-size", "32")])
def test_a_run_that_began_when_all_pictures_were_32_wide_goes_on(folder, change, flags):
    out = folder("--image-size", "32", "--time-limit", "1e-9")
    rewritten_state(out, change)
    folder(*flags)
    assert images_seen(out) == 16 and load_model(out).sample_shape == (3, 32, 32)


def test_a_run_of_another_network_than_todays_goes_on_with_its_own(folder, monkeypatch):
    out = folder("--image-size", "32", "--time-limit", "1e-9")
    monkeypatch.undo()
    shrink(monkeypatch.setattr)
    before = parse_config(["folder", "--out", str(out)])
    assert before.stage.channel_mult == (1,) and before.stage.patch_size == 1
    rewritten_state(out, lambda config: config.update(channel_mult=[1, 2, 2]))
    assert parse_config(["folder", "--out", str(out)]).stage.channel_mult == (1, 2, 2)


@pytest.mark.parametrize("change", [lambda config: None, older_settings])
def test_another_size_than_that_of_a_begun_run_is_refused_by_name(folder, change):
    out = folder("--image-size", "32", "--time-limit", "1e-9")
    rewritten_state(out, change)
    before = (out / "state.safetensors").read_bytes()
    said = said_by(lambda: folder("--image-size", "64"))
    assert said == f"train.py: {out} holds a run with another image_size: choose another --out."
    assert (out / "state.safetensors").read_bytes() == before


def test_the_folder_of_another_presets_run_says_so(folder, tiny):
    out = tiny("--time-limit", "1e-9")
    assert "holds a run with another " in (said := said_by(folder)) and "preset" in said
    assert images_seen(out) == 0


def test_cats_of_128_pixels_take_their_parts_along_at_that_size(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_stage, "HELD_OUT_IMAGES", 4)
    train.main(["cats128", "--out", str(tmp_path / "run"), "--total-images", "8"])
    model = load_model(tmp_path / "run")
    assert model.cats.image_shape == model.sample_shape == (3, 128, 128) and len(model.classes) == 16
    assert model.net.config.patch_size == 4
    assert "trained from scratch on cats by David Revoy" in (tmp_path / "run/README.md").read_text("utf-8")
    assert load_history(tmp_path / "run").examples.shape[1] == load_film(tmp_path / "run").frames.shape[-2]


def test_a_larger_network_costs_about_what_that_of_photographs_does():
    """So that a GPU sees three million pictures in about five minutes, as it does with CIFAR-10."""
    photographs = step_operations(PRESETS["cifar10"].stage.unet(3, 10), 32, 0)
    for preset, size in (("cats-large", 64), ("cats128", 128)):
        shape = PRESETS[preset].stage.unet(3, 16)
        assert 1 < step_operations(shape, size, 0) / photographs < 1.1
