import pytest
import torch

from diffusion import diffusion_loss, q_sample, stratified_timesteps
from diffusion.process import training_target


def test_default_loss_is_the_textbook_one(schedule):
    """‖ε − ε_θ‖², for a network of each kind that believes the noise is 0.9 ε."""
    torch.manual_seed(0)
    x_0, noise = (
        torch.randn(4, 1, 4, 4, dtype=torch.float64),
        torch.randn(4, 1, 4, 4, dtype=torch.float64),
    )
    t = torch.tensor([1, 100, 600, 1000])
    alpha, sigma = schedule.alpha_sigma(t, x_0)
    x_t = q_sample(schedule, x_0, t, noise)
    believed = (x_t - sigma * 0.9 * noise) / alpha
    for prediction in ("epsilon", "v", "sample"):
        output = training_target(prediction, believed, 0.9 * noise, alpha, sigma)
        loss = diffusion_loss(lambda *_, o=output, **__: o, schedule, x_0, t, noise, prediction=prediction)
        # The network's output is rounded to float32, which the weight SNR of x_0 at small t amplifies.
        expected = (0.01 * noise.square()).flatten(1).mean(1)
        assert torch.allclose(loss.double(), expected, rtol=2e-3), prediction


@pytest.mark.parametrize("weighting", ["epsilon", "v", "sample", "min_snr"])
def test_weightings_do_not_depend_on_what_the_network_outputs(schedule, weighting):
    torch.manual_seed(0)
    x_0, noise = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    t = torch.tensor([300, 800])
    alpha, sigma = schedule.alpha_sigma(t, x_0)
    wrong_eps = noise + 0.3
    wrong_x_0 = (q_sample(schedule, x_0, t, noise) - sigma * wrong_eps) / alpha
    losses = []
    for prediction in ("epsilon", "v", "sample"):
        output = training_target(prediction, wrong_x_0, wrong_eps, alpha, sigma)
        options = {"prediction": prediction, "weighting": weighting}
        losses.append(diffusion_loss(lambda *_, o=output, **__: o, schedule, x_0, t, noise, **options))
    assert torch.allclose(losses[0], losses[1], rtol=1e-4)
    assert torch.allclose(losses[0], losses[2], rtol=1e-4)


def test_timesteps_are_stratified_and_uniform():
    generator = torch.Generator().manual_seed(0)
    t = stratified_timesteps(100, 1000, generator)
    assert ((t - 1) // 10).tolist() == list(range(100))
    many = torch.cat([stratified_timesteps(7, 10, generator) for _ in range(3000)])
    counts = many.bincount(minlength=11)[1:] / len(many)
    assert many.min() == 1 and many.max() == 10 and (counts - 0.1).abs().max() < 0.01


def test_processes_share_the_strata():
    shares = [stratified_timesteps(4, 80, torch.Generator().manual_seed(r), r, 2) for r in range(2)]
    together = torch.cat(shares).sort().values
    assert ((together - 1) // 10).tolist() == list(range(8))


def test_an_unknown_weighting_is_refused_by_name(schedule):
    x, t = torch.randn(2, 3), torch.tensor([3, 4])
    with pytest.raises(ValueError, match="weighting must be one of epsilon, v, sample, min_snr, not 'snr'"):
        diffusion_loss(lambda *_: x, schedule, x, t, x, prediction="v", weighting="snr")
