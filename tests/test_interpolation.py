"""Ways between two points: ends, angles, and why noise is not mixed on a straight line."""

import math

import pytest
import torch

from diffusion.interpolation import angle_between, lerp, slerp, slerp_weights


@pytest.fixture
def ends():
    return torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(0))


def test_ends_are_exact(ends):
    for way in (slerp, lerp):
        points = way(*ends, torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64))
        assert points.shape == (3, 8, 16, 16)
        assert torch.equal(points[0], ends[0]) and torch.equal(points[2], ends[1])


def test_slerp_turns_evenly_in_the_plane_of_both(ends):
    angle = angle_between(*ends)
    points = slerp(*ends, torch.linspace(0, 1, 5, dtype=torch.float64))
    between = [angle_between(one, other) for one, other in zip(points, points[1:])]
    assert between == pytest.approx([angle / 4] * 4, abs=0.02)  # the lengths of the ends differ a little
    unit = torch.eye(2, dtype=torch.float64)
    (middle,) = slerp(*unit, torch.tensor([1 / 3]))
    assert middle.tolist() == pytest.approx([math.cos(math.pi / 6), math.sin(math.pi / 6)])
    assert angle_between(*unit) == pytest.approx(math.pi / 2)


def test_noise_keeps_its_variance_on_the_arc_and_loses_half_on_the_line():
    a, b = torch.randn(2, 200_000, generator=torch.Generator().manual_seed(1))
    weights = torch.linspace(0, 1, 9, dtype=torch.float64)
    assert slerp(a, b, weights).var(1).tolist() == pytest.approx([1.0] * 9, abs=0.02)
    straight = [(1 - w) ** 2 + w**2 for w in weights.tolist()]
    assert lerp(a, b, weights).var(1).tolist() == pytest.approx(straight, abs=0.02)
    assert min(straight) == 0.5


@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0])
def test_where_there_is_no_arc_the_line_is_taken(ends, factor):
    points = slerp(ends[0], factor * ends[0], torch.tensor([0.25]))
    assert torch.allclose(points[0], (0.75 + 0.25 * factor) * ends[0], atol=1e-5)
    assert slerp_weights(angle_between(ends[0], factor * ends[0]), 0.25) == pytest.approx((0.75, 0.25))
