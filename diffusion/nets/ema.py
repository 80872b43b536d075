"""An exponential moving average of the weights: the network that is sampled, far better than the last one."""

import numpy as np
import torch
from torch import nn


def ema_beta(images_seen: int, batch_size: int, relative_width: float) -> float:
    """The decay of a power-function average (Karras et al. 2024, Eq. 123-127).

    Its width grows with the run, so it needs no warm-up and no tuning to the run's length.

    Args:
        images_seen: after the step that is being averaged in.
        batch_size: images in that step.
        relative_width: σ_rel, the average's standard deviation in units of images_seen, 0 to 0.28.

    Returns:
        β in [0, 1): average ← β · average + (1 − β) · weights.
    """
    # σ_rel² = (γ + 1) / ((γ + 2)² (γ + 3)), solved for γ.
    inverse_variance = relative_width**-2
    gamma = np.roots([1, 7, 16 - inverse_variance, 12 - inverse_variance]).real.max()
    return (1 - batch_size / images_seen) ** (gamma + 1)


class EMA:
    """Averages of a module's named parameters.

    Args:
        module: whose parameters are averaged; they are also the starting values.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.weights = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, beta: float) -> None:
        """Move every average towards the module's current parameters: average ← lerp(current, average, β)."""
        current = [p.detach() for p in self.module.parameters()]
        torch._foreach_lerp_(list(self.weights.values()), current, 1 - beta)
