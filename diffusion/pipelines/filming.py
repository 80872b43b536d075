"""A diffusers pipeline draws a picture, filmed step by step."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusion.data.images import to_uint8
from diffusion.devices import best_device
from diffusion.films.film import EPS_RANGE
from diffusion.pipelines.loading import PipelineError, first_line
from diffusion.process import Prediction, x_0_from_output

FLOW_MATCHING = "FlowMatchEulerDiscreteScheduler"
OUR_NAMES: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}


@dataclass(frozen=True)
class PipelineRequest:
    """What to draw, and how.

    Args:
        prompt: what to draw.
        negative_prompt: guidance leads away from it; may be empty.
        num_steps: of the pipeline's scheduler.
        guidance_scale: as diffusers counts it; 1 is off.
        seed: of a generator on the CPU, so that every device draws the same noise.
    """

    prompt: str
    negative_prompt: str = ""
    num_steps: int = 30
    guidance_scale: float = 7.5
    seed: int = 0


class PipelineFrame(NamedTuple):
    """One step, as it is shown. The last frame, at t = 0, shows what came out.

    Args:
        k: 0, 1, …, num_steps.
        num_steps: calls of the denoiser; some schedulers make more than were asked for.
        t: the scheduler's own time, mostly of 0..999.
        latents: (C, h, w) uint8, as the denoiser sees them, with [−3, 3] as black to white.
        picture: (H, W, 3) uint8, decoded; the pipeline's own output at the end.
        predicted: the picture is x̂_0; otherwise it is of the latents after the step, noise and all.
        withheld: the pipeline's safety checker refused the picture, and it is black.
        seconds: the denoiser's call and the update; reading the prompt counts to the first step.
    """

    k: int
    num_steps: int
    t: float
    latents: np.ndarray
    picture: np.ndarray
    predicted: bool
    withheld: bool
    seconds: float


class _Closed(Exception):
    """Nobody wants the rest of the film."""


def film(pipeline: Any, request: PipelineRequest) -> Generator[PipelineFrame, None, None]:
    """Draw a picture, yielding every step as it is made, and what came out as the last frame.

    The pipeline runs in a thread of its own, since it calls back instead of yielding. Closing the generator
    ends it before its next step.

    Args:
        pipeline: from `load_pipeline`; goes to the GPU if there is one.
        request: what to draw.

    Raises:
        PipelineError: it failed; says why.
    """
    frames: SimpleQueue[PipelineFrame | Exception | None] = SimpleQueue()
    closed = Event()

    def put(frame: PipelineFrame) -> None:
        if closed.is_set():
            raise _Closed
        frames.put(frame)

    def work() -> None:
        try:
            _draw(pipeline.to(best_device()), request, put)
            frames.put(None)
        except Exception as error:
            frames.put(error)

    worker = Thread(target=work, name="pipeline", daemon=True)
    worker.start()
    try:
        while (item := frames.get()) is not None:
            if isinstance(item, Exception):
                raise _failure(item) from item
            yield item
    finally:
        closed.set()
        worker.join()


def _failure(error: Exception) -> PipelineError:
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, torch.OutOfMemoryError):
        return PipelineError("This pipeline does not fit into the GPU's memory.")
    return PipelineError(f"The pipeline failed: {first_line(error)}")


def _draw(pipeline: Any, request: PipelineRequest, put: Callable[[PipelineFrame], None]) -> None:
    """Run the pipeline, handing on each step and what came out."""
    options = {"negative_prompt": request.negative_prompt} if request.negative_prompt else {}
    if not options.keys() <= signature(pipeline.__call__).parameters.keys():
        raise PipelineError(f"A {type(pipeline).__name__} takes no negative prompt.")
    recorder = StepRecorder(pipeline, put)
    with recorder.recording():
        made = pipeline(
            request.prompt,
            num_inference_steps=request.num_steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed),
            callback_on_step_end=recorder.on_step_end,
            callback_on_step_end_tensor_inputs=["latents"],
            **options,
        )
    flagged = getattr(made, "nsfw_content_detected", None)
    recorder.on_result(np.asarray(made.images[0].convert("RGB")), bool(flagged and flagged[0]))


class Predicted(NamedTuple):
    """What a call of the denoiser came to.

    Args:
        x_t: (1, C, h, w), as the denoiser sees it.
        x_0_hat: (1, C, h, w), or None where the scheduler does not tell.
    """

    x_t: Tensor
    x_0_hat: Tensor | None


class StepRecorder:
    """Sees what a pipeline's scheduler is given at each step, and makes frames of what its callback tells.

    Args:
        pipeline: to be run inside `recording`.
        put: takes each frame as it is made.
    """

    def __init__(self, pipeline: Any, put: Callable[[PipelineFrame], None]) -> None:
        self.pipeline, self.put = pipeline, put
        self.prediction: Predicted | None = None  # of the step being made
        self.latents: Tensor | None = None  # (1, C, h, w), after the last step
        self.count = 0
        self.started = time.perf_counter()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While open, every step of the scheduler passes by here."""
        scheduler = self.pipeline.scheduler
        step = scheduler.step

        @wraps(step)  # pipelines look at its signature
        def recorded(output: Tensor, t: Tensor, sample: Tensor, *args: Any, **options: Any) -> Any:
            scale = getattr(scheduler, "scale_model_input", None)
            x_t = scale(sample, t) if scale else sample
            as_tuple = options.pop("return_dict", True) is False
            made = step(output, t, sample, *args, **options)
            x_0_hat = made.get("pred_original_sample")
            if x_0_hat is None:
                x_0_hat = expected_latents(scheduler, output, t, x_t)
            self.prediction = Predicted(x_t, x_0_hat)
            return made.to_tuple() if as_tuple else made

        scheduler.step = recorded
        try:
            yield
        finally:
            del scheduler.step

    def on_step_end(self, _: Any, k: int, t: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The pipeline's own callback."""
        if self.prediction is None:
            raise PipelineError(f"A {type(self.pipeline).__name__} makes its steps without its scheduler.")
        self.latents, self.count = tensors["latents"], k + 1
        x_t, x_0_hat = self.prediction
        seen = shown_latents(x_t)  # waits for the GPU
        seconds = time.perf_counter() - self.started
        picture, withheld = decode(self.pipeline, self.latents if x_0_hat is None else x_0_hat)
        steps = self.pipeline.num_timesteps
        predicted = x_0_hat is not None
        self.put(PipelineFrame(k, steps, float(t), seen, picture, predicted, withheld, seconds))
        self.started = time.perf_counter()
        return {}

    def on_result(self, picture: np.ndarray, withheld: bool) -> None:
        """The last frame."""
        if self.latents is None:
            raise PipelineError(f"A {type(self.pipeline).__name__} made no steps.")
        seen = shown_latents(self.latents)
        self.put(PipelineFrame(self.count, self.count, 0.0, seen, picture, True, withheld, 0.0))


def expected_latents(scheduler: Any, output: Tensor, t: Any, x_t: Tensor) -> Tensor | None:
    """x̂_0 (1, C, h, w), if the scheduler has an ᾱ_t that tells it, or its flow is straight; otherwise None.

    Args:
        output: (1, C, h, w), of the denoiser, guidance included.
        t: counts from 0, as diffusers does.
        x_t: (1, C, h, w), as the denoiser sees it.
    """
    if type(scheduler).__name__ == FLOW_MATCHING:  # x_t = (1 − σ) x_0 + σ ε, and the output is ε − x_0
        return x_t - float(t) / scheduler.config.num_train_timesteps * output
    prediction = OUR_NAMES.get(scheduler.config.get("prediction_type", ""))
    alphas_cumprod = getattr(scheduler, "alphas_cumprod", None)
    if prediction is None or alphas_cumprod is None or output.shape != x_t.shape:
        return None
    alpha_bar = alphas_cumprod[round(float(t))].to(x_t.device, torch.float32)
    x_0_hat = x_0_from_output(
        prediction, output.float(), x_t.float(), alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    )
    return x_0_hat.to(x_t.dtype)


def shown_latents(latents: Tensor) -> np.ndarray:
    """(1, C, h, w) latents as (C, h, w) uint8. Raises PipelineError if they have another shape."""
    if latents.ndim != 4:
        raise PipelineError("The latents of this pipeline are no pictures with channels.")
    return to_uint8(latents[0].float(), EPS_RANGE).cpu().numpy()


def decode(pipeline: Any, latents: Tensor) -> tuple[np.ndarray, bool]:
    """What latents (1, C, h, w) look like, as the pipeline itself would decode them.

    Returns:
        (H, W, 3) uint8, and whether the pipeline's own safety checker refuses it: then it is black.
    """
    vae = pipeline.vae
    scale, shift, mean, std = (
        vae.config.get(key) for key in ("scaling_factor", "shift_factor", "latents_mean", "latents_std")
    )
    if mean and std:
        mean, std = (torch.tensor(each).view(1, -1, 1, 1).to(latents) for each in (mean, std))
        latents = latents * std / scale + mean
    else:
        latents = latents / (scale or 1) + (shift or 0)
    image = _run_vae(pipeline, latents)
    withheld = False
    if getattr(pipeline, "safety_checker", None) is not None:
        _, flagged = pipeline.run_safety_checker(image.clone(), image.device, image.dtype)
        withheld = bool(flagged and flagged[0])
    picture = to_uint8(image[0].float()).permute(1, 2, 0).cpu().numpy()
    return (np.zeros_like(picture) if withheld else picture), withheld


def _run_vae(pipeline: Any, latents: Tensor) -> Tensor:
    """(1, C, h, w) → (1, 3, H, W) in [−1, 1]."""
    vae, dtype = pipeline.vae, pipeline.vae.dtype
    if dtype != torch.float16 or not hasattr(pipeline, "upcast_vae") or not vae.config.force_upcast:
        return vae.decode(latents.to(dtype), return_dict=False)[0]
    vae.to(torch.float32)  # that of Stable Diffusion XL overflows in half precision
    image = vae.decode(latents.float(), return_dict=False)[0]
    vae.to(dtype)
    return image
