"""DDIM run forwards, on data whose exact flow is known, and with a network there and back."""

import math

import pytest
import torch
from gaussian import MEAN, STD, gaussian_denoiser

from diffusion import ideal_denoiser, sample, timesteps
from diffusion.inversion import invert, neighbour_correlation


def code_of(denoise, schedule, x_0, num_steps, corrections=0):
    steps = timesteps(schedule, num_steps)[::-1]
    *_, rise = invert(denoise, schedule, x_0, steps, corrections=corrections)
    return rise.x_t


def back(denoise, schedule, code, num_steps):
    *_, step = sample(denoise, schedule, code, timesteps(schedule, num_steps))
    return step.x_s


def exact_code(schedule, x_0):
    """Where the probability-flow ODE carries data: the map between the two Gaussians."""
    a = schedule.alphas_cumprod[-1]
    return a.sqrt() * MEAN + (x_0 - MEAN) / STD * (a * STD**2 + 1 - a).sqrt()


@pytest.fixture
def x_0():
    return torch.linspace(-1, 1.5, 41, dtype=torch.float64)[:, None]


def test_the_code_is_the_exact_one_the_better_the_more_steps_there_are(schedule, x_0):
    def error(num_steps):
        code = code_of(gaussian_denoiser(schedule), schedule, x_0, num_steps)
        return (code - exact_code(schedule, x_0)).abs().max().item()

    assert 1.6 < error(100) / error(200) < 2.4  # first order
    assert error(1000) < 0.01


def test_what_comes_back_has_an_error_that_halves_when_steps_double(schedule, x_0):
    denoise = gaussian_denoiser(schedule)

    def error(num_steps):
        code = code_of(denoise, schedule, x_0, num_steps)
        return (back(denoise, schedule, code, num_steps) - x_0).abs().max().item()

    assert 1.6 < error(50) / error(100) < 2.4


def test_corrections_make_each_step_the_one_that_the_way_back_undoes(schedule, x_0):
    denoise = gaussian_denoiser(schedule)

    def error(corrections):
        code = code_of(denoise, schedule, x_0, 50, corrections)
        return (back(denoise, schedule, code, 50) - x_0).abs().max().item()

    assert error(0) > 5 * error(2) and error(8) < 0.001


def test_every_step_is_told_and_asks_no_network_at_0(schedule):
    asked = []

    def denoise(x_t, t):
        asked.append(t.unique().item())
        return 0 * x_t

    x_0 = torch.randn(2, 3)
    rises = list(invert(denoise, schedule, x_0, [0, 10, 500, 1000]))
    assert [(rise.s, rise.t) for rise in rises] == [(0, 10), (10, 500), (500, 1000)]
    assert asked == [1, 10, 500]
    assert torch.equal(rises[0].x_s, x_0) and torch.equal(rises[1].x_s, rises[0].x_t)


def test_a_point_of_the_data_keeps_its_code_apart_from_the_others(schedule):
    """Of a data set of two points each is drawn from the codes of its own half."""
    data = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    denoise = ideal_denoiser(data, schedule)
    near = data + torch.tensor([[0.02], [-0.02]])
    code = code_of(denoise, schedule, near, 200)
    assert code[0] < 0 < code[1]
    assert torch.allclose(back(denoise, schedule, code, 200), data, atol=0.02)


def test_neighbours_are_alike_in_pictures_and_not_in_noise():
    noise = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert neighbour_correlation(noise).abs().max() < 4 / math.sqrt(2 * 3 * 64 * 64)
    x = torch.linspace(0, 1, 64)
    ramp = (x[:, None] + x).expand(1, 3, 64, 64)
    assert neighbour_correlation(ramp).item() == pytest.approx(1, abs=0.01)
    stripes = torch.tensor([1.0, -1.0]).repeat(32).expand(1, 1, 64, 64)
    assert neighbour_correlation(stripes).item() == pytest.approx(0, abs=0.02)  # beside −1, below 1
    assert neighbour_correlation(torch.zeros(1, 1, 8, 8)).item() == 0
