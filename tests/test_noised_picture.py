"""Noise and schedule tables as the page has them."""

import numpy as np
import pytest

from diffusion import linear_schedule
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.noised_picture import picture_noise, tables


def test_the_noises_of_jump_and_step_are_two():
    jump, step = picture_noise(9).numpy()
    assert abs(np.corrcoef(jump.ravel(), step.ravel())[0, 1]) < 0.01


def test_tables_are_the_schedules():
    made = tables({"num_timesteps": 40})
    assert made["T"] == 40 and made["linear"] == linear_schedule(40).alphas_cumprod.tolist()
    for bad in ({}, {"num_timesteps": 19}, {"num_timesteps": 10**9}, {"num_timesteps": "x"}):
        with pytest.raises(InputError, match="20 to 1,000"):
            tables(bad)
