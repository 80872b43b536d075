import json
import shutil
import unicodedata
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import randomised
from model_folders import assert_same_attributes, assert_same_model, changed_config, refused

from diffusion import LatentModel, Model, UNet, UNetConfig, cosine_schedule, load_model
from diffusion.models.folder import CheckpointError, load_folder, save_model


@pytest.fixture
def saved(tiny_model, tmp_path) -> Path:
    save_model(tmp_path / "tiny", tiny_model)
    return tmp_path / "tiny"


def test_save_and_load_is_bitwise(tiny_model, saved):
    assert_same_model(load_folder(saved), tiny_model)


def test_a_model_told_by_text_comes_back_bitwise(model):
    loaded = load_folder(model.folder)
    assert isinstance(loaded, LatentModel)
    assert_same_attributes(loaded, model)
    assert loaded.tokenizer.to_str() == model.tokenizer.to_str() and loaded.folder == model.folder
    for prefix, part in model.parts().items():
        weights = loaded.parts()[prefix].state_dict()
        assert all(torch.equal(weights[name], weight) for name, weight in part.state_dict().items())
    x_t, t = torch.randn(1, *model.sample_shape), torch.tensor([700])
    denoisers = (each.denoiser(prompts=["red heart"], guidance_scale=2.0) for each in (loaded, model))
    assert torch.equal(*(denoise(x_t, t) for denoise in denoisers))


def test_a_loaded_model_does_not_learn(saved):
    net = load_folder(saved).net
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_shipped_weights_take_half_the_room_and_load_as_float32(tiny_model, saved, tmp_path):
    save_model(tmp_path / "half", tiny_model, torch.float16)
    full, half = ((f / "model.safetensors").stat().st_size for f in (saved, tmp_path / "half"))
    assert half < 0.6 * full
    weights, original = load_folder(tmp_path / "half").net.state_dict(), tiny_model.net.state_dict()
    assert all(w.dtype == torch.float32 for w in weights.values())
    assert all(torch.equal(weights[k], original[k].half().float()) for k in weights)


def test_weights_that_do_not_fit_the_type_are_not_written(tiny_model, saved):
    before = (saved / "model.safetensors").read_bytes()
    too_large = replace(tiny_model, net=deepcopy(tiny_model.net))  # all tests share the tiny model
    with torch.no_grad():
        next(too_large.net.parameters()).fill_(1e6)
    with pytest.raises(CheckpointError, match="not finite in torch.float16"):
        save_model(saved, too_large, torch.float16)
    assert (saved / "model.safetensors").read_bytes() == before


# What is refused, and by which name


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(saved, missing):
    (saved / missing).unlink()
    refused(saved, naming=missing, saying="has no")


def test_a_folder_that_is_not_there_is_no_checkpoint(tmp_path):
    refused(tmp_path / "nowhere", naming="nowhere", saying="not a checkpoint")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000, b"NaN", b"[]", b'"text"', b"null", b"{}"],
)
def test_a_config_that_is_no_description(saved, content):
    (saved / "config.json").write_bytes(content)
    refused(saved, naming="config.json", saying="")


WRONG = [
    ("unet", {"channels": 10**9}),
    ("unet", {"channels": 33}),
    ("unet", {"channels": -32}),
    ("unet", {"channels": True}),
    ("unet", {"channels": 32.0}),
    ("unet", {"channels": 96}),  # attention over 96 channels
    ("unet", {"blocks_per_level": 10**9}),
    ("unet", {"blocks_per_level": 0}),
    ("unet", {"in_channels": 10**9}),
    ("unet", {"in_channels": 3}),
    ("unet", {"channel_mult": []}),
    ("unet", {"channel_mult": [1] * 1000}),
    ("unet", {"channel_mult": [1, 10**6]}),
    ("unet", {"channel_mult": [1, "2"]}),
    ("unet", {"channel_mult": 2}),
    ("unet", {"channel_mult": {"1": 1}}),
    ("unet", {"attention_levels": [7]}),
    ("unet", {"attention_levels": [-1]}),
    ("unet", {"dropout": 1.0}),
    ("unet", {"dropout": "none"}),
    ("unet", {"num_classes": 10**9}),
    ("unet", {"num_classes": 4}),
    ("unet", {"num_classes": None}),
    ("unet", {"context_dim": -1}),
    ("unet", {"sketch_side": 16}),  # of no text
    ("unet", {"patch_size": 0}),
    ("unet", {"patch_size": -2}),
    ("unet", {"patch_size": 10**9}),
    ("unet", {"patch_size": "2"}),
    ("unet", {"patch_size": [2]}),
    ("unet", {"patch_size": 16}),  # 16×16 pixels would be one, which has no half
    ("unet", {"surprise": 1}),
    (None, {"unet": []}),
    (None, {"unet": None}),
    ("schedule", {"num_timesteps": 10**9}),
    ("schedule", {"num_timesteps": 1}),
    ("schedule", {"num_timesteps": "1000"}),
    ("schedule", {"name": "quadratic"}),
    ("schedule", {"name": ["cosine"]}),
    (None, {"schedule": "cosine"}),
    (None, {"prediction": "everything"}),
    (None, {"prediction": None}),
    (None, {"sample_shape": [1, 10**6, 10**6]}),
    (None, {"sample_shape": [1, 15, 16]}),
    (None, {"sample_shape": [3, 16, 16]}),
    (None, {"sample_shape": [1, 16]}),
    (None, {"sample_shape": []}),
    (None, {"sample_shape": 16}),
    (None, {"classes": ["a", "b"]}),
    (None, {"classes": "abc"}),
    (None, {"classes": None}),
    (None, {"about": []}),
]


@pytest.mark.parametrize("part, changes", WRONG, ids=[f"{part}-{changes}"[:60] for part, changes in WRONG])
def test_a_config_of_no_network(saved, part, changes):
    changed_config(saved, part, **changes)
    refused(saved, naming="config.json", saying="does not describe a model")


@pytest.mark.parametrize("key", ["unet", "schedule", "prediction", "sample_shape", "classes"])
def test_a_config_without(saved, key):
    config = json.loads((saved / "config.json").read_text())
    del config[key]
    (saved / "config.json").write_text(json.dumps(config))
    refused(saved, naming="config.json", saying=f"'{key}' is missing")


@pytest.mark.parametrize("changes", [{"channels": 64}, {"patch_size": 2}])
def test_another_networks_config(saved, changes):
    changed_config(saved, "unet", **changes)
    refused(saved, naming="model.safetensors", saying="another network")


def test_a_config_from_before_there_were_patches(tiny_model, saved):
    config = json.loads((saved / "config.json").read_text())
    assert config["unet"].pop("patch_size") == 1
    (saved / "config.json").write_text(json.dumps(config))
    assert_same_model(load_folder(saved), tiny_model)


def test_a_network_of_patches_comes_back_bitwise(tmp_path):
    net = randomised(UNet(UNetConfig(3, 32, (1,), 1, (), patch_size=3)))
    model = Model("patches", net, "cosine", cosine_schedule(), "v", (3, 9, 12))
    save_model(tmp_path / "patches", model)
    loaded = load_folder(tmp_path / "patches")
    x_t, t = torch.randn(1, 3, 9, 12), torch.tensor([500])
    assert loaded.net.config == net.config
    assert all(map(torch.equal, loaded.net.state_dict().values(), net.state_dict().values()))
    assert torch.allclose(loaded.net(x_t, t), net(x_t, t), atol=1e-5)
    changed_config(tmp_path / "patches", None, sample_shape=[3, 9, 11])
    refused(tmp_path / "patches", naming="config.json", saying="sample_shape does not fit the network")


@pytest.fixture
def saved_text(model, tmp_path) -> Path:
    """A folder of a model told by text that a test may change."""
    return Path(shutil.copytree(model.folder, tmp_path / "text"))


@pytest.mark.parametrize(
    ("part", "changes", "saying"),
    [
        ("text", {"width": 128}, "the text encoder does not fit the network"),
        ("autoencoder", {"latent_channels": 5}, "the autoencoder does not fit the network"),
        ("unet", {"sketch_side": 16}, "sketch_side does not fit sample_shape"),
        ("unet", {"sketch_side": 9}, "sketch_side must be a multiple of 2"),
        ("unet", {"context_dim": None, "sketch_side": None}, "the text encoder does not fit the network"),
    ],
)
def test_parts_that_do_not_fit_are_named(saved_text, part, changes, saying):
    changed_config(saved_text, part, **changes)
    refused(saved_text, naming="config.json", saying=saying)


def test_a_sketch_that_the_network_was_trained_with_cannot_be_left_out(saved_text):
    changed_config(saved_text, "unet", sketch_side=None)
    refused(saved_text, naming="model.safetensors", saying="another network")


@pytest.mark.parametrize(
    ("missing", "saying"),
    [
        (["text"], "a text encoder and an autoencoder go together"),
        (["autoencoder"], "a text encoder and an autoencoder go together"),
        (["text", "autoencoder"], "told by text, and there is no text encoder"),
    ],
)
def test_a_part_that_is_missing_is_named(saved_text, missing, saying):
    config = json.loads((saved_text / "config.json").read_text())
    content = {key: value for key, value in config.items() if key not in missing}
    (saved_text / "config.json").write_text(json.dumps(content))
    refused(saved_text, naming="config.json", saying=saying)


def test_a_tokenizer_is_named_by_its_own_file(saved_text):
    file = saved_text / "tokenizer.json"
    whole = file.read_text()
    file.write_text("{}")
    refused(saved_text, naming="tokenizer.json", saying="is broken, or not a tokenizer")
    file.unlink()
    refused(saved_text, naming="tokenizer.json", saying="has no tokenizer.json")
    file.write_text(whole)
    changed_config(saved_text, "text", num_tokens=13)
    refused(saved_text, naming="tokenizer.json", saying="does not fit the text encoder")


def test_classes_that_a_mac_named_are_those_that_are_typed(tiny_model, tmp_path):
    """As older versions kept them, too."""
    names = tuple(unicodedata.normalize("NFD", name) for name in ("고양이", "é", "c"))
    folder = tmp_path / unicodedata.normalize("NFD", "모델")
    save_model(folder, replace(tiny_model, classes=names))
    model = load_model(tmp_path / "모델")
    assert model.classes == ("고양이", "é", "c") and model.name == "모델"
