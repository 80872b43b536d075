"""Drawing the pictures that are judged: from fixed seeds, in bf16 where the hardware has it."""

from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from diffusion.data.images import to_uint8
from diffusion.denoiser import Denoiser
from diffusion.devices import has_bf16, in_bf16
from diffusion.films.film import walk
from diffusion.models.model import Model

SEED = 0
BATCH_SIZES = {"cpu": 250, "cuda": 1000}  # each batch has a seed, so these decide the samples too


class Sampling(NamedTuple):
    """How pictures are drawn."""

    sampler: str
    num_steps: int
    guidance_scale: float = 1.0

    def __str__(self) -> str:
        return f"{self.sampler}, {self.num_steps} steps, guidance {self.guidance_scale:g}"


HEADLINE = Sampling("dpm++2m", 20)  # of the figures that come first


class InBf16(nn.Module):
    """A network that computes in bf16, in the layout that training uses."""

    def __init__(self, net: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)
        self.compute = in_bf16(net, device)

    def forward(self, *args: Tensor, **cond: Tensor | None) -> Tensor:
        return self.compute(*args, **cond)


def in_bf16_copy(model: Model) -> Model:
    """The model with a copy of its network that computes in bf16."""
    return replace(model, net=InBf16(deepcopy(model.net), model.device))


def for_sampling(model: Model) -> Model:
    """The model in bf16 where the hardware has it, or else as it is."""
    return in_bf16_copy(model) if has_bf16(model.device) else model


def pictures(model: Model, denoise: Denoiser, sampling: Sampling, **start: Any) -> Tensor:
    """Where a walk ends, as it is shown.

    Args:
        model, denoise: as for `walk`.
        sampling: its sampler and steps; the guidance is part of `denoise`.
        start: `walk`'s seed, num_images, x_T or noise.

    Returns:
        (B, C, H, W) uint8, on the CPU.
    """
    for step in walk(model, denoise, sampler=sampling.sampler, num_steps=sampling.num_steps, **start):
        x_0 = step.x_s
    return to_uint8(model.decode(x_0)).cpu()


def draw(model: Model, num_images: int, sampling: Sampling, labels: Tensor | None = None) -> Tensor:
    """Samples of a model of pixels, each batch from a seed of its own, counted from SEED.

    Args:
        model: to draw from.
        num_images: N.
        sampling: sampler, steps, guidance.
        labels: (N,) int64 classes; None draws without.

    Returns:
        (N, C, H, W) uint8, on the CPU.
    """
    parts = []
    batches = torch.arange(num_images).split(BATCH_SIZES[model.device.type])
    for batch, index in enumerate(tqdm(batches, desc=str(sampling))):
        class_labels = None if labels is None else labels[index].to(model.device)
        denoise = model.denoiser(class_labels=class_labels, guidance_scale=sampling.guidance_scale)
        parts.append(pictures(model, denoise, sampling, seed=SEED + batch, num_images=len(index)))
    return torch.cat(parts)
