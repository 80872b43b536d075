"""Samplers on data whose exact denoiser is known, and against diffusers."""

import diffusers
import pytest
import torch
from conftest import randomised
from gaussian import MEAN, STD, exact_flow, gaussian_denoiser

from diffusion import (
    UNet,
    UNetConfig,
    cosine_schedule,
    linear_schedule,
    network_denoiser,
    sample,
    timesteps,
)
from diffusion.noise import fresh_noise
from diffusion.samplers import SAMPLERS


def error(schedule, sampler, num_steps):
    x_T = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]
    walk = sample(gaussian_denoiser(schedule), schedule, x_T, timesteps(schedule, num_steps), sampler=sampler)
    return (list(walk)[-1].x_s - exact_flow(schedule, x_T)).abs().max().item()


def test_ddim_error_halves_when_steps_double(schedule):
    coarse, fine = error(schedule, "ddim", 100), error(schedule, "ddim", 200)
    assert 1.7 < coarse / fine < 2.3


def test_dpm_solver_is_over_ten_times_better(schedule):
    assert error(schedule, "ddim", 50) > 10 * error(schedule, "dpm++2m", 50)


def test_ddpm_reproduces_mean_and_standard_deviation(schedule):
    x_T = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    *_, step = sample(gaussian_denoiser(schedule), schedule, x_T, timesteps(schedule, 1000), sampler="ddpm")
    assert step.x_s.mean().item() == pytest.approx(MEAN, rel=0.03)
    assert step.x_s.std().item() == pytest.approx(STD, rel=0.03)


def test_noise_that_is_not_given_is_that_of_seed_0(schedule):
    x_T, steps = torch.randn(3, 2, dtype=torch.float64), timesteps(schedule, 4)

    def last(**noise):
        *_, step = sample(gaussian_denoiser(schedule), schedule, x_T, steps, eta=0.5, **noise)
        return step.x_s

    assert torch.equal(last(), last(noise=lambda t: fresh_noise(0, (3, 2), t)))
    assert last().dtype == torch.float64 and not torch.equal(last(), last(noise=lambda t: x_T))


def test_timesteps_run_from_T_to_zero(schedule):
    assert timesteps(schedule, 4) == [1000, 750, 500, 250, 0]
    assert timesteps(schedule, 1000) == list(range(1000, -1, -1))
    for n in (1, 3, 7, 13, 999):
        steps = timesteps(schedule, n)
        assert len(steps) == n + 1 and steps[0] == 1000 and steps[-1] == 0
        assert all(a > b for a, b in zip(steps, steps[1:]))
    for n in (0, -1, 1001):
        with pytest.raises(ValueError, match="from 1 to 1000"):
            timesteps(schedule, n)


def test_a_step_records_what_was_done(schedule):
    x_T = torch.randn(3, 2, dtype=torch.float64)
    previous = None
    for step in sample(gaussian_denoiser(schedule), schedule, x_T, timesteps(schedule, 5), sampler="dpm++2m"):
        t = torch.full((3,), step.t)
        alpha, sigma = schedule.alpha_sigma(t, x_T)
        assert torch.allclose(alpha * step.x_0_hat + sigma * step.eps_hat, step.x_t)
        data = step.x_0_hat
        if previous is not None:
            assert torch.equal(step.x_t, previous.x_s)
            data = data + step.update.extrapolation * (data - previous.x_0_hat)
        eps = (step.x_t - alpha * data) / sigma
        assert torch.allclose(step.update.x_0_weight * data + step.update.eps_weight * eps, step.x_s)
        previous = step
    assert torch.equal(step.x_s, step.x_0_hat)


def test_unknown_sampler_is_refused(schedule):
    with pytest.raises(ValueError, match="ddpm, ddim, dpm\\+\\+2m"):
        next(sample(gaussian_denoiser(schedule), schedule, torch.zeros(1, 1), [1000, 0], sampler="euler"))


DIFFUSERS = {
    "ddpm": (diffusers.DDPMScheduler, {"variance_type": "fixed_small"}),
    "ddim": (diffusers.DDIMScheduler, {"set_alpha_to_one": True}),
    "dpm++2m": (
        diffusers.DPMSolverMultistepScheduler,
        {
            "algorithm_type": "dpmsolver++",
            "solver_order": 2,
            "lower_order_final": False,
            "final_sigmas_type": "zero",
        },
    ),
}


@pytest.mark.parametrize("num_steps", [4, 10, 50])
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_equal_to_diffusers(schedule, sampler, prediction, num_steps):
    """The same network, noise and timesteps give the same samples, to 1e-5 of max |x|.

    diffusers builds its tables in float32, where 1 − β is off by up to 6e-5 near T; it is handed ours.
    """
    scheduler_class, options = DIFFUSERS[sampler]
    if sampler != "dpm++2m":
        options = options | {"clip_sample": False}
    kind = {"epsilon": "epsilon", "v": "v_prediction"}[prediction]
    theirs = scheduler_class(
        1000,
        prediction_type=kind,
        timestep_spacing="trailing",
        trained_betas=schedule.betas.numpy(),
        **options,
    )
    theirs.alphas_cumprod = schedule.alphas_cumprod[1:].clone()
    theirs.set_timesteps(num_steps)
    steps = timesteps(schedule, num_steps)
    assert [t + 1 for t in theirs.timesteps.tolist()] == steps[:-1]

    torch.manual_seed(0)
    net = randomised(UNet(UNetConfig(1, 32, (1,), 1, ()))).double()
    x_T = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    denoise = network_denoiser(net, schedule, prediction)
    generator = torch.Generator().manual_seed(7)

    def noise(t):
        return torch.randn(x_T.shape, generator=generator, dtype=x_T.dtype)

    ours = list(sample(denoise, schedule, x_T, steps, sampler=sampler, noise=noise))

    x, generator = x_T, torch.Generator().manual_seed(7)
    extra = {} if sampler == "dpm++2m" else {"generator": generator}
    for t in theirs.timesteps:
        output = net(x, torch.full((2,), t.item() + 1.0, dtype=torch.float64))
        x = theirs.step(output, t, x, **extra).prev_sample.double()
    scale = max(step.x_s.abs().max().item() for step in ours)
    assert (ours[-1].x_s - x).abs().max().item() <= 1e-5 * scale


def test_schedules_equal_diffusers():
    pairs = ((linear_schedule(), "linear"), (cosine_schedule(), "squaredcos_cap_v2"))
    for ours, name in pairs:
        theirs = diffusers.DDPMScheduler(1000, beta_schedule=name).betas
        assert torch.allclose(ours.betas.float(), theirs, rtol=1e-4, atol=1e-6)
