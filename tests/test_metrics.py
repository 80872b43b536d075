import math

import pytest
import torch

from benchmarks.metrics import frechet_distance, nearest_neighbours


def test_frechet_distance_of_known_gaussians():
    torch.manual_seed(0)
    x = torch.randn(2000, 3, dtype=torch.float64)
    x = (x - x.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T  # exactly N(0, 1) moments
    scale, shift = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 4.0, 0.0])
    expected = 16 + 0 + 1 + 4  # ‖Δμ‖² + Σ (σ₁ − σ₂)²
    assert frechet_distance(x * scale + shift, x) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_does_not_depend_on_the_axes():
    torch.manual_seed(0)
    x, y = (
        torch.randn(500, 4, dtype=torch.float64),
        2 * torch.randn(500, 4, dtype=torch.float64) + 1,
    )
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(frechet_distance(x, y))


def test_nearest_neighbours():
    data = torch.tensor([[0.0, 0.0], [3.0, 4.0]]).view(2, 1, 1, 2)
    distances, indices = nearest_neighbours(torch.tensor([[3.0, 3.0]]).view(1, 1, 1, 2), data)
    assert indices.tolist() == [1] and distances.item() == pytest.approx(1 / math.sqrt(2))
