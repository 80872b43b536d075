"""What the scheduler of a pipeline of diffusers says of training: the schedule, and what is predicted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from diffusion.checks import is_whole
from diffusion.models.folder import MAX_LENGTH
from diffusion.pipelines.loading import PipelineError, first_line, read_json
from diffusion.process import Prediction
from diffusion.schedules import SCHEDULES, NoiseSchedule, cosine_schedule

SCHEDULER = "scheduler_config.json"
SCHEDULERS = (  # those whose noise is given by betas
    "DDPMScheduler",
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "PNDMScheduler",
)
NAMED = {
    "epsilon": "epsilon",
    "v_prediction": "v",
    "sample": "sample",
}  # predictions, as diffusers calls them


def read_scheduler(folder: Path, name: str) -> tuple[str, NoiseSchedule, Prediction]:
    """What a scheduler_config.json says of training: the schedule's name and values, and what is predicted.

    Raises:
        PipelineError: it is no schedule of betas, or says something that is not known here.
    """
    config = read_json(folder / SCHEDULER, name)
    kind = config.get("_class_name")
    if kind not in SCHEDULERS:
        raise PipelineError(f"{name} has a {kind}, and only {', '.join(SCHEDULERS)} are read.")
    predicted = config.get("prediction_type", "epsilon")
    if predicted not in NAMED:
        raise PipelineError(f"{name} predicts {predicted!r}, and only {', '.join(NAMED)} are known here.")
    if config.get("rescale_betas_zero_snr"):
        raise PipelineError(
            f"{name} ends in pure noise (rescale_betas_zero_snr), where ε̂ says nothing of x̂_0."
        )
    schedule_name, schedule = schedule_of(config, name)
    return schedule_name, schedule, cast(Prediction, NAMED[predicted])


def schedule_of(config: dict[str, Any], name: str) -> tuple[str, NoiseSchedule]:
    """The schedule of a scheduler's config: our name for it if it is one of SCHEDULES, else diffusers'.

    Raises:
        PipelineError: there is no such schedule, or it is none.
    """
    trained = config.get("trained_betas")
    kind = "trained_betas" if trained is not None else config.get("beta_schedule", "linear")
    length = len(trained) if isinstance(trained, list) else config.get("num_train_timesteps", 1000)
    if not is_whole(length, 2, MAX_LENGTH):
        raise PipelineError(f"{name} has {length!r} timesteps, and here a schedule has 2 to {MAX_LENGTH:,}.")
    if kind not in BETAS:
        raise PipelineError(f"{name} has a schedule {kind!r}, and only {', '.join(BETAS)} are known here.")
    try:
        betas = BETAS[kind](config, length)
        schedule = NoiseSchedule(torch.cat([torch.ones(1, dtype=torch.float64), (1 - betas).cumprod(0)]))
    except (TypeError, ValueError) as error:
        raise PipelineError(f"{name} has a schedule that is none: {first_line(error)}") from None
    ours = {known: make(length).alphas_cumprod for known, make in SCHEDULES.items()}
    same = [known for known, values in ours.items() if torch.allclose(values, schedule.alphas_cumprod)]
    return (same or [kind])[0], schedule


def _linear(config: dict[str, Any], length: int) -> Tensor:
    start, end = config.get("beta_start", 1e-4), config.get("beta_end", 0.02)
    return torch.linspace(start, end, length, dtype=torch.float64)


def _scaled_linear(config: dict[str, Any], length: int) -> Tensor:
    start, end = config.get("beta_start", 1e-4), config.get("beta_end", 0.02)
    return torch.linspace(start**0.5, end**0.5, length, dtype=torch.float64) ** 2


BETAS: dict[str, Callable[[dict[str, Any], int], Tensor]] = {  # (T,) float64, by diffusers' names
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": lambda _, length: cosine_schedule(length).betas,
    "trained_betas": lambda config, _: torch.tensor(config["trained_betas"], dtype=torch.float64),
}
