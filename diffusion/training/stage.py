"""A stage: a network on its data, the loss of a batch, what is written in the end. One loop trains all."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor

from diffusion.films.training_history import Recorder
from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.step_cost import training_flops
from diffusion.nets.text_encoder import Matcher, PartMatcher
from diffusion.nets.unet import UNet
from diffusion.training.config import TrainConfig, fixed_settings
from diffusion.training.data import Data

Network: TypeAlias = UNet | Autoencoder | Matcher | PartMatcher
Net = TypeVar("Net", bound=Network)
D = TypeVar("D", bound=Data)
Weights: TypeAlias = dict[str, Tensor]  # a network's parameters by name
Metrics: TypeAlias = dict[str, Any]  # figures by name, as metrics.json has them
Forward: TypeAlias = Callable[..., Any]  # called as the network, with what training wraps around it


class Stage(ABC, Generic[Net, D]):
    """What all stages have in common.

    Args:
        config: of the run.
        data: to train on, on `device`.
        net: to be trained.
        device: of this process.
    """

    def __init__(self, config: TrainConfig, data: D, net: Net, device: torch.device) -> None:
        self.config, self.data, self.device = config, data, device
        self.net = net
        self.began_with: list[dict[str, Any]] = []  # as `lineage` tells it
        net.to(device)

    @abstractmethod
    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        """The mean loss of one process's share of a batch: the examples at these positions of the run."""

    @abstractmethod
    def example(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Weights]:
        """Arguments for the network, by place and by name, to count its operations with."""

    def flops_per_image(self) -> float:
        """Floating-point operations of one image's forward and backward pass."""
        inputs, conditioning = self.example(torch.Generator(self.device).manual_seed(0))
        return training_flops(self.net, *inputs, **conditioning) / len(inputs[0])

    def with_weights(self, weights: Weights | None) -> Net:
        """A copy of the network to use, with these parameters in place of its own (None: with its own)."""
        net = deepcopy(self.net)
        net.eval().requires_grad_(False)
        net.load_state_dict(net.state_dict() | (weights or {}))
        return net

    def fixed_settings(self) -> dict[str, Any]:
        """What may not change while a run lasts, as JSON has it."""
        return fixed_settings(self.config)

    def about(self, images_seen: int) -> dict[str, Any]:
        """What the model card tells."""
        return {
            "data": self.data.title,
            "licence": self.data.licence,
            "images_seen": images_seen,
            "device": "a GPU" if self.device.type == "cuda" else "a CPU",
            "settings": self.fixed_settings(),
        } | ({"began_with": self.began_with} if self.began_with else {})

    def recorder(self, images_seen: int) -> Recorder | None:
        """What keeps the run's history, if it has one."""
        return None

    @abstractmethod
    def save_samples(self, file: Path, weights: Weights, images_seen: int) -> None:
        """Write a picture of what the network can do so far."""

    @abstractmethod
    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        """Write weights, samples and figures into the run's folder, in the layout of the Hub.

        Args:
            weights: to export.
            images_seen: so far.
            metrics: the figures; None measures them.
        """
