import pytest
import torch

from diffusion import (
    Model,
    UNet,
    UNetConfig,
    diffusion_loss,
    network_denoiser,
    q_posterior,
    q_sample,
    q_step,
)
from diffusion.process import PREDICTIONS, eps_from_x_0, training_target, x_0_from_output


def test_single_steps_have_the_marginal_of_one_jump(schedule):
    """Mean and variance are carried exactly through t steps of DDPM Eq. 2, and compared with Eq. 4."""
    mean, variance = 1.0, 0.0
    for t in range(1, 1001):
        one = torch.ones(1, 1, dtype=torch.float64)
        step = torch.tensor([t])
        scale = q_step(schedule, one, step, torch.zeros_like(one)).item()
        fresh = q_step(schedule, torch.zeros_like(one), step, one).item()
        mean, variance = scale * mean, scale**2 * variance + fresh**2
        if t in (1, 2, 10, 250, 999, 1000):
            alpha, sigma = schedule.alpha_sigma(step, one)
            assert mean == pytest.approx(alpha.item(), rel=1e-9)
            assert variance == pytest.approx(sigma.item() ** 2, rel=1e-9)


def test_drawn_chain_has_the_marginal(schedule):
    generator = torch.Generator().manual_seed(0)
    x = torch.full((20_000, 1), 0.7)
    for t in range(1, 301):
        x = q_step(schedule, x, torch.full((len(x),), t), torch.randn(x.shape, generator=generator))
    a = schedule.alphas_cumprod[300]
    assert x.mean().item() == pytest.approx(0.7 * a.sqrt().item(), abs=4 * ((1 - a) / len(x)).sqrt().item())
    assert x.var().item() == pytest.approx(1 - a.item(), rel=0.05)


def test_q_sample_at_zero_is_the_data(schedule):
    x_0, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    assert torch.equal(q_sample(schedule, x_0, torch.zeros(2, dtype=torch.long), noise), x_0)


def test_posterior_agrees_with_bayes(schedule):
    """q(x_s | x_t, x_0) ∝ q(x_t | x_s) q(x_s | x_0): precisions add, means are precision-weighted."""
    x_0, x_t = (
        torch.tensor([[0.3]], dtype=torch.float64),
        torch.tensor([[-0.8]], dtype=torch.float64),
    )
    for t, s in ((1000, 999), (500, 499), (2, 1), (700, 100)):
        a_t, a_s = schedule.alphas_cumprod[[t, s]]
        step_mean, step_variance = (a_t / a_s).sqrt(), 1 - a_t / a_s
        precision = step_mean**2 / step_variance + 1 / (1 - a_s)
        expected = (step_mean * x_t / step_variance + a_s.sqrt() * x_0 / (1 - a_s)) / precision
        mean, variance = q_posterior(schedule, x_0, x_t, torch.tensor([t]), torch.tensor([s]))
        assert mean.item() == pytest.approx(expected.item(), rel=1e-9)
        assert variance.item() == pytest.approx(1 / precision.item(), rel=1e-9)


def test_posterior_of_the_last_step_is_x_0(schedule):
    x_0, x_t = torch.randn(3, 5), torch.randn(3, 5)
    mean, variance = q_posterior(schedule, x_0, x_t, torch.ones(3).long(), torch.zeros(3).long())
    assert torch.allclose(mean, x_0, atol=1e-6) and variance.abs().max() == 0


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_predictions_round_trip(schedule, prediction):
    torch.manual_seed(0)
    x_0, noise = torch.randn(2, 6, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)
    for t in (1, 10, 500, 1000):
        t = torch.full((2,), t)
        alpha, sigma = schedule.alpha_sigma(t, x_0)
        x_t = q_sample(schedule, x_0, t, noise)
        output = training_target(prediction, x_0, noise, alpha, sigma)
        recovered = x_0_from_output(prediction, output, x_t, alpha, sigma)
        assert torch.allclose(recovered, x_0, atol=1e-9)
        assert torch.allclose(eps_from_x_0(recovered, x_t, alpha, sigma), noise, atol=1e-9)


@pytest.mark.parametrize("name", ["x_0", "eps", "", None])
def test_an_unknown_prediction_is_refused_by_name(schedule, name):
    x, alpha, sigma = torch.randn(2, 3), torch.tensor(0.8), torch.tensor(0.6)
    t, net = torch.tensor([3, 4]), UNet(UNetConfig(1, channel_mult=(1,), attention_levels=()))
    calls = (
        lambda: training_target(name, x, x, alpha, sigma),
        lambda: x_0_from_output(name, x, x, alpha, sigma),
        lambda: network_denoiser(net, schedule, name),
        lambda: diffusion_loss(net, schedule, x[..., None, None], t, x[..., None, None], prediction=name),
        lambda: Model("odd", net, "cosine", schedule, name, (1, 8, 8)),
    )
    for call in calls:
        with pytest.raises(ValueError, match=f"prediction must be one of epsilon, v, sample, not {name!r}"):
            call()
