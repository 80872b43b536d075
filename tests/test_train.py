"""A run of train.py: its learning rate, what it leaves, what goes wrong."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from PIL import Image
from tiny_runs import EXPORTED, images_seen, rows, said_by, settings, state
from training import environment

import train
from diffusion import load_film, load_model
from diffusion.training import distributed, progress
from diffusion.training.presets import PRESETS
from train import learning_rate


@pytest.mark.parametrize("preset", PRESETS)
def test_the_learning_rate_rises_stays_and_ends_at_zero(preset):
    config = PRESETS[preset]
    rates = [learning_rate(round(config.total_images * i / 1000), config) for i in range(1001)]
    assert rates[0] == rates[-1] == 0 and max(rates) == config.learning_rate
    top = [i for i, rate in enumerate(rates) if rate == config.learning_rate]
    assert top[0] == pytest.approx(1000 * config.warmup, abs=1)
    assert top[-1] == pytest.approx(1000 * (1 - config.decay), abs=1)
    assert rates[: top[0]] == sorted(rates[: top[0]])
    assert rates[top[-1] :] == sorted(rates[top[-1] :], reverse=True)
    assert learning_rate(config.total_images + 1, config) == 0


def test_a_run_leaves_a_model_in_the_layout_of_the_hub(tiny, capfd, monkeypatch):
    monkeypatch.setattr(train, "MIN_IMAGES_PER_GRID", 80)
    out = tiny()
    printed = capfd.readouterr()
    assert printed.out.splitlines()[:2] == [
        "60 pictures, 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        f"mnist: 160 images → {out}",
    ]
    assert printed.out.splitlines()[-1] == f"160 images, {out}"
    assert {p.name for p in out.iterdir()} == EXPORTED | {"samples"}
    assert sorted(p.name for p in (out / "samples").iterdir()) == ["000000080.png", "000000160.png"]
    model = load_model(out)
    assert model.name == "run" and model.sample_shape == (1, 28, 28) and model.classes == tuple("0123456789")
    averages = {k[4:]: v for k, v in state(out).items() if k.startswith("ema.")}
    assert all(torch.equal(v, averages[k]) for k, v in model.net.state_dict().items())
    film = load_film(out)
    assert film.frames.shape == (3, 3, 2, 28, 28, 1) and film.info["model"] == "run"
    assert Image.open(out / "samples.png").size == (2 * 28, 2 * 28)
    assert rows(out)[-1]["images_seen"] == 160 and rows(out)[-1]["learning_rate"] == 0
    assert rows(out)[0].keys() == {
        "images_seen",
        "loss",
        "learning_rate",
        "images_per_second",
        "tflops",
        "share_of_peak",
    }


def test_the_model_card_is_filled_in(tiny):
    card = (tiny() / "README.md").read_text("utf-8")
    metrics = json.loads((tiny() / "metrics.json").read_text("utf-8"))
    assert "the first 6 test images of MNIST" in metrics["bits/dim"] and metrics["bits/dim"] in card
    for told in (
        "CC BY-SA 3.0",
        "160 images on a CPU",
        "samples.png",
        "film.dat",
        "load_model",
        "| seed | 0 |",
    ):
        assert told in card
    assert "{" not in card.replace("{name}", "")


def test_a_length_that_is_no_multiple_of_the_batch(tiny):
    out = tiny("--total-images", "21")
    assert images_seen(out) == 24 and load_model(out).about["images_seen"] == 24
    assert rows(out)[-1]["learning_rate"] == 0


def test_a_folder_without_classes_trains_an_unconditional_model(tiny, tmp_path, capfd):
    for i in range(4):
        Image.new("RGB", (40, 30), (60 * i, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"broken")
    out = tmp_path / "folder-run"
    flags = ["--data-dir", str(tmp_path), "--out", str(out), "--total-images", "16"]
    train.main(["folder", *flags])
    found, left_out, *_ = capfd.readouterr().out.splitlines()
    assert found == "4 pictures, no classes"
    assert left_out.startswith(f"Left out: {tmp_path}/broken.png: This file is not a readable picture")
    model = load_model(out)
    assert model.classes is None and model.sample_shape == (3, 64, 64)
    assert json.loads((out / "metrics.json").read_text()) == {}


def test_a_place_that_cannot_be_written(tiny):
    assert "/dev/null/x cannot be used: Not a directory" in said_by(lambda: tiny(out=Path("/dev/null/x")))


def test_a_place_that_cannot_be_made_is_refused_before_the_pictures_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    out = str(tmp_path / "file/run")
    flags = ["--data-dir", str(tmp_path / "nowhere"), "--out", out]
    assert f"{out} cannot be used: Not a directory" in said_by(lambda: train.main(["folder", *flags]))


def test_a_folder_that_is_not_there_or_empty(tmp_path):
    folder = tmp_path / "photos"
    flags = ["--out", str(tmp_path / "out"), "--data-dir", str(folder)]
    assert "photos is not a folder" in said_by(lambda: train.main(["folder", *flags]))
    folder.mkdir()
    assert "holds no readable picture" in said_by(lambda: train.main(["folder", *flags]))


@pytest.mark.parametrize("flags", [["--seed", "1"], ["--batch-size", "16"], ["--total-images", "161"]])
def test_a_run_with_other_settings_is_left_alone(tiny, flags):
    out = tiny("--time-limit", "1e-9")
    before = (out / "state.safetensors").read_bytes()
    name = flags[0][2:].replace("-", "_")
    assert f"holds a run with another {name}: choose another --out" in said_by(lambda: tiny(*flags))
    assert (out / "state.safetensors").read_bytes() == before


def test_a_broken_state_is_named(tiny):
    out = tiny("--time-limit", "1e-9")
    (out / "state.safetensors").write_bytes(b"broken")
    assert "state.safetensors is broken" in said_by(tiny)


@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_state(tiny, monkeypatch, tmp_path, part):
    step, clip = train.Run.step, torch.nn.utils.clip_grad_norm_

    def broken_step(run):
        if run.images_seen == 40:
            with torch.no_grad():
                run.net.conv_in.weight.fill_(float("nan"))
        return step(run)

    def broken_gradient(parameters, limit):
        return clip(parameters, limit) * (float("inf") if images_seen(tmp_path / "run") == 40 else 1)

    if part == "loss":
        monkeypatch.setattr(train.Run, "step", broken_step)
    else:
        monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", broken_gradient)
    assert "not finite at step 6; what was saved is from before" in said_by(tiny)
    assert images_seen(tmp_path / "run") == 40
    assert all(value.isfinite().all() for value in state(tmp_path / "run").values())


FULL_DISK = """
import resource, signal, sys
import train
from training import shrink
shrink(setattr)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
step = train.Run.step
def step_and_fill(run):
    if run.images_seen == 40:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    return step(run)
train.Run.step = step_and_fill
train.main()
"""


def test_a_disk_that_fills_up_stops_the_run_and_keeps_the_state(data_dir, tmp_path):
    """The kernel refuses to let any file grow beyond 100 kB, from the sixth step on."""
    flags = ["mnist", "--data-dir", str(data_dir), "--out", str(tmp_path / "run")]
    env = environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *flags], capture_output=True, text=True, env=env, timeout=60
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"train.py: {tmp_path / 'run/state.safetensors'} cannot be used: File too large." in done.stderr
    assert images_seen(tmp_path / "run") == 40
    assert EXPORTED > set(os.listdir(tmp_path / "run")) >= {"state.safetensors", "log.jsonl"}


@pytest.fixture
def steps(monkeypatch) -> list[int]:
    """The images seen before each step that a run makes, by a clock for which a step takes 1/16 of a second,
    and all else no time."""
    made, step = [], train.Run.step

    def counted(run: train.Run) -> torch.Tensor:
        made.append(run.images_seen)
        return step(run)

    monkeypatch.setattr(train.Run, "step", counted)
    for module in (train, progress, distributed):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: len(made) / 16))
    return made


def test_minutes_become_images_once(tiny, steps, capsys):
    out = tiny("--minutes", "0.05", "--time-limit", "1")
    measuring, total = 8, 294  # of 8 images each: 0.92 · 128 images a second · the 2.5 seconds that are left
    assert settings(out)["total_images"] == total
    assert f"mnist: {total} images" in capsys.readouterr().out
    stopped = images_seen(out)
    assert steps[measuring:] == list(range(0, stopped, 8)) and 0.9 < len(steps) / 16 < 1.1
    del steps[:]
    tiny("--minutes", "0.05")
    assert steps == list(range(stopped, total, 8))  # it is not measured again
    assert settings(out)["total_images"] == total and images_seen(out) == 296
    assert (measuring + images_seen(out) / 8) / 16 < 3  # in time
    config = replace(PRESETS["mnist"], total_images=total)
    logged = [(row["learning_rate"], learning_rate(row["images_seen"], config)) for row in rows(out)]
    assert all(rate == pytest.approx(due, abs=1e-9) for rate, due in logged) and logged[-1] == (0, 0)


def test_the_log_tells_the_share_of_the_peak(tiny):
    row = rows(tiny())[-1]
    assert row["share_of_peak"] is None or 0 < row["share_of_peak"] <= 1
    per_image = row["tflops"] * 1e12 / row["images_per_second"]
    assert per_image == pytest.approx(3 * 2 * macs(), rel=0.6)  # backward costs twice the forward pass


def macs() -> float:
    """Multiplications of the tiny network's 3×3 convolutions, by hand: all are at full resolution."""
    channels = [(1, 32), *[(32, 32)] * 4, (64, 32), (32, 32), (64, 32), (32, 32), (32, 1)]
    return sum(28 * 28 * 9 * a * b for a, b in channels)
