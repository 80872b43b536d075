"""The stage of a student: it learns from a trained network to say in a few calls what that says in many."""

from itertools import pairwise

import torch
from torch import Tensor

from diffusion.denoiser import Denoiser, network_denoiser
from diffusion.devices import has_bf16, in_bf16
from diffusion.films.training_history import Recorder
from diffusion.losses import WEIGHTINGS, consistency_loss
from diffusion.models.model import STUDENT_CALLS, Model
from diffusion.models.weights import CheckpointError
from diffusion.process import q_sample
from diffusion.samplers import sample, timesteps
from diffusion.training.config import StudentSettings, TrainConfig
from diffusion.training.data import Pictures
from diffusion.training.pixel_stage import PixelDiffusion
from diffusion.training.stage import Forward, Metrics, Weights

STRETCHES = max(STUDENT_CALLS)  # of 0..T: the student learns at the t that walks of 1, 2 and 4 calls visit
TEACHER_STEPS = 2  # with which the teacher walks one


class Distillation(PixelDiffusion):
    """Consistency distillation of a model of pictures, with whose weights the student begins.

    Args:
        config, settings, data, device: as of `PixelDiffusion`.
        teacher: on any device; the student's network and schedule are of the same kind.

    Raises:
        CheckpointError: the teacher's are others.
    """

    def __init__(
        self,
        config: TrainConfig,
        settings: StudentSettings,
        data: Pictures,
        device: torch.device,
        teacher: Model,
    ) -> None:
        super().__init__(config, settings, data, device, teacher)
        theirs = (teacher.schedule_name, teacher.schedule.num_timesteps)
        if theirs != (settings.schedule, settings.num_timesteps):
            raise CheckpointError(
                f"{teacher.name} was trained on the {theirs[0]} schedule of {theirs[1]} steps, "
                f"and its student needs the same one: --schedule {theirs[0]}."
            )
        net = teacher.to(device).net.eval().requires_grad_(False)
        self.teacher: Forward = in_bf16(net, device) if has_bf16(device) else net

    def denoiser_of(self, net: Forward, conditioning: Weights) -> Denoiser:
        """A network of this schedule as a denoiser, told this."""
        labels = conditioning.get("class_labels")
        return network_denoiser(net, self.schedule, self.settings.prediction, class_labels=labels)

    def loss(self, forward: Forward, positions: range, generator: torch.Generator) -> Tensor:
        """The mean of `consistency_loss` on one process's share of a batch, as much of it on each stretch."""
        x_0, conditioning = self.batch(positions, generator)
        noise = torch.randn(x_0.shape, generator=generator, device=self.device)
        grid = torch.tensor(timesteps(self.schedule, STRETCHES), device=self.device)
        place = torch.arange(len(x_0), device=self.device) % STRETCHES
        t, s = grid[place], grid[place + 1]
        x_t = q_sample(self.schedule, x_0, t, noise)
        x_s = torch.empty_like(x_t)
        for start, end in pairwise(grid.tolist()):
            here = t == start
            told = {name: value[here] for name, value in conditioning.items()}
            steps = [start + (end - start) * k // TEACHER_STEPS for k in range(TEACHER_STEPS + 1)]
            teacher = self.denoiser_of(self.teacher, told)
            *_, last = sample(teacher, self.schedule, x_t[here], steps, sampler="dpm++2m")
            x_s[here] = last.x_s
        loss = consistency_loss(self.denoiser_of(forward, conditioning), x_t, t, x_s, s)
        return (loss * WEIGHTINGS[self.settings.weighting](self.schedule.snr(t)).float()).mean()

    def flops_per_image(self) -> float:
        """With the calls that nothing is learned from; each is a third of a training step."""
        return super().flops_per_image() * (1 + (TEACHER_STEPS + 1) / 3)

    def recorder(self, images_seen: int) -> Recorder | None:
        """None: a history tells the loss of a denoiser, which a student is not."""
        return None

    def measure(self, model: Model) -> Metrics:
        """Nothing: the variational bound is a denoiser's, too."""
        return {}
