"""Drawing a prompt: the walk from noise to its pictures, and all that is shown of it."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.data.images import to_pixels, to_uint8
from diffusion.films.film import EPS_RANGE, walk, with_rows
from diffusion.models.model import LatentModel
from diffusion.nets.attention_maps import last_finest, recorded_attention
from diffusion.ui.parts.gpu import Work, on_gpu, walking
from diffusion.ui.parts.prompt_request import PromptRequest, Variant
from diffusion.ui.parts.prompts import Prompt
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.parts.watched import PREDICTIONS, WatchedDenoiser


class PromptFrame(NamedTuple):
    """One step of a variant's B pictures, as it is shown.

    Args:
        planes: "latent", (B, C, h, w): x_t with [−3, 3] as black to white. "decoded", (B, H, W, channels):
            x̂_0 as guided. "sketch", (H, W, channels), if the network gets one of the prompt: in every
            frame, so that each can be shown by itself. "attention", (B, N, h, w), to each of the prompt's
            tokens, 255 being `attention_max`.
        attention_max: the largest share of a place's attention that any of the N tokens gets.
        row: the step's numbers, see `film.step_row`; None at t = 0.
        predictions: (2, B, C, h, w) float16: x̂_0 by PREDICTIONS, for whoever wants to see them decoded; None
            without guidance and at t = 0.
    """

    planes: Planes
    attention_max: float
    row: Row
    predictions: np.ndarray | None


class WatchedVariant:
    """A variant's denoiser, which keeps what is shown of its last call.

    Attributes:
        context: (1, L, D), of the prompt.
        predictions: (2, B, C, h, w): x̂_0 by PREDICTIONS; None without guidance.
        attention: see `recorded_attention`; the first B rows are the prompt's.
    """

    def __init__(self, model: LatentModel, variant: Variant) -> None:
        self.net = model.net
        self.context = model.context([variant.prompt.text])
        guided = model.denoiser(
            context=self.context,
            negative_prompts=[variant.negative.text],
            guidance_scale=variant.guidance_scale,
        )
        self.denoise = WatchedDenoiser(guided)
        self.predictions: Tensor | None = None
        self.attention: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        with recorded_attention(self.net) as self.attention:  # not between calls: variants take turns
            x_0_hat = self.denoise(x_t, t)
        found = self.denoise.predictions
        self.predictions = torch.stack([found[name] for name in PREDICTIONS]) if found else None
        return x_0_hat


def empty_planes(model: LatentModel, variant: Variant, num_images: int) -> Planes:
    """Before the first step: zeros, by the names and in the shapes of every frame's planes."""
    _, *size = model.sample_shape
    channels, height, width = model.image_shape
    shapes: dict[str, tuple[int, ...]] = {
        "latent": (num_images, *model.sample_shape),
        "decoded": (num_images, height, width, channels),
        "attention": (num_images, len(variant.prompt.tokens), *size),
    }
    if model.net.sketch is not None:
        shapes["sketch"] = (height, width, channels)
    return {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}


def variant_frames(model: LatentModel, variant: Variant, request: PromptRequest) -> Iterator[PromptFrame]:
    """Draw its pictures, yielding every step as it is made, and what came out as the last frame.

    The same arguments give the same pictures, whatever else is drawn beside them, and the first ones however
    many there are, up to the rounding of the hardware. The last frame repeats the last step's attention.
    """
    denoise = WatchedVariant(model, variant)
    sketch = {} if model.net.sketch is None else {"sketch": decoded(model, model.sketch(denoise.context))[0]}
    steps = walk(
        model,
        denoise,
        num_steps=request.num_steps,
        seed=request.seed,
        num_images=request.num_images,
        sampler=request.sampler,
    )
    for step, row in with_rows(steps, model.schedule):
        attention, most = token_attention(denoise.attention, variant.prompt, step.x_t)
        planes = _planes(model, step.x_t, step.x_0_hat) | {"attention": attention} | sketch
        found = denoise.predictions
        yield PromptFrame(planes, most, row, None if found is None else found.half().cpu().numpy())
    yield PromptFrame(planes | _planes(model, step.x_s, step.x_s), most, None, None)


def _planes(model: LatentModel, x_t: Tensor, x_0_hat: Tensor) -> Planes:
    return {"latent": to_uint8(x_t, EPS_RANGE).cpu().numpy(), "decoded": decoded(model, x_0_hat)}


def decoded(model: LatentModel, latents: Tensor) -> np.ndarray:
    """(B, C, h, w) → (B, H, W, channels) uint8."""
    return to_pixels(model.decode(latents))


def token_attention(maps: list[Tensor], prompt: Prompt, like: Tensor) -> tuple[np.ndarray, float]:
    """How much each place looks at each token, in the last attention of the finest level.

    Args:
        maps: (≥ B, L, H, W) each, from `recorded_attention`; the first B rows are the prompt's.
        prompt: its tokens are N of the L.
        like: (B, C, h, w): to how many and what size to bring them.

    Returns:
        (B, N, h, w) uint8 in units of a 255th of the largest share, and that share; 0 without tokens.
    """
    (count, _, *size), positions = like.shape, [token.position for token in prompt.tokens]
    if not positions:
        return np.zeros((count, 0, *size), np.uint8), 0.0
    shares = F.interpolate(last_finest(maps)[:count, positions], size, mode="bilinear")
    most = shares.max().item()
    return (shares * (255 / most)).round().to(torch.uint8).cpu().numpy(), most


def _work(model: LatentModel, request: PromptRequest) -> Work:
    scales = [variant.guidance_scale for variant in request.variants]
    return walking(request.num_steps, request.num_images, scales, len(scales))


@on_gpu(_work)
def prompt_frames(model: LatentModel, request: PromptRequest) -> Iterator[tuple[PromptFrame, ...]]:
    """Every step of all variants."""
    yield from zip(*(variant_frames(model, variant, request) for variant in request.variants))
