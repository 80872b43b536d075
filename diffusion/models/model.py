"""A model: a network with everything that is needed to sample it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from diffusion.data.cats import Cats
from diffusion.denoiser import Denoiser, NetworkDenoiser, guide, network_denoiser
from diffusion.models.stored import load_parts
from diffusion.nets.autoencoder import Autoencoder
from diffusion.nets.text_encoder import TextEncoder, encode_prompts
from diffusion.nets.unet import UNet
from diffusion.process import PREDICTIONS, Prediction
from diffusion.schedules import SCHEDULES, NoiseSchedule, check_name

STUDENT_CALLS = (1, 2, 4)  # the walks that a student has learned, in network calls
USUAL_STEPS = 20  # of DPM-Solver++: enough
M = TypeVar("M", bound="Model")


@dataclass(frozen=True, eq=False)
class Model:
    """A network of pixels with everything that is needed to sample it.

    Args:
        name: the checkpoint folder's name.
        net: the network, in evaluation mode; on "meta" while its weights are still in the folder.
        schedule_name: a key of SCHEDULES.
        schedule: what it was trained on.
        prediction: what it outputs: "epsilon", "v" or "sample".
        sample_shape: (C, H, W) of x_T.
        classes: class names, if it was trained with labels.
        about: data, licence, settings: what the model card tells. "began_with", if it was not trained from
            scratch: the name, data and licence of what it began with, of what that began with, and so on.
        folder: where it was loaded from, with the small files beside the weights; None if it was not.
        cats: all that it could have been trained on, if it is of cats: one can tell what it drew.

    Raises:
        ValueError: there is no such schedule or prediction.
    """

    name: str
    net: UNet
    schedule_name: str
    schedule: NoiseSchedule
    prediction: Prediction
    sample_shape: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    cats: Cats | None = None

    def __post_init__(self) -> None:
        check_name("schedule", self.schedule_name, SCHEDULES)
        check_name("prediction", self.prediction, PREDICTIONS)

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures: of `decode`'s result for a sample."""
        return self.sample_shape

    @property
    def teacher(self) -> str | None:
        """Of a student its teacher's name; its x̂_0 at T, 3T/4, T/2 and T/4 is where the teacher's walk ends.

        Anywhere else, and for all other models, x̂_0 is the mean of the pictures that fit.
        """
        settings = self.about.get("settings")
        if not isinstance(settings, dict) or settings.get("stage") != "student":
            return None
        return str(settings.get("init"))

    @property
    def usual_walk(self) -> tuple[str, int]:
        """Sampler and steps, wherever nobody chose; between a student's calls there is fresh noise."""
        sampler, num_steps = ("ddpm", max(STUDENT_CALLS)) if self.teacher else ("dpm++2m", USUAL_STEPS)
        return sampler, min(num_steps, self.schedule.num_timesteps)

    def parts(self) -> dict[str, nn.Module]:
        """The networks, by the prefix of their weights' names in a file."""
        return {"": self.net}

    def to(self: M, device: torch.device | str) -> M:
        """Move all networks there, in place: from "meta" by reading the weights in `folder`.

        Raises:
            CheckpointError: what is in the folder cannot be used; says why.
        """
        if self.device.type == "meta" and self.folder is not None:
            load_parts(self.folder, self.parts(), device)
        for part in self.parts().values():
            part.to(device)
        return self

    def encode(self, images: Tensor) -> Tensor:
        """(B, C, H, W) pictures in [−1, 1] → x_0: the pictures themselves."""
        return images

    def decode(self, x_0: Tensor) -> Tensor:
        """x_0 → (B, C, H, W) pictures; not clamped."""
        return x_0

    def denoiser(
        self,
        *,
        class_labels: Tensor | None = None,
        guidance_scale: float = 1.0,
        schedule: NoiseSchedule | None = None,
    ) -> Denoiser:
        """The denoiser (x_t, t) → x_0_hat.

        Args:
            class_labels: (B,) int64, or None for no class.
            guidance_scale: 1.0 is off; without a class it has nothing to guide towards.
            schedule: the schedule that is sampled, if not the model's own.
        """
        conditional = self._conditioned_on(schedule, class_labels=class_labels)
        if class_labels is None:
            return conditional
        return guide(conditional, self._conditioned_on(schedule), guidance_scale)

    def _conditioned_on(
        self,
        schedule: NoiseSchedule | None,
        *,
        class_labels: Tensor | None = None,
        context: Tensor | None = None,
    ) -> NetworkDenoiser:
        return network_denoiser(
            self.net,
            schedule or self.schedule,
            self.prediction,
            trained_on=self.schedule,
            class_labels=class_labels,
            context=context,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentModel(Model):
    """A network of latents that is told by text; `sample_shape` is that of the latents.

    Args:
        text: what reads a prompt's tokens.
        tokenizer: what makes them.
        autoencoder: between pictures and latents.
    """

    text: TextEncoder
    tokenizer: Tokenizer
    autoencoder: Autoencoder

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures: of `decode`'s result for a sample."""
        config, (_, height, width) = self.autoencoder.config, self.sample_shape
        return (config.image_channels, height * config.factor, width * config.factor)

    def parts(self) -> dict[str, nn.Module]:
        """The networks, by the prefix of their weights' names in a file."""
        return super().parts() | {"text.": self.text, "autoencoder.": self.autoencoder}

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """(B, C, H, W) pictures in [−1, 1] → x_0: their latents."""
        return self.autoencoder.encode(images)

    @torch.no_grad()
    def decode(self, x_0: Tensor) -> Tensor:
        """x_0 → (B, C, H, W) pictures; not clamped."""
        return self.autoencoder.decode(x_0)

    @torch.no_grad()
    def context(self, prompts: Sequence[str]) -> Tensor:
        """(B,) prompts → (B, L, D): what the network is told."""
        return self.text(encode_prompts(self.tokenizer, prompts).to(self.device))

    @torch.no_grad()
    def sketch(self, context: Tensor) -> Tensor:
        """(B, L, D) → (B, C, h, w): the guess at x_0 that the network gets of the text, beside x_t.

        Raises:
            ValueError: the network has no such layer.
        """
        if self.net.sketch is None:
            raise ValueError(f"The network of {self.name} sees no sketch.")
        return self.net.sketch(context)

    def denoiser(
        self,
        *,
        class_labels: Tensor | None = None,
        guidance_scale: float = 1.0,
        schedule: NoiseSchedule | None = None,
        prompts: Sequence[str] | None = None,
        negative_prompts: Sequence[str] | None = None,
        context: Tensor | None = None,
    ) -> Denoiser:
        """The denoiser (x_t, t) → x_0_hat.

        Args:
            class_labels: (B,) int64, for a network that knows classes too; None for no class.
            guidance_scale: 1.0 is off; without a prompt it has nothing to guide towards.
            schedule: the schedule that is sampled, if not the model's own.
            prompts: B texts; None for no text.
            negative_prompts: B texts that guidance leads away from; None for the empty text.
            context: (B, L, D) in place of prompts: what `context` gives for texts, or vectors between such.
        """
        if prompts is not None:
            context = self.context(prompts)
        if context is None:
            return self._conditioned_on(schedule, class_labels=class_labels, context=self.context([""]))
        conditional = self._conditioned_on(schedule, class_labels=class_labels, context=context)
        nothing = self.context(negative_prompts or [""])
        return guide(conditional, self._conditioned_on(schedule, context=nothing), guidance_scale)
