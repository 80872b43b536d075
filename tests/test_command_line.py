"""The flags of train.py: what they change, and what is refused."""

import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT

from diffusion.training.command_line import flags, parse_config
from diffusion.training.presets import PRESETS


def test_there_are_few_flags():
    assert len(flags()) <= 20
    help_text = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--help"], capture_output=True, text=True, timeout=60
    ).stdout
    assert all(f"{name} " in help_text for name in flags()) and "--time-limit SECONDS" in help_text


@pytest.mark.parametrize("preset", PRESETS)
def test_without_flags_the_preset_is_taken_as_it_is(preset):
    config = parse_config([preset])
    assert config.out == Path("runs") / preset and config == PRESETS[preset]


def test_flags_replace_values_of_the_preset():
    given = "--data-dir d --out o --total-images 5 --time-limit 1.5 --batch-size 2 --seed 7"
    given += (
        " --device cpu --compile blocks --channels-last --schedule linear --push-to-hub user/name --public"
    )
    config = parse_config(["folder", *given.split()])
    assert (config.stage.data.data_dir, config.out) == (Path("d"), Path("o"))
    assert (config.total_images, config.time_limit, config.batch_size, config.seed) == (5, 1.5, 2, 7)
    assert (config.device, config.compile, config.push_to_hub) == ("cpu", "blocks", "user/name")
    assert (config.channels_last, config.public, config.stage.schedule) == (True, True, "linear")
    assert config.stage.channels == PRESETS["folder"].stage.channels
    assert (config.stage.data.image_size, config.stage.init) == (64, None)
    config = parse_config(["emoji", "--emoji-font", "f", "--autoencoder", "a", "--text-encoder", "t"])
    assert (config.stage.autoencoder, config.stage.text_encoder) == (Path("a"), Path("t"))
    assert config.stage.data == replace(PRESETS["emoji"].stage.data, emoji_font=Path("f"))


@pytest.mark.parametrize(
    "flags",
    [
        "unknown",
        "",
        "mnist --total-images 0",
        "mnist-student --init=",
        "mnist-student --out checkpoints/mnist",
        "mnist --total-images many",
        "mnist --batch-size 0",
        "mnist --seed -1",
        f"mnist --seed {2**32}",
        "mnist --time-limit 0",
        "mnist --time-limit nan",
        "mnist --minutes 0",
        "mnist --schedule cubic",
        "mnist --compile everything",
        "mnist --public",
        "mnist --device quantum",
        "mnist --channels 3",
        "mnist --init=",
        "cats --init checkpoints/cats --out ./checkpoints/../checkpoints/cats/",
        "emoji-mini-text --push-to-hub user/name",
        "emoji-autoencoder --push-to-hub user/name",
        "cats-words-text --push-to-hub user/name",
        "cats-words-autoencoder --push-to-hub user/name",
    ],
)
def test_wrong_flags_are_refused(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_config(flags.split())
    assert caught.value.code == 2 and "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("preset", "flag", "value"),
    [
        ("mnist", "--emoji-font", "f"),
        ("folder", "--autoencoder", "a"),
        ("emoji", "--data-dir", "d"),
        ("emoji-autoencoder", "--schedule", "linear"),
        ("emoji-mini-text", "--text-encoder", "t"),
        ("emoji", "--init", "checkpoints/emoji"),
        ("cats", "--image-size", "32"),
        ("emoji", "--image-size", "64"),
        ("cats-words-text", "--autoencoder", "a"),
        ("cats-words-autoencoder", "--schedule", "linear"),
    ],
)
def test_a_flag_that_means_nothing_to_a_preset_is_refused(preset, flag, value, capsys):
    with pytest.raises(SystemExit):
        parse_config([preset, flag, value])
    assert f"error: {flag} means nothing to the preset {preset}\n" in capsys.readouterr().err


def test_the_batch_is_shared_evenly_between_processes(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(SystemExit):
        parse_config(["mnist"])
    assert "--batch-size must be a multiple of the 3 processes" in capsys.readouterr().err
    assert parse_config(["mnist", "--batch-size", "126"]).batch_size == 126


def test_a_folder_is_found_in_whatever_unicode_form_it_is_typed(tmp_path):
    folder = tmp_path / unicodedata.normalize("NFD", "사진")
    folder.mkdir()
    assert parse_config(["folder", "--data-dir", str(tmp_path / "사진")]).stage.data.data_dir == folder
