"""The stage that everybody begins with: diffusion on pictures as they are."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.data.emoji import EmojiSet
from diffusion.data.image_sets import ImageData
from diffusion.data.images import to_signed
from diffusion.films.film import make_film, save_film
from diffusion.films.samples import SAMPLES_FILE, every_class, save_samples
from diffusion.likelihood import describe_bits
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.models.folder import save_model
from diffusion.models.model import Model
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.schedules import named_schedule
from diffusion.training.config import TrainConfig, fixed_settings
from diffusion.training.distributed import rank, world_size

HELD_OUT_IMAGES = 500
Data = ImageData | EmojiSet


class Diffusion:
    """E‖ε − ε_θ(x_t, t)‖² on pictures, with their class labels if they have any.

    Args:
        config: of the run.
        data: to train on, on `device`.
        device: where the network is built.
    """

    def __init__(self, config: TrainConfig, data: Data, device: torch.device) -> None:
        self.config, self.data, self.device = config, data, device
        self.schedule = named_schedule(config.schedule, config.num_timesteps).to(device)
        self.net = self.build().to(device)

    def build(self) -> nn.Module:
        classes = self.data.classes
        return self.unet(self.data.images.shape[1], num_classes=len(classes) if classes else None)

    def unet(self, in_channels: int, **conditions: int | None) -> UNet:
        """A UNet of the shape that the settings give."""
        return UNet(UNetConfig(in_channels, **conditions, **self.config.shape(UNetConfig)))

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """x_0 and what the network is told about it, at these positions of the run."""
        x_0, labels = self.data.batch(positions, self.config.seed, generator)
        if labels is None:
            return x_0, {}
        dropped = torch.rand(len(x_0), generator=generator, device=self.device) < self.config.class_dropout
        return x_0, {"class_labels": torch.where(dropped, len(self.data.classes), labels)}

    def loss(self, forward: Any, positions: range, generator: torch.Generator) -> Tensor:
        """DDPM's Algorithm 1 on one process's share of a batch: its mean loss."""
        config = self.config
        x_0, told = self.batch(positions, generator)
        t = stratified_timesteps(len(x_0), config.num_timesteps, generator, rank(), world_size())
        noise = torch.randn(x_0.shape, generator=generator, device=self.device)
        how = {"prediction": config.prediction, "weighting": config.weighting} | told
        return diffusion_loss(forward, self.schedule, x_0, t, noise, **how).mean()

    def example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Arguments for the network, for a few pictures, to count its operations with."""
        x_0, _ = self.batch(range(2), generator)
        return x_0, torch.ones(2, device=self.device)

    def with_weights(self, weights: dict[str, Tensor] | None) -> nn.Module:
        """A copy of the network to use, with these parameters in place of its own."""
        net = deepcopy(self.net).eval().requires_grad_(False)
        net.load_state_dict(net.state_dict() | (weights or {}))
        return net

    def settings(self) -> dict[str, Any]:
        """What may not change while a run lasts, as JSON has it."""
        return fixed_settings(self.config)

    def about(self, images_seen: int) -> dict[str, Any]:
        """What the model card tells."""
        told = {"data": self.data.title, "licence": self.data.licence, "images_seen": images_seen}
        return told | {"settings": self.settings()}

    def model(self, weights: dict[str, Tensor] | None, images_seen: int) -> Model:
        """The network as a model, with these parameters in place of its own."""
        config, data, shape = self.config, self.data, tuple(self.data.images.shape[1:])
        what = (config.schedule, self.schedule.to("cpu"), config.prediction, shape, data.classes)
        return Model(config.out.resolve().name, self.with_weights(weights), *what, self.about(images_seen))

    def save_samples(self, file: Any, weights: dict[str, Tensor], images_seen: int) -> None:
        """A picture of what the network can do so far."""
        save_samples(file, self.model(weights, images_seen))

    def export(self, weights: dict[str, Tensor], images_seen: int) -> Model:
        """Write weights, samples and film into the run's folder, in the layout of the Hub."""
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / SAMPLES_FILE, model)
        save_film(out, make_film(model, **every_class(model, per_class=1)))
        return model

    def measure(self, model: Model, test: Data) -> dict[str, str]:
        """The variational bound on held-out images."""
        images, labels = (x[:HELD_OUT_IMAGES].to(self.device) for x in (test.images, test.labels))
        bits = describe_bits(model.denoiser(class_labels=labels), model.schedule, to_signed(images))
        return {"bits/dim": f"{bits}; the first {len(images)} test images of {test.title}"}
