"""Walks as a lesson changes them, on a real network: without z, and with x̂_0 clipped."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_class_film import class_request

from diffusion.films.film import as_pixels, run_sampler
from diffusion.models.folder import load_folder
from diffusion.noise import draw_noise
from diffusion.process import q_posterior
from diffusion.samplers import timesteps
from diffusion.ui.parts.class_film import class_frames, sent_prediction
from diffusion.ui.parts.inputs import InputError
from diffusion.ui.parts.variants import CLIPPED, WITHOUT_Z
from diffusion.ui.tabs import reverse
from diffusion.ui.text import labels

WALK = {"sampler": "ddpm", "eta": 0, "guidance_scale": 1, "num_steps": 6}


def films(model, **changes):
    """x̂_0 of each step, the rows, and the result."""
    *steps, (result, _) = class_frames(model, class_request(model, **(WALK | changes)))
    return [arrays["x_0_hat"] for arrays, _ in steps], [row for _, row in steps], result["x_0_hat"]


def by_hand(model, denoise):
    """DDPM's walk without z from the same noise: the middle of q(x_s | x_t, x̂_0) at every step."""
    x_t = draw_noise((2, *model.sample_shape), torch.Generator().manual_seed(1))
    walk = timesteps(model.schedule, 6)
    with torch.no_grad():
        for t, s in zip(walk, walk[1:]):
            t, s = torch.full((2,), t), torch.full((2,), s)
            x_t, _ = q_posterior(model.schedule, denoise(x_t, t), x_t, t, s)
    return as_pixels(x_t)


def test_without_z_the_walk_is_the_middle_of_every_step(tiny_model):
    _, rows, result = films(tiny_model, variant=WITHOUT_Z)
    labels = torch.tensor([1, 1])
    expected = by_hand(tiny_model, tiny_model.denoiser(class_labels=labels))
    assert np.allclose(result, expected, atol=1e-4)
    assert [row["noise_weight"] for row in rows] == [0] * 6  # so that the page makes the same film
    _, with_z, other = films(tiny_model)
    assert with_z[0]["noise_weight"] > 0 and not np.allclose(result, other, atol=0.1)


def test_clipped_every_x_0_hat_is_a_picture_and_is_what_is_walked_with(tiny_model):
    free, _, _ = films(tiny_model, guidance_scale=9)
    assert max(np.abs(x_0_hat).max() for x_0_hat in free) > 1.01
    clipped, _, result = films(tiny_model, variant=CLIPPED, guidance_scale=9)
    assert max(np.abs(x_0_hat).max() for x_0_hat in clipped) == 1
    assert np.array_equal(clipped[0], free[0].clip(-1, 1))  # of the same x_T
    assert np.allclose(result, clipped[-1], atol=1e-5)  # the last step goes to x̂_0 itself
    silent = class_request(tiny_model, **(WALK | {"guidance_scale": 9, "variant": CLIPPED}))
    assert sent_prediction(silent) is None  # what guidance combines is no longer what is walked with


@pytest.mark.parametrize(
    "sampler, eta, kept",
    [("ddpm", 0, WITHOUT_Z), ("ddim", 0.5, WITHOUT_Z), ("ddim", 0, ""), ("dpm++2m", 0, "")],
)
def test_only_what_there_is_can_be_left_out(tiny_model, sampler, eta, kept):
    assert class_request(tiny_model, sampler=sampler, eta=eta, variant=WITHOUT_Z).variant == kept


def test_any_other_variant_is_refused(tiny_model):
    with pytest.raises(InputError, match="The walk must be one of: empty, without_z, clipped"):
        class_request(tiny_model, variant="backwards")


def test_the_caption_says_which_walk_it_is(tiny_model):
    for variant, said in ((WITHOUT_Z, "ddpm without z, 6"), (CLIPPED, "ddpm with x̂₀ clipped to [−1, 1], 6")):
        request = class_request(tiny_model, **(WALK | {"variant": variant}))
        (message, *_) = reverse.film_messages(tiny_model, request)
        assert said in message["info"]["made"]["en"].format(steps=labels()["steps_in_all"].format(N=6))


def test_the_first_x_0_hat_is_the_average_that_the_page_says_it_is():
    """Of the shipped cats: at t = T all eight look alike, the results do not."""
    model = load_folder(ROOT / "checkpoints" / "cats")
    steps = [step for step, _ in run_sampler(model, seed=0, num_images=8, num_steps=6)]
    first, last = steps[0].x_0_hat, steps[-1].x_s
    assert first.std(0).mean() < last.std(0).mean() / 3
