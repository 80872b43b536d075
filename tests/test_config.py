"""The settings of a run: a preset has those that mean something to it, and a card tells no others."""

import json

import pytest
from conftest import ROOT

from diffusion.training.config import default_settings, fixed_settings
from diffusion.training.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_card_tells_of_a_run_is_true_of_it(preset):
    """No setting of another stage: only fields of what the config itself holds, by names known before."""
    config = PRESETS[preset]
    settings = fixed_settings(config)
    before = json.loads((ROOT / "tests/fixtures/settings.json").read_text())[preset]
    if preset == "folder":  # which makes larger pictures than it did
        before |= {"image_size": 64, "patch_size": 2, "channel_mult": [1, 1, 2]}
    assert settings.items() <= (default_settings(config) | before).items()
    assert settings["preset"] == preset and settings["stage"] == before["stage"]
    text = {"text_width", "text_layers", "num_tokens", "vocabulary_size"}
    assert (text <= settings.keys()) is (settings["stage"] in ("matching", "parts"))
    assert ("schedule" in settings) is (settings["stage"] in ("diffusion", "student", "text"))
    assert ("latent_channels" in settings) is (settings["stage"] == "autoencoder")
    assert ("image_size" in settings) is (preset not in ("mnist", "mnist-student", "cifar10"))


@pytest.mark.parametrize("folder", sorted((ROOT / "checkpoints").iterdir()), ids=lambda folder: folder.name)
def test_what_shipped_cards_tell_is_true_too(folder):
    settings = json.loads((folder / "config.json").read_text("utf-8"))["about"]["settings"]
    parts = {"autoencoder", "text_encoder"} if settings.get("stage") == "text" else set()
    assert settings.keys() <= fixed_settings(PRESETS[settings["preset"]]).keys() | parts
    if (folder / "README.md").exists():
        table = (folder / "README.md").read_text("utf-8").split("| --- | --- |\n")[1]
        assert [row for row in table.splitlines() if row.startswith("|")] == [
            f"| {name} | {value} |" for name, value in settings.items()
        ]
