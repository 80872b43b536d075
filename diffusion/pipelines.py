"""Text-to-image pipelines of the Hub, such as Stable Diffusion, filmed step by step.

`diffusers` and `transformers` are imported where they are used, so that everything else works without
them. Only safetensors are read, and no code that a repo brings along is run.
"""

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusion.film import EPS_RANGE
from diffusion.hub import local_copy, why_unreachable
from diffusion.machine import best_device
from diffusion.pictures import to_uint8
from diffusion.process import x_0_from_output

PACKAGES = ("diffusers", "transformers")
DESCRIPTIONS = ("model_index.json", "*/config.json")  # of a repo, enough to judge it
NO_SAFETENSORS = ("no file named", "necessary `safetensors`")  # how diffusers says it
OTHER_TASK = "AutoPipeline can't find"
DENOISERS = ("unet", "transformer")
MAX_CPU_PARAMETERS = 100_000_000  # of the denoiser: some seconds a step; Stable Diffusion's has 860 million
OPTIONS = {"prompt", "num_inference_steps", "guidance_scale", "generator", "callback_on_step_end"}
FLOW_MATCHING = "FlowMatchEulerDiscreteScheduler"
OUR_NAMES = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}


class PipelineError(RuntimeError):
    """A pipeline that cannot be used here; the message is one plain sentence saying why."""


@dataclass(frozen=True)
class Drawing:
    """What to draw, and how.

    Args:
        negative_prompt: guidance leads away from it; may be empty.
        seed: of a generator on the CPU, so that every device draws the same noise.
    """

    prompt: str
    negative_prompt: str = ""
    num_steps: int = 30
    guidance_scale: float = 7.5
    seed: int = 0


class Moment(NamedTuple):
    """One step, as it is shown. The last moment, at t = 0, shows what came out.

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


class Shelf:
    """Holds one pipeline in memory: asked for another, it lets go of the one before first."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.pipeline: Any = None

    def get(self, name: str) -> Any:
        """The pipeline of this folder or repo id. Raises as `load_pipeline` does."""
        if name != self.name:
            self.name = self.pipeline = None
            gc.collect()
            torch.cuda.empty_cache()
            self.pipeline = load_pipeline(name)
            self.name = name
        return self.pipeline


def missing_packages() -> str | None:
    """None, or a sentence saying what to install."""
    if all(find_spec(package) for package in PACKAGES):
        return None
    return f"Run `pip install {' '.join(PACKAGES)}` first: pipelines of the Hub need these packages."


# ---- loading ---------------------------------------------------------------------------------------------


def load_pipeline(name: str) -> Any:
    """Load a text-to-image pipeline, on the CPU: a folder as diffusers saves it, or a repo id ("user/name").

    What it is made of is judged from its JSON files, before any weights are fetched.

    Raises:
        PipelineError: no packages for it, no such pipeline, or one that cannot be used here.
        CheckpointError: `name` is neither a folder nor can it be a repo's name.
        HubError: the Hub could not be reached, or has no such repo.
    """
    if missing := missing_packages():
        raise PipelineError(missing)
    folder = local_copy(name, DESCRIPTIONS)
    index = read_json(folder / "model_index.json", name)
    denoiser = check_parts(name, index)
    check_class(name, index.get("_class_name"))
    if best_device() == "cpu" and (size := count_parameters(folder / denoiser, name)) > MAX_CPU_PARAMETERS:
        raise PipelineError(
            f"{name} needs a GPU, and this machine has none: its denoiser has {size / 1e6:,.0f} million"
            f" parameters, and on a CPU at most {MAX_CPU_PARAMETERS / 1e6:,.0f} million are run."
        )
    pipeline = _read_weights(name, folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def read_json(path: Path, name: str) -> dict[str, Any]:
    """A JSON file of the pipeline. Raises PipelineError if it has none such."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise PipelineError(f"{name} is no pipeline: it has no readable {path.name}.")
    return content


def check_parts(name: str, index: dict[str, Any]) -> str:
    """Which part denoises: one of DENOISERS.

    Args:
        index: of model_index.json: part → [library, class].

    Raises:
        PipelineError: text-to-image needs another part, or one of them is code of the repo's own.
    """
    parts = {k: v for k, v in index.items() if isinstance(v, list) and len(v) == 2 and v[1]}
    own_code = [part for part, (library, _) in parts.items() if not _is_known(library)]
    if own_code:
        raise PipelineError(f"{name} brings code of its own ({', '.join(own_code)}), which is not run here.")
    denoiser = next((part for part in DENOISERS if part in parts), None)
    if denoiser is None or "vae" not in parts or "text_encoder" not in parts:
        raise PipelineError(
            f"{name} is no text-to-image pipeline: that has a unet or transformer, a vae and a text_encoder."
        )
    return denoiser


def check_class(name: str, class_name: Any) -> None:
    """Raises PipelineError if pipelines of this class cannot show their latents step by step."""
    import diffusers

    kind = getattr(diffusers, class_name, None) if isinstance(class_name, str) else None
    if not isinstance(kind, type) or not issubclass(kind, diffusers.DiffusionPipeline):
        raise PipelineError(f"{name} is of a class that this version of diffusers does not have.")
    takes = signature(kind.__call__).parameters
    if not takes.keys() >= OPTIONS or "latents" not in getattr(kind, "_callback_tensor_inputs", ()):
        raise PipelineError(f"{name}, a {class_name}, does not show its steps.")
    if hasattr(kind, "_pack_latents"):
        raise PipelineError(f"{name}, a {class_name}, packs its latents into tokens, which are no pictures.")


def _is_known(library: Any) -> bool:
    """Whether a model_index.json may name classes of it: the packages, and the pipelines of diffusers."""
    if not isinstance(library, str) or not library.isidentifier():
        return False
    return library in PACKAGES or find_spec(f"diffusers.pipelines.{library}") is not None


def count_parameters(folder: Path, name: str) -> int:
    """How many parameters a diffusers model has, from its config.json alone."""
    import diffusers

    config = read_json(folder / "config.json", name)
    try:
        with torch.device("meta"):
            model = getattr(diffusers, config["_class_name"]).from_config(config)
    except Exception as error:  # whatever a wrong value leads to
        raise PipelineError(
            f"{name} has a {folder.name} that cannot be built: {_first_line(error)}"
        ) from None
    return sum(p.numel() for p in model.parameters())


def _read_weights(name: str, folder: Path) -> Any:
    """The pipeline; of a repo, whose JSON files are in `folder`, all that is not here yet is fetched."""
    from diffusers import AutoPipelineForText2Image

    try:
        return AutoPipelineForText2Image.from_pretrained(
            name,
            use_safetensors=True,  # others would be unpickled, which can run anything
            trust_remote_code=False,
            local_files_only=folder != Path(name) and why_unreachable() is not None,
            dtype=torch.float16 if best_device() == "cuda" else torch.float32,
        )
    except Exception as error:  # diffusers raises anything, from OSError to KeyError
        reason = _first_line(error).replace(str(folder), name)
        if any(sign in reason for sign in NO_SAFETENSORS):
            raise PipelineError(f"{name} lacks safetensors, and no other weights are read.") from error
        if OTHER_TASK in reason:
            raise PipelineError(f"{name} is made for another task than text to image.") from error
        raise PipelineError(f"{name} could not be loaded: {reason}") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".: ") + "."


# ---- filming ---------------------------------------------------------------------------------------------


class _Closed(Exception):
    """Nobody wants the rest of the film."""


def film(pipeline: Any, drawing: Drawing) -> Iterator[Moment]:
    """Draw a picture, yielding every step as it is made, and what came out as the last moment.

    The pipeline runs in a thread of its own, since it calls back instead of yielding. Closing the generator
    ends it before its next step.

    Args:
        pipeline: from `load_pipeline`; goes to the GPU if there is one.

    Raises:
        PipelineError: it failed; says why.
    """
    moments: SimpleQueue[Moment | Exception | None] = SimpleQueue()
    closed = Event()

    def put(moment: Moment) -> None:
        if closed.is_set():
            raise _Closed
        moments.put(moment)

    def work() -> None:
        try:
            _draw(pipeline.to(best_device()), drawing, put)
            moments.put(None)
        except Exception as error:
            moments.put(error)

    worker = Thread(target=work, name="pipeline", daemon=True)
    worker.start()
    try:
        while (item := moments.get()) is not None:
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
    return PipelineError(f"The pipeline failed: {_first_line(error)}")


def _draw(pipeline: Any, drawing: Drawing, put: Callable[[Moment], None]) -> None:
    """Run the pipeline, handing on each step and what came out."""
    options = {"negative_prompt": drawing.negative_prompt} if drawing.negative_prompt else {}
    if not options.keys() <= signature(pipeline.__call__).parameters.keys():
        raise PipelineError(f"A {type(pipeline).__name__} takes no negative prompt.")
    camera = _Camera(pipeline, put)
    with camera.watching():
        made = pipeline(
            drawing.prompt,
            num_inference_steps=drawing.num_steps,
            guidance_scale=drawing.guidance_scale,
            generator=torch.Generator().manual_seed(drawing.seed),
            callback_on_step_end=camera.on_step_end,
            callback_on_step_end_tensor_inputs=["latents"],
            **options,
        )
    flagged = getattr(made, "nsfw_content_detected", None)
    camera.show_result(np.asarray(made.images[0].convert("RGB")), bool(flagged and flagged[0]))


class _Camera:
    """Sees what a pipeline's scheduler is given at each step, and hands on what its callback tells of it."""

    def __init__(self, pipeline: Any, put: Callable[[Moment], None]) -> None:
        self.pipeline, self.put = pipeline, put
        self.x_t: Tensor | None = None  # (1, C, h, w), as the denoiser sees it
        self.x_0_hat: Tensor | None = None
        self.latents: Tensor | None = None  # after the step
        self.count = 0
        self.started = time.perf_counter()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While open, every step of the scheduler passes by here."""
        scheduler = self.pipeline.scheduler
        step = scheduler.step

        @wraps(step)  # pipelines look at its signature
        def watched(output: Tensor, t: Tensor, sample: Tensor, *args: Any, **options: Any) -> Any:
            scale = getattr(scheduler, "scale_model_input", None)
            self.x_t = scale(sample, t) if scale else sample
            as_tuple = options.pop("return_dict", True) is False
            made = step(output, t, sample, *args, **options)
            own = made.get("pred_original_sample")
            self.x_0_hat = expected_latents(scheduler, output, t, self.x_t) if own is None else own
            return made.to_tuple() if as_tuple else made

        scheduler.step = watched
        try:
            yield
        finally:
            del scheduler.step

    def on_step_end(self, _: Any, k: int, t: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The pipeline's own callback."""
        self.latents, self.count = tensors["latents"], k + 1
        seen = shown_latents(self.x_t)  # waits for the GPU
        seconds = time.perf_counter() - self.started
        predicted = self.x_0_hat is not None
        picture, withheld = decode(self.pipeline, self.x_0_hat if predicted else self.latents)
        steps = self.pipeline.num_timesteps
        self.put(Moment(k, steps, float(t), seen, picture, predicted, withheld, seconds))
        self.started = time.perf_counter()
        return {}

    def show_result(self, picture: np.ndarray, withheld: bool) -> None:
        """The last moment."""
        seen = shown_latents(self.latents)
        self.put(Moment(self.count, self.count, 0.0, seen, picture, True, withheld, 0.0))


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
