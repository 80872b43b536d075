"""Weights are read after the first page, or when one is needed; a broken one is said where it is used."""

import urllib.request

import pytest
import safetensors.torch
import torch
from conftest import running_app
from gradio_client.exceptions import AppError
from web import client_of

from diffusion import CheckpointError, save_model
from diffusion.models.folder import load_folder

REQUEST = (0, "ddim", 2, "", "", 1.0, 1)


def test_a_described_model_gets_its_weights_when_it_is_moved(tiny_model, tmp_path):
    save_model(tmp_path / "tiny", tiny_model)
    described = load_folder(tmp_path / "tiny", "meta")
    assert described.device.type == "meta" and described.classes == tiny_model.classes
    assert described.to("cpu") is described and described.device.type == "cpu"
    for name, weight in tiny_model.net.state_dict().items():
        assert torch.equal(described.net.state_dict()[name], weight)
    assert not described.net.training and not any(p.requires_grad for p in described.net.parameters())


def test_what_can_be_seen_without_reading_weights_is_said_at_once(tiny_model, tmp_path):
    save_model(tmp_path / "tiny", tiny_model)
    file = tmp_path / "tiny/model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="truncated"):
        load_folder(tmp_path / "tiny", "meta")


@pytest.mark.parametrize("seen", [True, False])
def test_weights_that_are_no_numbers_are_told_in_the_log_and_at_their_first_use(tiny_model, tmp_path, seen):
    """Whether a page was shown before, after which they are read, or not."""
    for name in ("broken", "whole"):
        save_model(tmp_path / name, tiny_model)
    file = tmp_path / "broken/model.safetensors"
    weights = safetensors.torch.load_file(file)
    weights["conv_in.bias"][0] = torch.nan
    safetensors.torch.save_file(weights, file)
    with running_app(tmp_path, tmp_path / "broken", tmp_path / "whole") as running:
        if seen:
            urllib.request.urlopen(running.url).read()
        client = client_of(running.url)
        with pytest.raises(AppError, match="weights of the checkpoint broken cannot be used"):
            client.predict("broken", *REQUEST, api_name="/denoise")
        _, about = client.predict("whole", *REQUEST, api_name="/denoise")
        assert about["model"] == "whole"
        assert f"{file} holds weights that are not finite." in running.log.read_text()
        assert not running.logged_traceback()
