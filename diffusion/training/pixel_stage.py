"""The stage that everybody begins with: diffusion on pictures as they are."""

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion.data.cats import Cats
from diffusion.data.image_sets import DataError, ImageData
from diffusion.data.images import to_signed
from diffusion.films.film import make_film
from diffusion.films.folder import save_film
from diffusion.films.samples import SAMPLES_FILE, film_settings, save_samples
from diffusion.films.training_history import HELD_OUT, TRAINED_ON, Recorder
from diffusion.likelihood import describe_bits
from diffusion.losses import diffusion_loss, stratified_timesteps
from diffusion.models.card import save_metrics
from diffusion.models.folder import save_model
from diffusion.models.model import Model
from diffusion.nets.unet import UNet, UNetConfig
from diffusion.schedules import named_schedule
from diffusion.training.config import DiffusionSettings, PixelDiffusionSettings, TrainConfig
from diffusion.training.data import Pictures, load_held_out
from diffusion.training.distributed import rank, world_size
from diffusion.training.initial import begin_with, lineage, origin
from diffusion.training.run_state import saved_settings
from diffusion.training.stage import D, Forward, Metrics, Stage, Weights

HELD_OUT_IMAGES = 500  # for bits/dim: of MNIST's 1.6 they leave an error of 0.05


class DiffusionStage(Stage[UNet, D]):
    """E‖ε − ε_θ(x_t, t)‖², on whatever x_0 is.

    Args:
        config, data, device: as of every Stage.
        settings: of the objective.
        shape: of the network.
    """

    def __init__(
        self,
        config: TrainConfig,
        settings: DiffusionSettings,
        data: D,
        shape: UNetConfig,
        device: torch.device,
    ) -> None:
        super().__init__(config, data, UNet(shape), device)
        self.objective = settings
        self.schedule = named_schedule(settings.schedule, settings.num_timesteps).to(device)

    @abstractmethod
    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, Weights]:
        """x_0 and the network's conditioning by name, of the examples at these positions of the run."""

    @abstractmethod
    def model(self, weights: Weights | None, images_seen: int) -> Model:
        """The network as a model, with these parameters in place of its own (None: with its own)."""

    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        """DDPM's Algorithm 1 on one process's share of a batch: its mean loss."""
        objective = self.objective
        x_0, conditioning = self.batch(positions, generator)
        t = stratified_timesteps(len(x_0), objective.num_timesteps, generator, rank(), world_size())
        noise = torch.randn(x_0.shape, generator=generator, device=self.device)
        return diffusion_loss(
            forward,
            self.schedule,
            x_0,
            t,
            noise,
            prediction=objective.prediction,
            weighting=objective.weighting,
            **conditioning,
        ).mean()

    def example(self, generator: torch.Generator) -> tuple[tuple[Tensor, ...], Weights]:
        x_0, conditioning = self.batch(range(2), generator)
        return (x_0, torch.ones(2, device=self.device)), conditioning

    def save_samples(self, file: Path, weights: Weights, images_seen: int) -> None:
        save_samples(file, self.model(weights, images_seen))


class PixelDiffusion(DiffusionStage[Pictures]):
    """Diffusion on pictures, with their class labels if they have any.

    Args: as of every Stage, its own settings, and the model that it begins with, if there is one.
    """

    def __init__(
        self,
        config: TrainConfig,
        settings: PixelDiffusionSettings,
        data: Pictures,
        device: torch.device,
        start: Model | None = None,
    ) -> None:
        shape = settings.unet(data.image_shape[0], num_classes=len(data.classes) if data.classes else None)
        super().__init__(config, settings, data, shape, device)
        self.settings = settings
        if start:
            begin_with(self.net, settings.prediction, data.classes, start)
            self.began_with = lineage(start, origin(settings.init or start.name))
        else:  # a run that is begun has noted it
            self.began_with = (saved_settings(config.out) or {}).get("began_with", [])

    def fixed_settings(self) -> dict[str, Any]:
        """With the name of what it began with: where that lies does not matter."""
        init = self.settings.init
        return super().fixed_settings() | {"init": init and origin(init)}

    def batch(self, positions: range, generator: torch.Generator) -> tuple[Tensor, Weights]:
        x_0, labels = self.data.batch(positions, self.config.seed, generator)
        if labels is None:
            return x_0, {}
        silent = torch.rand(len(x_0), generator=generator, device=self.device) < self.settings.class_dropout
        return x_0, {"class_labels": torch.where(silent, len(self.data.classes or ()), labels)}

    def model(self, weights: Weights | None, images_seen: int) -> Model:
        return Model(
            self.config.out.resolve().name,
            self.with_weights(weights),
            self.settings.schedule,
            self.schedule.to("cpu"),
            self.settings.prediction,
            self.data.image_shape,
            self.data.classes,
            self.about(images_seen),
            cats=self.data.to("cpu") if isinstance(self.data, Cats) else None,
        )

    @cached_property
    def held_out(self) -> ImageData | None:
        """Images that are not trained on, if the data set has any and they can be had."""
        try:
            return load_held_out(self.config.data_name, self.settings.data)
        except DataError as error:
            print(f"Not measured: {error}", flush=True)
            return None

    @property
    def judged(self) -> ImageData:
        """The pictures that a history judges by: held-out ones, or where there are none those trained on."""
        return self.held_out or (self.data.held_out() if isinstance(self.data, Cats) else self.data)

    def recorder(self, images_seen: int) -> Recorder | None:
        judged = self.judged
        return Recorder(
            self.config.out,
            judged.to(self.device),
            TRAINED_ON if judged is self.data else HELD_OUT,
            self.model,
            self.config.total_images,
            self.config.batch_size,
            images_seen,
        )

    def export(self, weights: Weights, images_seen: int, metrics: Metrics | None) -> None:
        out, model = self.config.out, self.model(weights, images_seen)
        save_model(out, model)
        save_samples(out / SAMPLES_FILE, model)
        save_film(out, make_film(model, **film_settings(model)))
        save_metrics(out, model, self.measure(model) if metrics is None else metrics)

    def measure(self, model: Model) -> Metrics:
        """The variational bound on held-out images."""
        if self.held_out is None:
            return {}
        test = self.held_out.to(self.device)
        images = to_signed(test.images[:HELD_OUT_IMAGES])
        labels = None if test.labels is None else test.labels[:HELD_OUT_IMAGES]
        bits = describe_bits(model.denoiser(class_labels=labels), model.schedule, images)
        return {"bits/dim": f"{bits}; the first {len(images)} test images of {test.title}"}
