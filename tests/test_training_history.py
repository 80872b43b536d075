"""The history of a run: when it looks, what it keeps, what it drops when a run resumes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT, record

from diffusion.data.image_sets import ImageData
from diffusion.films.samples import GRID_ROWS
from diffusion.films.training_history import (
    HELD_OUT,
    TRAINED_ON,
    Recorder,
    load_history,
    loss_by_quartile,
    moments,
)
from diffusion.training.presets import PRESETS

PIXELS = [preset for preset in PRESETS.values() if preset.stage.stage == "diffusion"]


@pytest.mark.parametrize(("total", "batch"), [(700_000, 128), (14_000_000, 512), (160, 8), (5, 8)])
def test_moments_are_steps_of_the_run_and_few_of_them_early(total, batch):
    chosen = moments(total, batch)
    last = -(-total // batch) * batch
    assert chosen[0] == 0 and chosen[-1] == last and all(seen % batch == 0 for seen in chosen)
    assert chosen == sorted(set(chosen)) and len(chosen) <= 16
    if total > 1000 * batch:
        assert len(chosen) >= 12 and sum(seen < last / 100 for seen in chosen) <= 4


@pytest.mark.parametrize("preset", PIXELS, ids=lambda p: p.preset)
def test_all_looks_together_cost_little(preset, tiny_model, tmp_path, monkeypatch):
    """Counted in pictures through the network; training takes a picture forward, and twice that backward."""
    record(tmp_path, tiny_model)
    data = ImageData("noise", torch.zeros(500, 1, 16, 16, dtype=torch.uint8))
    length = (preset.total_images, preset.batch_size, 0)
    recorder = Recorder(tmp_path / "new", data, "pictures", lambda *_: tiny_model, *length)
    monkeypatch.setattr(recorder, "_save", lambda: None)
    seen = []
    hook = tiny_model.net.register_forward_pre_hook(lambda net, inputs: seen.append(len(inputs[0])))
    recorder.record(0, {})
    hook.remove()
    rows = len(recorder.frames[0])
    a_look = sum(seen) * GRID_ROWS / rows  # of a network with more classes
    assert len(recorder.info["planned"]) * a_look <= 0.02 * 3 * preset.total_images


def test_what_is_recorded_can_be_read(tmp_path, tiny_model):
    data = record(tmp_path, tiny_model)
    history = load_history(tmp_path)
    assert [row["images_seen"] for row in history.info["moments"]] == [0, 8, 64]
    assert history.frames.shape == (3, 3, 16, 16, 1) and (history.frames[0] == history.frames[2]).all()
    assert history.info["example_labels"] == [0, 1, 2]
    assert np.array_equal(history.examples, data.images[:3].permute(0, 2, 3, 1).numpy())


def test_a_history_that_is_shipped_is_light(tmp_path, tiny_model):
    record(tmp_path, tiny_model)
    known = load_history(tmp_path)
    (tmp_path / "training.webp").write_bytes(known.light)
    (tmp_path / "training.png").unlink()
    light = load_history(tmp_path)
    assert light.light == known.light and light.info == known.info
    assert np.abs(light.frames.astype(int) - known.frames).mean() < 12  # of noise, which is worst
    (tmp_path / "training.webp").write_bytes(known.light[:99])
    assert load_history(tmp_path) is None


def test_the_loss_of_a_network_that_guesses_nothing_is_that_of_the_noise(tiny_model):
    """With every output at 0, v̂ = 0, so ε̂ = √(1 − ᾱ) x_t and the loss is ᾱ_t E[v²]: large where ᾱ_t is."""
    for parameter in (net := tiny_model.net.out[-1]).parameters():
        kept = parameter.data.clone()
        parameter.data.zero_()
        parameter.kept = kept
    images = torch.full((64, 1, 16, 16), 255, dtype=torch.uint8)
    quarters = loss_by_quartile(tiny_model, images, None)
    for parameter in net.parameters():
        parameter.data.copy_(parameter.kept)
    a = tiny_model.schedule.alphas_cumprod[1:].double()
    expected = [part.mean().item() for part in a.view(4, -1)]  # x_0 = 1: v has mean square 1
    assert quarters == pytest.approx(expected, rel=0.05)


def test_a_resumed_run_drops_what_came_later(tmp_path, tiny_model):
    data = record(tmp_path, tiny_model)
    recorder = Recorder(tmp_path, data, "pictures", lambda *_: tiny_model, 64, 8, images_seen=16)
    assert not recorder.due(8) and recorder.due(64) and not recorder.due(60)
    recorder.record(64, {})
    assert [row["images_seen"] for row in load_history(tmp_path).info["moments"]] == [0, 8, 64]


def test_a_run_keeps_the_moments_that_it_began_with(tmp_path, tiny_model):
    data = record(tmp_path, tiny_model)
    file = tmp_path / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"planned": [0, 8, 40, 64]}))
    recorder = Recorder(tmp_path, data, "pictures", lambda *_: tiny_model, 64, 8, images_seen=16)
    assert recorder.due(40) and not recorder.due(48)
    recorder.record(40, {})
    assert load_history(tmp_path).info["planned"] == [0, 8, 40, 64]


def test_a_history_without_a_plan_goes_on(tmp_path, tiny_model):
    """As runs left it that looked at log-spaced moments."""
    data, file = record(tmp_path, tiny_model), tmp_path / "training.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in info.items() if key != "planned"}))
    recorder = Recorder(tmp_path, data, "pictures", lambda *_: tiny_model, 64, 8, images_seen=8)
    assert not recorder.due(8) and recorder.due(16)
    recorder.record(64, {})
    assert [row["images_seen"] for row in load_history(tmp_path).info["moments"]] == [0, 8, 64]


def test_the_history_of_cats_has_every_class_and_cats_that_are_never_trained_on(tmp_path, tiny_cats):
    cats = tiny_cats.cats
    held_out, length = cats.held_out(), (64, 8, 0)
    recorder = Recorder(tmp_path, held_out, HELD_OUT, lambda *_: tiny_cats, *length)
    recorder.record(0, {})
    history = load_history(tmp_path)
    assert history.held_out and history.frames.shape == (1, 16, 16, 16, 3)
    assert replace(history, info=history.info | {"judged_on": "in other words"}).held_out
    assert history.info["class_labels"] == history.info["example_labels"] == list(range(16))
    chosen = [held_out.labels.tolist().index(label) for label in range(16)]
    shown = cats.never_trained_on(len(held_out.images))[chosen]
    assert np.array_equal(history.examples, cats.render(shown).permute(0, 2, 3, 1).numpy())
    assert not cats.is_trained_on(shown).any()
    assert all(len(set(of_kind.tolist())) >= 5 for of_kind in shown.T), "they are of many kinds"


@pytest.mark.parametrize("name", ["mnist-cosine", "mnist-linear"])
def test_what_is_shipped_is_read(name):
    history = load_history(ROOT / "checkpoints" / name)
    assert history.info["moments"][-1]["images_seen"] == 200_064 and len(history.frames) == 29
    assert history.held_out


@pytest.mark.parametrize(
    "change",
    [
        {"moments": []},
        {"moments": [{"images_seen": 0}]},
        {"moments": [{"images_seen": 0, "loss": [0] * 4, "loss_of_average": [0] * 4}]},
        {"image_shape": [16, 16]},
        {"num_images": 2},
        {"num_examples": 4},
        {"moments": None},
    ],
)
def test_broken_numbers_are_no_history(tmp_path, tiny_model, change):
    record(tmp_path, tiny_model)
    file = tmp_path / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert load_history(tmp_path) is None


@pytest.mark.parametrize("name", ["training.png", "examples.png", "training.json"])
def test_a_torn_or_missing_file_is_no_history(tmp_path, tiny_model, name):
    record(tmp_path, tiny_model)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert load_history(tmp_path) is None
    (tmp_path / name).unlink()
    history = load_history(tmp_path)  # pictures that are somebody's own are not in a repo
    assert len(history.examples) == 0 if name == "examples.png" else history is None


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_a_few_pictures_give_a_loss_for_every_quarter(tmp_path, tiny_model, number):
    images = torch.randint(256, (number, 1, 16, 16), generator=torch.manual_seed(1), dtype=torch.uint8)
    data = ImageData("noise", images, torch.zeros(number, dtype=torch.long), ("a",))
    recorder = Recorder(tmp_path, data, TRAINED_ON, lambda *_: tiny_model, 8, 8, images_seen=0)
    recorder.record(0, {})
    info = json.loads((tmp_path / "training.json").read_text(), parse_constant=pytest.fail)
    assert all(loss > 0 for loss in info["moments"][0]["loss"])
    assert info["judged_on"] == ("1 training image" if number == 1 else f"{min(number, 4)} training images")
    assert not load_history(tmp_path).held_out
