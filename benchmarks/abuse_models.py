"""The models that are shown while the program is abused: those of the tests, which draw in no time."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.abuse_server import ROOT
from diffusion import UNet, UNetConfig, cosine_schedule, make_film, save_film, save_model
from diffusion.models.model import Model
from diffusion.schedules import SCHEDULES


def save_models(folder: Path) -> str:
    """Two untrained networks of pixels, one for each schedule, and one that is told by text.

    Returns:
        Their folders, as the environment variable MODEL names them.
    """
    sys.path.append(str(ROOT / "tests"))
    from conftest import randomised, record
    from text_models import save_text_model

    torch.manual_seed(0)
    net = randomised(UNet(UNetConfig(1, 32, (1, 1), 1, (1,), num_classes=3)))
    tiny = Model("tiny", net, "cosine", cosine_schedule(), "v", (1, 16, 16), ("a", "b", "c"))
    for name, schedule in (("tiny", "cosine"), ("linear", "linear")):
        path = folder / name
        about = {"settings": {"schedule": schedule, "seed": 0}, "data": "noise", "images_seen": 64}
        model = replace(tiny, schedule_name=schedule, schedule=SCHEDULES[schedule](), about=about)
        save_model(path, model)
        save_film(path, make_film(model, seed=0, num_images=3, num_steps=6))
    record(folder / "tiny", tiny)
    save_text_model(folder / "tiny-text")
    return ",".join(str(folder / name) for name in ("tiny", "linear", "tiny-text"))
