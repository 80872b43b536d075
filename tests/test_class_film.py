"""Sampling by class: checked requests, and the walk as frames."""

import numpy as np
import pytest

from diffusion import linear_schedule
from diffusion.ui.parts.class_film import checked_class_request, class_frames


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


def test_a_frame_has_named_planes_and_the_last_one_no_row(tiny_model):
    *steps, (planes, row) = class_frames(tiny_model, class_request(tiny_model))
    assert len(steps) == 3 and row is None
    for shown in (planes, *(each for each, _ in steps)):
        assert {name: plane.shape for name, plane in shown.items()} == dict.fromkeys(
            ("x_t", "eps_hat", "x_0_hat"), (2, 16, 16, 1)
        )
    assert np.array_equal(planes["x_t"], planes["x_0_hat"])
