"""Sampling by class: a checked request, and the walk from noise to pictures as frames."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from diffusion.data.images import to_uint8
from diffusion.films.coding import Coding
from diffusion.films.film import KINDS, Film, as_pixels, walk, with_rows
from diffusion.films.folder import load_film
from diffusion.films.samples import each_another
from diffusion.models.model import Model
from diffusion.nets.unet import UNet
from diffusion.noise import no_noise
from diffusion.samplers import SAMPLERS
from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.gpu import borrow_gpu, on_gpu, walking
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, choice, real_number, refusal, whole_number
from diffusion.ui.parts.opened import model_named
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.parts.together import shared
from diffusion.ui.parts.variants import CLIPPED, VARIANTS, WITHOUT_Z, ClippedDenoiser, adds_noise
from diffusion.ui.parts.watched import WatchedDenoiser
from diffusion.ui.text import labels

MAX_CLASS_STEPS = 1000
MAX_IMAGES = 16
MAX_STEPS_TIMES_IMAGES = 4000
FEW = 2  # images; more are a batch by themselves
EACH = "*"  # in place of a class: every image is of another one, unless a class has this very name


@dataclass(frozen=True)
class ClassRequest:
    """What to sample, and how: every value is checked, and is the one that is applied.

    Args:
        model: a checkpoint's name.
        schedule: a key of SCHEDULES.
        class_label: a class's name; EACH for each image another one; empty for none.
        guidance_scale: 1, which is off, without a class.
        eta: 0 for all samplers but DDIM.
        variant: one of VARIANTS; WITHOUT_Z only if there is a z to leave out.
        notes: sentences about what was asked for and cannot be applied.
    """

    model: str
    seed: int
    sampler: str
    num_steps: int
    schedule: str
    class_label: str
    guidance_scale: float
    num_images: int
    eta: float
    variant: str = ""
    notes: tuple[str, ...] = ()

    def classes_in(self, classes: Sequence[str]) -> list[int] | None:
        """For each image, which of the model's classes it is to be of; None for no class."""
        if not self.class_label:
            return None
        if self.class_label in classes:
            return [classes.index(self.class_label)] * self.num_images
        return each_another(self.num_images, len(classes))

    def labels_for(self, model: Model) -> Tensor | None:
        """The same as (B,) class labels on the model's device."""
        indices = self.classes_in(model.classes or ())
        return None if indices is None else torch.tensor(indices, device=model.device)


def checked_class_request(
    models: Mapping[str, Model],
    class_label: Any,
    num_images: Any,
    num_steps: Any,
    sampler: Any,
    seed: Any,
    model: Any,
    schedule: Any,
    guidance_scale: Any,
    eta: Any = 0.0,
    variant: Any = "",
) -> ClassRequest:
    """A request with every value checked.

    Args:
        models: by name.
        class_label, …: as sent; class_label may be EACH or, as schedule, empty: none, the model's own.

    Raises:
        InputError: names the value and its allowed range.
    """
    chosen = model_named(models, model)
    most = min(MAX_CLASS_STEPS, chosen.schedule.num_timesteps)
    classes = dict.fromkeys((EACH, *chosen.classes)) if chosen.classes else ()
    request = ClassRequest(
        chosen.name,
        whole_number(seed, "seed", 0, MAX_SEED),
        choice(sampler, "sampler", SAMPLERS),
        whole_number(num_steps, "num_steps", 1, most),
        choice(schedule, "schedule", ["", *SCHEDULES]) or chosen.schedule_name,
        choice(class_label, "class_label", ["", *classes]),
        real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE),
        whole_number(num_images, "num_images", 1, MAX_IMAGES),
        real_number(eta, "eta", 0, 1),
        choice(variant, "walk", VARIANTS),
    )
    if request.num_steps * request.num_images > MAX_STEPS_TIMES_IMAGES:
        raise refusal("too_many_frames", limit=f"{MAX_STEPS_TIMES_IMAGES:,}")
    return _applied(request)


def _applied(request: ClassRequest) -> ClassRequest:
    """The request without what has no effect."""
    if request.sampler != "ddim":
        request = replace(request, eta=0.0)
    if request.variant == WITHOUT_Z and not adds_noise(request.sampler, request.eta):
        request = replace(request, variant="")
    if request.class_label or request.guidance_scale == 1:
        return request
    return replace(request, guidance_scale=1.0, notes=(labels()["guidance_needs_class"],))


def shares(request: ClassRequest) -> Hashable:
    """What a request's turn in the line may be shared for: with others for a few images of the same model."""
    return request.model if request.num_images <= FEW and borrow_gpu is None else None


@on_gpu(lambda model, request: walking(request.num_steps, request.num_images, [request.guidance_scale]))
def class_frames(model: Model, request: ClassRequest) -> Iterator[tuple[dict[str, np.ndarray], Row]]:
    """Every step's predictions, with its table row; last the result as "x_0_hat", which has none.

    Arrays are (B, H, W, C) float32, not cut off: "x_0_hat", and under guidance what it combines, PREDICTIONS.
    """
    class_labels = request.labels_for(model)
    schedule = model.schedule
    if request.schedule != model.schedule_name:
        schedule = SCHEDULES[request.schedule](model.schedule.num_timesteps)
    net = shared(model.net)
    guided = replace(model, net=cast(UNet, net)).denoiser(
        class_labels=class_labels, guidance_scale=request.guidance_scale, schedule=schedule
    )
    # What is clipped is no longer what guidance combines, which then is not shown.
    clipped = request.variant == CLIPPED
    denoise = WatchedDenoiser(ClippedDenoiser(guided) if clipped else guided)
    silent = request.variant == WITHOUT_Z
    steps = walk(
        model,
        denoise,
        noise=no_noise((request.num_images, *model.sample_shape)) if silent else None,
        num_steps=request.num_steps,
        seed=request.seed,
        num_images=request.num_images,
        sampler=request.sampler,
        eta=request.eta,
        schedule=schedule,
    )
    with net.walk():
        for step, row in with_rows(steps, schedule):
            if silent:
                row["noise_weight"] = 0.0  # of the step that was walked
            predictions = {"x_0_hat": step.x_0_hat, **denoise.predictions}
            yield {name: as_pixels(x) for name, x in predictions.items()}, row
    yield {"x_0_hat": as_pixels(step.x_s)}, None


# ---- as the page gets it ---------------------------------------------------------------------------------


def walk_info(seed: int, shape: Sequence[int], sent: str | None = None) -> dict[str, Any]:
    """What the page must know to make a film's pictures from its codes: the seed, the pictures' (B, H, W, C),
    and which of PREDICTIONS is coded."""
    return {"walk": {"seed": seed, "shape": list(shape), "sent": sent}}


def walk_of(film: Film) -> dict[str, Any]:
    """The same of a film that came with a checkpoint."""
    return walk_info(film.info["seed"], film.frames.shape[2:])


def sent_prediction(request: ClassRequest) -> str | None:
    """Which of PREDICTIONS is sent: the other one follows from it and x̂_0, with the smaller error."""
    if request.guidance_scale == 1 or request.variant == CLIPPED:
        return None
    return "without" if request.guidance_scale >= 0.5 else "with"


def coded_frames(model: Model, request: ClassRequest) -> Iterator[tuple[Planes, Row]]:
    """The frames of `class_frames`: "x_0_hat" as it is shown, (B, H, W, C), and the "code" of all that is
    sent, which of the last one is empty, for it follows from the others."""
    sent, coding = sent_prediction(request), None
    for arrays, row in class_frames(model, request):
        code = b""
        if row is not None:
            chosen = [arrays[sent]] if sent else []
            coding = coding or Coding(arrays["x_0_hat"].shape, len(chosen))
            code = coding.encode(row["alphas_cumprod_t"], arrays["x_0_hat"], *chosen)
        yield _coded(to_uint8(torch.from_numpy(arrays["x_0_hat"])).numpy(), code), row


@lru_cache(maxsize=8)  # each page of a language shows it
def shipped_film(model: Model) -> Film | None:
    """The film that came with a checkpoint; None if there is none, or one of another model's pictures."""
    film = load_film(model.folder) if model.folder else None
    channels, height, width = model.sample_shape
    return film if film and film.frames.shape[3:] == (height, width, channels) else None


def shipped_frames(film: Film) -> Iterator[tuple[Planes, Row]]:
    """The same of a film that came with a checkpoint."""
    shown = film.frames[:, KINDS.index("x_0_hat")]
    return zip(map(_coded, shown, [*film.codes, b""]), [*film.info["steps"], None])


def _coded(x_0_hat: np.ndarray, code: bytes) -> Planes:
    return {"x_0_hat": x_0_hat, "code": np.frombuffer(code, np.uint8)}


def only_codes(frames: Iterator[tuple[Planes, Row]]) -> Iterator[tuple[Planes, Row]]:
    """What is sent of such frames."""
    return (({"code": planes["code"]}, row) for planes, row in frames)
