"""Ways between two points: a straight line, and the arc that suits normal noise.

A straight mixture (1 − w)·a + w·b of two independent standard normal tensors has the variance
(1 − w)² + w², half of what it should be at w = ½; a network has never seen noise that weak. In many
dimensions such noises lie almost on a sphere, and at right angles: spherical interpolation (Shoemake 1985,
and for diffusion Song et al. 2021) follows that sphere.
"""

import math

import torch
from torch import Tensor

NO_ARC = 1e-6  # sin Ω below which a and b lie on one line


def angle_between(a: Tensor, b: Tensor) -> float:
    """Ω in radians, of two tensors of one shape taken as vectors, neither of them zero."""
    a, b = a.double().flatten(), b.double().flatten()
    return math.acos((a @ b / (a.norm() * b.norm())).clamp(-1, 1).item())


def slerp_weights(angle: float, w: float) -> tuple[float, float]:
    """What a and b are multiplied with: sin((1 − w)Ω) / sin Ω and sin(wΩ) / sin Ω.

    Args:
        angle: Ω between them in radians. Where they lie on one line there is no arc: then 1 − w and w.
        w: from 0, which is a, to 1, which is b.
    """
    if math.sin(angle) < NO_ARC:
        return 1 - w, w
    return math.sin((1 - w) * angle) / math.sin(angle), math.sin(w * angle) / math.sin(angle)


def slerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Points on the arc from a to b.

    Args:
        a, b: (*D) each, neither of them zero.
        weights: (K,) in 0..1.

    Returns:
        (K, *D), a itself where the weight is 0 and b where it is 1.
    """
    angle = angle_between(a, b)
    pairs = [slerp_weights(angle, w) for w in weights.tolist()]
    return torch.stack([of_a * a + of_b * b for of_a, of_b in pairs])


def lerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """Points on the straight line, (K, *D); arguments as for `slerp`."""
    return torch.stack([(1 - w) * a + w * b for w in weights.tolist()])
