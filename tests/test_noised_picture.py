"""Noise and schedule tables as the page gets them."""

import base64

import numpy as np
import pytest

from diffusion import linear_schedule
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.noised_picture import noise, picture_noise, tables


def test_noise_travels_exactly():
    jump, step = (np.frombuffer(base64.b64decode(text), np.float16) for text in noise({"seed": 9}))
    expected = picture_noise(9).numpy()
    assert np.array_equal(jump.reshape(256, 256, 3), expected[0])
    assert np.array_equal(step.reshape(256, 256, 3), expected[1])
    assert abs(np.corrcoef(jump.astype(float), step.astype(float))[0, 1]) < 0.01


def test_tables_are_the_schedules():
    made = tables({"num_timesteps": 40})
    assert made["T"] == 40 and made["linear"] == linear_schedule(40).alphas_cumprod.tolist()
    for bad in ({}, {"num_timesteps": 19}, {"num_timesteps": 10**9}, {"num_timesteps": "x"}):
        with pytest.raises(InputError, match="20 to 1,000"):
            tables(bad)
