"""Sampling by class: checked requests, and the walk as frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import CHECKPOINTS

from diffusion import linear_schedule
from diffusion.films.film import as_pixels, run_sampler
from diffusion.films.samples import film_settings
from diffusion.models.folder import load_folder
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.class_choice import class_choice
from diffusion.ui.parts.class_film import checked_class_request, class_frames
from diffusion.ui.parts.inputs import InputError


def class_request(tiny_model, **changes):
    values = {
        "model": "tiny", "seed": 1, "sampler": "ddim", "num_steps": 3, "schedule": "",
        "class_label": "b", "guidance_scale": 1.5, "num_images": 2, "eta": 0.5,
    } | changes  # fmt: skip
    return checked_class_request({"tiny": tiny_model}, **values)


def test_other_schedule_changes_the_walk_but_not_its_length(tiny_model):
    asked = class_request(tiny_model, schedule="linear", num_steps=5)
    rows = [row for _, row in class_frames(tiny_model, asked)]
    expected = linear_schedule().alphas_cumprod[[1000, 800, 600, 400, 200]].tolist()
    assert [row["alphas_cumprod_t"] for row in rows[:-1]] == pytest.approx(expected)


def test_each_image_of_another_class(tiny_model):
    asked = class_request(tiny_model, class_label="*", num_images=5)
    assert asked.classes_in(tiny_model.classes) == [0, 1, 2, 0, 1]
    (first, _), *_ = class_frames(tiny_model, asked)
    for name, place in (("a", 0), ("b", 1), ("c", 2)):
        alike = class_request(tiny_model, class_label=name, num_images=5)
        (other, _), *_ = class_frames(tiny_model, alike)
        assert np.array_equal(other["x_0_hat"][place], first["x_0_hat"][place])
        assert not np.array_equal(other["x_0_hat"], first["x_0_hat"])


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_fewer_images_than_classes_are_evenly_spread(tiny_model, number):
    many = tuple("abcdefg")
    chosen = class_request(tiny_model, class_label="*", num_images=number).classes_in(many)
    assert chosen == [i * 7 // number for i in range(number)] and len(set(chosen)) == number


def test_sample_with_nothing_changed_draws_the_cats_that_the_page_opens_with():
    model = load_folder(CHECKPOINTS / "cats")
    opening = film_settings(model)
    asked = class_request(model, model="tiny", class_label="*", num_images=opening["num_images"])
    assert asked.classes_in(model.classes) == opening["class_labels"].tolist()


def test_a_class_of_the_name_for_each_is_that_class(tiny_model):
    starred = replace(tiny_model, classes=("a", "*", "c"))
    assert class_request(starred, class_label="*").classes_in(starred.classes) == [1, 1]
    with pytest.raises(InputError, match=r"one of: empty, \*, a, c\.$"):
        class_request(starred, class_label="x")
    choices = class_choice(starred).choices
    assert [value for _, value in choices] == ["a", "*", "c", ""]


def test_a_request_has_what_is_applied(tiny_model):
    """And says what is not, for pictures do not show it."""
    unguided = class_request(tiny_model, class_label="", guidance_scale=5)
    assert unguided.guidance_scale == 1 and "no effect without a class" in unguided.notes[0]
    for frame, other in zip(
        class_frames(tiny_model, unguided),
        class_frames(tiny_model, class_request(tiny_model, class_label="", guidance_scale=1)),
    ):
        assert all(np.array_equal(plane, other[0][name]) for name, plane in frame[0].items())
    assert class_request(tiny_model, class_label="", guidance_scale=1).notes == ()
    assert class_request(tiny_model).guidance_scale == 1.5 and class_request(tiny_model).notes == ()
    etas = {name: class_request(tiny_model, sampler=name).eta for name in ("ddpm", "ddim", "dpm++2m")}
    assert etas == {"ddpm": 0, "ddim": 0.5, "dpm++2m": 0}


def test_a_model_without_classes_has_none_to_choose(tiny_model):
    plain = replace(tiny_model, classes=None)
    assert class_request(plain, class_label="").classes_in(()) is None
    for label in ("a", "*"):
        with pytest.raises(InputError, match="The class must be one of: empty"):
            class_request(plain, class_label=label)


def test_a_frame_has_named_predictions_and_the_last_one_no_row(tiny_model):
    *steps, (result, row) = class_frames(tiny_model, class_request(tiny_model))
    assert len(steps) == 3 and row is None
    for arrays, _ in steps:
        assert {name: x.shape for name, x in arrays.items()} == dict.fromkeys(
            ("x_0_hat", "with", "without"), (2, 16, 16, 1)
        )
    assert np.array_equal(result["x_0_hat"], steps[-1][0]["x_0_hat"])


@pytest.mark.parametrize("schedule", ["", "linear"])
def test_under_guidance_both_predictions_are_shown(tiny_model, schedule):
    asked = class_request(tiny_model, class_label="*", guidance_scale=3, schedule=schedule, sampler="ddpm")
    *steps, _ = class_frames(tiny_model, asked)
    drawn = SCHEDULES[asked.schedule]()
    walked = run_sampler(
        tiny_model, seed=1, num_images=2, num_steps=3, sampler="ddpm", schedule=drawn,
        class_labels=torch.tensor([0, 1]), guidance_scale=3.0,
    )  # fmt: skip
    for (arrays, _), (step, _) in zip(steps, walked, strict=True):
        assert np.array_equal(arrays["x_0_hat"], as_pixels(step.x_0_hat))
        t = torch.full((2,), step.t)
        for name, labels in (("with", torch.tensor([0, 1])), ("without", None)):
            with torch.no_grad():
                alone = tiny_model.denoiser(class_labels=labels, schedule=drawn)(step.x_t, t)
            assert np.allclose(arrays[name], as_pixels(alone), atol=1e-3)


@pytest.mark.parametrize("change", [{"class_label": ""}, {"guidance_scale": 1}])
def test_without_guidance_there_is_nothing_to_combine(tiny_model, change):
    for arrays, _ in class_frames(tiny_model, class_request(tiny_model, **change)):
        assert set(arrays) == {"x_0_hat"}
