"""`train.py PRESET-student`: a student says in one call where its teacher's walk of many calls ends."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT, randomised
from tiny_runs import images_seen, said_by, settings, state
from training import TINY, write_mnist

import train
from diffusion import UNet, ideal_denoiser, load_model, q_sample, sample, save_model, timesteps
from diffusion.films.folder import load_film
from diffusion.losses import HUBER, consistency_loss
from diffusion.models.digit_judge import DIGIT_SHAPE, DIGITS
from diffusion.models.model import Model
from diffusion.schedules import named_schedule
from diffusion.training.command_line import parse_config
from diffusion.training.config import with_settings
from diffusion.training.data import load_training_data
from diffusion.training.presets import PRESETS
from diffusion.training.student_stage import Distillation

FEW = ("--total-images", "16")


# What is learned


def stretch(schedule, x_0, t: int, s: int):
    """Points at t, and where walks of the exact denoiser are at s: x_t, t, x_s and s of each."""
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(1))
    times = torch.full((len(x_0),), t)
    x_t = q_sample(schedule, x_0, times, noise)
    steps = list(sample(ideal_denoiser(x_0, schedule), schedule, x_t, [t, (t + s) // 2, s]))
    return x_t, times, steps[-1].x_s, torch.full_like(times, s)


def test_who_says_where_the_walk_ends_has_nothing_to_learn(schedule):
    """Of one point every walk ends in that point, and so says the exact denoiser of it at every t."""
    x_0 = torch.tensor([[0.3, -0.8]])
    for t, s in ((1000, 750), (500, 250), (250, 0)):
        loss = consistency_loss(ideal_denoiser(x_0, schedule), *stretch(schedule, x_0, t, s))
        assert loss.abs().max() < 1e-6


def test_the_mean_of_what_fits_is_not_where_a_walk_ends(schedule):
    x_0 = torch.tensor([[1.0], [-1.0]])
    x_t, t, x_s, s = stretch(schedule, x_0, 500, 250)
    assert consistency_loss(ideal_denoiser(x_0, schedule), x_t, t, x_s, s).max() > 0.05


def test_the_last_stretch_is_learned_from_the_teacher_alone(schedule):
    """There the walk has ended: a student is compared with that, by the pseudo-Huber distance."""
    x_0 = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    x_t, t, x_s, s = stretch(schedule, x_0, 250, 0)

    def student(x, times):
        assert not (times == 0).any() or not torch.is_grad_enabled()
        return x_s + 0.4

    expected = (0.4**2 + HUBER**2) ** 0.5 - HUBER
    assert consistency_loss(student, x_t, t, x_s, s).tolist() == pytest.approx([expected] * 5, rel=1e-5)


def test_what_a_student_says_later_in_the_walk_is_taken_as_it_is(schedule):
    """At x_s no gradient is kept; at x_t there is one."""
    x_0, scale = torch.randn(4, 2), torch.ones(1, requires_grad=True)
    with_gradient = []

    def student(x, times):
        with_gradient.append(torch.is_grad_enabled())
        return x * scale

    consistency_loss(student, *stretch(schedule, x_0, 750, 500)).sum().backward()
    assert sorted(with_gradient) == [False, True] and scale.grad.abs() > 0


def test_a_batch_is_spread_over_the_stretches_and_the_teacher_walks_each(monkeypatch, tmp_path):
    """In two steps of DPM-Solver++(2M), with each picture's own class."""
    write_mnist(tmp_path)
    config = parse_config(["mnist-student", "--data-dir", str(tmp_path), "--batch-size", "8"])
    teacher = load_model(ROOT / "checkpoints/mnist")
    stage = Distillation(config, config.stage, load_training_data(config), torch.device("cpu"), teacher)
    called = []

    def seen(student, x_t, t, x_s, s):
        called.append((x_t, t, x_s, s))
        return consistency_loss(student, x_t, t, x_s, s)

    monkeypatch.setattr("diffusion.training.student_stage.consistency_loss", seen)
    stage.teacher = teacher.net  # not in bf16
    generator = torch.Generator().manual_seed(0)
    loss = stage.loss(stage.net, range(8), generator)
    [(x_t, t, x_s, s)] = called
    grid = timesteps(teacher.schedule, 4)
    assert t.tolist() == [*grid[:-1], *grid[:-1]] and s.tolist() == [*grid[1:], *grid[1:]]
    _, told = stage.batch(range(8), torch.Generator().manual_seed(0))
    for place in range(8):
        denoise = teacher.denoiser(class_labels=told["class_labels"][place : place + 1])
        steps = [int(t[place]), int(t[place] + s[place]) // 2, int(s[place])]
        *_, last = sample(denoise, teacher.schedule, x_t[place : place + 1], steps, sampler="dpm++2m")
        assert torch.allclose(last.x_s[0], x_s[place], atol=1e-4)
    loss.backward()
    assert all(weight.grad is not None for name, weight in stage.net.named_parameters())
    assert all(weight.grad is None for weight in teacher.net.parameters())


# Runs


def teacher_in(folder: Path, schedule: str = "cosine") -> Path:
    """A network of digits of next to no weights, in a folder."""
    stage = with_settings(PRESETS["mnist"], TINY).stage
    net = randomised(UNet(stage.unet(1, num_classes=10)))
    about = {"data": "MNIST", "licence": "CC BY-SA 3.0", "images_seen": 1, "settings": {}}
    of = named_schedule(schedule)
    save_model(folder, Model(folder.name, net, schedule, of, "v", DIGIT_SHAPE, DIGITS, about))
    return folder


@pytest.fixture
def digits(tmp_path) -> Path:
    return teacher_in(tmp_path / "digits")


@pytest.fixture
def student(tiny, data_dir, digits, tmp_path):
    """`train.py mnist-student` of that teacher: call it with further flags."""

    def run(*flags: str, out: Path = tmp_path / "student", teacher: Path = digits) -> Path:
        common = ["--data-dir", str(data_dir), "--init", str(teacher), "--out", str(out)]
        train.main(["mnist-student", *common, *flags])
        return out

    return run


def test_a_student_is_a_checkpoint_that_names_its_teacher(student, digits):
    out = student(*FEW)
    model = load_model(out)
    assert (model.teacher, model.about["began_with"][0]["name"]) == ("digits", "digits")
    assert settings(out)["stage"] == "student" and load_model(digits).teacher is None
    card = (out / "README.md").read_text("utf-8")
    assert "distilled from digits" in card and "It is a student of digits" in card
    assert 'timesteps(model.schedule, 4), sampler="ddpm"' in card
    film = load_film(out)
    assert (film.info["sampler"], len(film.info["steps"])) == ("ddpm", 4)
    assert not (out / "training.json").exists() and json.loads((out / "metrics.json").read_text()) == {}
    theirs = load_model(digits).net.state_dict()
    moved = [not torch.equal(theirs[name], weight) for name, weight in model.net.state_dict().items()]
    assert any(moved)


def test_a_student_that_was_stopped_goes_on_exactly(student, digits, tmp_path):
    whole = student(*FEW, out=tmp_path / "whole")
    out = student(*FEW, "--time-limit", "1e-9")
    assert images_seen(out) == 0
    (tmp_path / "elsewhere").mkdir()
    student(*FEW, teacher=digits.rename(tmp_path / "elsewhere" / digits.name))
    assert images_seen(out) == 16
    for name, weight in state(whole).items():
        assert torch.equal(state(out)[name], weight), name


def test_the_speed_of_a_student_is_measured_with_its_teacher(student):
    assert load_model(student("--minutes", "0.01")).teacher == "digits"


def test_another_teacher_does_not_go_on_with_a_run(student, tmp_path):
    out = student(*FEW, "--time-limit", "1e-9")
    other = teacher_in(tmp_path / "others")
    assert "init" in said_by(lambda: student(*FEW, teacher=other)) and images_seen(out) == 0


def test_a_teacher_of_another_schedule_is_refused_and_can_be_had(student, tmp_path):
    other = teacher_in(tmp_path / "linear", "linear")
    message = said_by(lambda: student(*FEW, teacher=other, out=tmp_path / "none"))
    assert "linear schedule of 1000 steps" in message and "--schedule linear" in message
    out = student(*FEW, "--schedule", "linear", teacher=other, out=tmp_path / "linear-student")
    assert load_model(out).teacher == "linear"


def test_a_teacher_of_other_pictures_is_refused(student):
    message = said_by(lambda: student(*FEW, teacher=ROOT / "checkpoints/cats"))
    assert "channels of a picture 3 instead of 1" in message


@pytest.mark.parametrize("name", ["mnist", "cats"])
def test_a_student_s_preset_is_its_teacher_s_network(name):
    teacher, of_student = PRESETS[name], PRESETS[f"{name}-student"]
    assert of_student.stage.init == f"checkpoints/{name}" and of_student.data_name == name
    assert of_student.stage.unet(1) == teacher.stage.unet(1)
    assert (of_student.stage.schedule, of_student.stage.data) == (teacher.stage.schedule, teacher.stage.data)


def test_only_a_student_has_a_teacher():
    model = load_model(ROOT / "checkpoints/mnist")
    about = model.about | {"settings": {"stage": "student", "init": "user/mnist"}}
    assert model.teacher is None and replace(model, about=about).teacher == "user/mnist"
    assert all(replace(model, about=odd).teacher is None for odd in ({}, {"settings": 3}, {"settings": {}}))
    assert isinstance(model, Model)
