import pytest
import torch

from diffusion.nets.ema import EMA, ema_beta


def test_average_has_the_width_it_is_asked_for():
    """Averaging the position itself: mean and deviation are those of the power-function profile."""
    batch, steps = 10, 4000
    weights = torch.zeros(steps + 1, dtype=torch.float64)
    for i in range(1, steps + 1):
        beta = ema_beta(i * batch, batch, 0.1)
        weights *= beta
        weights[i] = 1 - beta
    position = torch.arange(steps + 1) / steps
    mean = (weights * position).sum()
    deviation = (weights * (position - mean) ** 2).sum().sqrt()
    assert weights.sum().item() == pytest.approx(1, abs=1e-6)
    assert deviation.item() == pytest.approx(0.1, rel=0.01)


def test_first_step_forgets_the_start():
    assert ema_beta(128, 128, 0.1) == 0


def test_update_moves_towards_the_weights():
    layer = torch.nn.Linear(2, 2)
    ema = EMA(layer)
    before = ema.weights["weight"].clone()
    with torch.no_grad():
        layer.weight += 1
    ema.update(0.75)
    assert torch.allclose(ema.weights["weight"], before + 0.25)
    assert not torch.equal(layer.weight, ema.weights["weight"])
