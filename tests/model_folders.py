"""What tests of a model's folder share: changing it, and how a refusal reads."""

import json
from pathlib import Path

import pytest
import torch

from diffusion import Model
from diffusion.models.folder import CheckpointError, load_folder


def changed_config(folder: Path, part: str | None, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (config if part is None else config[part]).update(changes)
    (folder / "config.json").write_text(json.dumps(config))


def same_weights(model: Model, other: Model) -> bool:
    mine, others = model.net.state_dict(), other.net.state_dict()
    return mine.keys() == others.keys() and all(torch.equal(mine[k], others[k]) for k in mine)


def assert_same_attributes(model: Model, other: Model) -> None:
    """All but the networks."""
    for name in ("name", "schedule_name", "prediction", "sample_shape", "classes", "about"):
        assert getattr(model, name) == getattr(other, name)
    assert torch.equal(model.schedule.alphas_cumprod, other.schedule.alphas_cumprod)


def assert_same_model(model: Model, other: Model) -> None:
    """Of 1 × 16 × 16 pixels and three classes: the same in all that it is and does."""
    assert same_weights(model, other)
    assert_same_attributes(model, other)
    x_t, t, labels = torch.randn(2, 1, 16, 16), torch.tensor([7, 900]), torch.tensor([0, 2])
    denoisers = (each.denoiser(class_labels=labels, guidance_scale=2.0) for each in (model, other))
    assert torch.equal(*(denoise(x_t, t) for denoise in denoisers))


def refused(folder: Path, *, naming: str, saying: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_folder(folder)
    message = str(caught.value)
    assert naming in message and saying in message and "\n" not in message
    assert str(folder) in message and message.endswith(".")
