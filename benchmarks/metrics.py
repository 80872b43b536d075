"""How good samples are: how their features are distributed, and whether they are copies."""

import math

import torch
from torch import Tensor

from diffusion.data.images import to_signed


def frechet_distance(features: Tensor, reference: Tensor) -> float:
    """Fréchet distance of two sets of features, each taken as a Gaussian (Heusel et al. 2017, Eq. 6).

    ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½). It is biased upwards for few samples: compare equal numbers.

    Args:
        features, reference: (N, F) and (M, F), any scale; N, M > F for a meaningful covariance.

    Returns:
        The squared distance, in the features' units squared.
    """
    features, reference = features.double(), reference.double()
    covariance, reference_covariance = features.T.cov(), reference.T.cov()
    # The eigenvalues of a product of two covariances are real and ≥ 0 up to rounding.
    cross = torch.linalg.eigvals(covariance @ reference_covariance).real.clamp(min=0).sqrt().sum()
    mean_term = (features.mean(0) - reference.mean(0)).square().sum()
    return (mean_term + covariance.trace() + reference_covariance.trace() - 2 * cross).item()


def nearest_neighbours(x: Tensor, data: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest example of `data` to each of `x`, by root mean square difference.

    Args:
        x: (B, *D).
        data: (N, *D).

    Returns:
        distances (B,) in the units of x, and indices (B,) into data.
    """
    distances, indices = torch.cdist(x.flatten(1), data.flatten(1)).min(1)
    return distances / x[0].numel() ** 0.5, indices


def nearest_of_class(images: Tensor, labels: Tensor) -> float:
    """How far pictures are from the nearest other one of their class: little means that many are alike.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,), at least two of each.

    Returns:
        The mean of the root mean squares of x in [−1, 1].
    """
    x = to_signed(images).flatten(1)
    distances = torch.cdist(x, x).masked_fill(labels[:, None] != labels, math.inf).fill_diagonal_(math.inf)
    return distances.min(1).values.mean().item() / x.shape[1] ** 0.5
