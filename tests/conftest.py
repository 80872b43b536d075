"""What several tests share: schedules, a small random network, and the folder of the program."""

import os
from pathlib import Path

import pytest
import torch

from diffusion import UNet, UNetConfig, cosine_schedule, linear_schedule
from diffusion.checkpoint import Model

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
ROOT = Path(__file__).parent.parent


@pytest.fixture(params=["linear", "cosine"])
def schedule(request):
    return {"linear": linear_schedule, "cosine": cosine_schedule}[request.param]()


def randomised(net: torch.nn.Module) -> torch.nn.Module:
    """The network with its zero-initialised layers filled too, so that every part has an effect."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        if parameter.abs().sum() == 0:
            torch.nn.init.normal_(parameter, std=0.05)
    return net.eval().requires_grad_(False)


@pytest.fixture
def tiny_model() -> Model:
    """A 16×16, class-conditional network with random weights, for whatever needs no skill of it."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(1, 32, (1, 1), 1, (1,), num_classes=3))
    return Model("tiny", randomised(net), "cosine", cosine_schedule(), "v", (1, 16, 16), ("a", "b", "c"))
