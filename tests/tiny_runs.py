"""Runs of train.py with next to no weights, in this process, and what they leave."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from pictures import write_photos
from training import shrink, write_mnist

import train
from diffusion import load_model

EXPORTED = {  # by every run of diffusion on pictures with held-out ones
    "README.md",
    "config.json",
    "examples.png",
    "film.json",
    "film.dat",
    "log.jsonl",
    "metrics.json",
    "model.safetensors",
    "samples.png",
    "state.safetensors",
    "training.json",
    "training.png",
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder)
    return folder


@pytest.fixture
def pets(tmp_path) -> Path:
    """A folder of photos in two classes, two of each."""
    for name in ("cat", "dog"):
        write_photos(tmp_path / "pets" / name)
    return tmp_path / "pets"


@pytest.fixture
def tiny(monkeypatch, data_dir, tmp_path):
    """`train.py mnist` with a tiny network in this process: call it with further flags."""
    shrink(monkeypatch.setattr)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the test's own process keeps its handlers

    def run(*flags: str, out: Path = tmp_path / "run") -> Path:
        train.main(["mnist", "--data-dir", str(data_dir), "--out", str(out), *flags])
        return out

    return run


def said_by(run: Callable[[], Any]) -> str:
    """The one sentence with which a run ends that cannot be."""
    with pytest.raises(SystemExit) as caught:
        run()
    message = caught.value.code
    assert message.startswith("train.py: ") and message.endswith(".") and "\n" not in message
    return message


def state(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "state.safetensors")


def images_seen(folder: Path) -> int:
    with safetensors.safe_open(folder / "state.safetensors", "pt") as file:
        return json.loads(file.metadata()["meta"])["images_seen"]


def rows(folder: Path, name: str = "log.jsonl") -> list[dict]:
    return [json.loads(row) for row in (folder / name).read_text().splitlines()]


def settings(folder: Path) -> dict:
    return load_model(folder).about["settings"]
