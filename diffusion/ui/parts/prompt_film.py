"""Drawing a prompt: a checked request, the walk from noise to a picture, and all that is shown of it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from diffusion.data.images import to_pixels, to_signed, to_uint8
from diffusion.films.emoji_atlas import Atlas
from diffusion.films.film import EPS_RANGE, walk, with_rows
from diffusion.models.model import LatentModel
from diffusion.nets.attention_maps import recorded_attention
from diffusion.samplers import SAMPLERS
from diffusion.ui.parts.gpu import on_gpu
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, choice, choices, real_number, whole_number
from diffusion.ui.parts.prompts import Prompt, reader
from diffusion.ui.parts.streaming import Planes, Row
from diffusion.ui.parts.watched import PREDICTIONS, WatchedDenoiser
from diffusion.ui.text import labels

MAX_PROMPT_STEPS = 100
DEFAULT_STEPS = 20
COMPARED = ("prompt", "guidance")  # what may be another in the second picture
NEAREST = 3


@dataclass(frozen=True)
class Variant:
    """A picture to be drawn; several are drawn side by side from the same noise.

    Args:
        prompt: what to draw.
        negative: what guidance leads away from.
        wished_guidance: between both.
    """

    prompt: Prompt
    negative: Prompt
    wished_guidance: float

    @property
    def guidance_scale(self) -> float:
        """The guidance that is applied: 1, which is off, if both prompts say the same."""
        same = self.prompt.text.casefold() == self.negative.text.casefold()
        return 1.0 if same else self.wished_guidance

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about its prompts, and about what was asked for and has no effect."""
        text, idle = labels(), self.guidance_scale != self.wished_guidance
        needed = "guidance_needs_difference" if self.prompt.text else "guidance_needs_prompt"
        unused = self.negative.text and self.guidance_scale == 1 and not idle
        found = {needed: idle, "guidance_drops_prompt": self.guidance_scale == 0, "negative_unused": unused}
        negative = [note for note in self.negative.notes if note != text["note_empty"]]
        return (
            *self.prompt.notes,
            *(f"{text['negative_prompt']}: {note}" for note in negative),
            *(text[key] for key, holds in found.items() if holds),
        )


@dataclass(frozen=True)
class PromptRequest:
    """What to draw, and how, with every value checked."""

    variants: tuple[Variant, ...]
    seed: int
    num_steps: int
    sampler: str


class PromptFrame(NamedTuple):
    """One step of a variant, as it is shown.

    Args:
        planes: "latent", (C, h, w): x_t with [−3, 3] as black to white. Pictures, (H, W, channels) each, all
            decoded: "decoded", x̂_0 as guided; under guidance also "with" and "without" the prompt; "sketch",
            which the network gets of the prompt, in every frame, so that each can be shown by itself.
            "attention", (N, h, w), to each of the prompt's tokens, 255 being `attention_max`.
        attention_max: the largest share of a place's attention that any of the N tokens gets.
        row: the step's numbers, see `film.step_row`; None at t = 0.
    """

    planes: Planes
    attention_max: float
    row: Row


def checked_prompt_request(
    model: LatentModel,
    prompt: Any,
    negative_prompt: Any,
    seed: Any,
    num_steps: Any,
    guidance_scale: Any,
    sampler: Any,
    compared: Any = (),
    second_prompt: Any = "",
    second_guidance: Any = 1.0,
) -> PromptRequest:
    """A request with every value checked.

    Args:
        model: that draws it.
        prompt, …: as sent. `compared`, some of COMPARED, asks for a second picture, with another prompt,
            another guidance, or both; what is not compared is as in the first.

    Raises:
        InputError: names the value and its allowed range.
    """
    read = reader(model).read
    scale = real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE)
    variants = [first := Variant(read(prompt), read(negative_prompt), scale)]
    if others := choices(compared, "compared", COMPARED):
        prompt = read(second_prompt) if "prompt" in others else first.prompt
        if "guidance" in others:
            scale = real_number(second_guidance, "second_guidance", 0, MAX_GUIDANCE)
        variants.append(Variant(prompt, first.negative, scale))
    most = min(MAX_PROMPT_STEPS, model.schedule.num_timesteps)
    return PromptRequest(
        tuple(variants),
        whole_number(seed, "seed", 0, MAX_SEED),
        whole_number(num_steps, "num_steps", 1, most),
        choice(sampler, "sampler", SAMPLERS),
    )


class WatchedVariant:
    """A variant's denoiser, which keeps what is shown of its last call.

    Attributes:
        context: (1, L, D), of the prompt.
        predictions: x̂_0 by the name of its plane, (1, C, h, w) each.
        attention: see `recorded_attention`; the first row is the prompt's.
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
        self.predictions: dict[str, Tensor] = {}
        self.attention: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        with recorded_attention(self.net) as self.attention:  # not between calls: variants take turns
            x_0_hat = self.denoise(x_t, t)
        self.predictions = {"decoded": x_0_hat} | self.denoise.predictions
        return x_0_hat


def empty_frame(model: LatentModel, variant: Variant) -> PromptFrame:
    """Before the first step: zeros, by the names and in the shapes of every frame's planes."""
    _, *size = model.sample_shape
    channels, height, width = model.image_shape
    predictions = ("decoded",) if variant.guidance_scale == 1 else ("decoded", *PREDICTIONS)
    shapes = {
        "latent": model.sample_shape,
        **dict.fromkeys((*predictions, "sketch"), (height, width, channels)),
        "attention": (len(variant.prompt.tokens), *size),
    }
    return PromptFrame({name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}, 0.0, None)


def variant_frames(model: LatentModel, variant: Variant, request: PromptRequest) -> Iterator[PromptFrame]:
    """Draw a picture, yielding every step as it is made, and what came out as the last frame.

    The same arguments give the same picture, whatever else is drawn beside it. The last frame repeats the
    last step's predictions and attention.
    """
    denoise = WatchedVariant(model, variant)
    sketch = _decoded(model, {"sketch": model.sketch(denoise.context)})
    steps = walk(model, denoise, num_steps=request.num_steps, seed=request.seed, sampler=request.sampler)
    for step, row in with_rows(steps, model.schedule):
        pictures = _decoded(model, denoise.predictions) | sketch
        attention, most = token_attention(denoise.attention, variant.prompt, step.x_t.shape[2:])
        planes = {"latent": _shown_latent(step.x_t), **pictures, "attention": attention}
        yield PromptFrame(planes, most, row)
    result = {"latent": _shown_latent(step.x_s), **_decoded(model, {"decoded": step.x_s})}
    yield PromptFrame(planes | result, most, None)


def _shown_latent(x: Tensor) -> np.ndarray:
    return to_uint8(x[0], EPS_RANGE).cpu().numpy()


def _decoded(model: LatentModel, latents: dict[str, Tensor]) -> Planes:
    """(1, C, h, w) each → (H, W, channels) uint8 each."""
    return dict(zip(latents, to_pixels(model.decode(torch.cat([*latents.values()])))))


def token_attention(maps: list[Tensor], prompt: Prompt, size: Sequence[int]) -> tuple[np.ndarray, float]:
    """How much each place looks at each token, mean over all attentions.

    Args:
        maps: (B, L, H, W) each, from `recorded_attention`; the first row is the prompt's.
        prompt: its tokens are N of the L.
        size: (h, w) to bring them to.

    Returns:
        (N, h, w) uint8 in units of a 255th of the largest share, and that share; 0 without tokens.
    """
    positions = [token.position for token in prompt.tokens]
    if not positions:
        return np.zeros((0, *size), np.uint8), 0.0
    same_size = [F.interpolate(each[:1, positions], size, mode="bilinear") for each in maps]
    shares = torch.cat(same_size).mean(0)
    most = shares.max().item()
    return (shares * (255 / most)).round().to(torch.uint8).cpu().numpy(), most


@on_gpu
def prompt_frames(model: LatentModel, request: PromptRequest) -> Iterator[tuple[PromptFrame, ...]]:
    """Every step of all variants."""
    yield from zip(*(variant_frames(model, variant, request) for variant in request.variants))


def nearest(atlas: Atlas | None, picture: np.ndarray) -> dict[str, Any] | None:
    """The real pictures most like one that was drawn, and how far apart such pictures are.

    Args:
        atlas: None gives None.
        picture: (H, W, 3) uint8.

    Returns:
        JSON values: how many there are, the median of the distances to all, and the nearest with index,
        character, English name, distance (RMS over pixels in [−1, 1], at 32 × 32), and whether held out.
    """
    if atlas is None:
        return None
    distances = atlas.distances(to_signed(torch.from_numpy(picture.copy())).permute(2, 0, 1))
    found = [
        {
            "index": i,
            "character": atlas.characters[i],
            "name": atlas.names["en"][i],
            "held_out": bool(atlas.held_out[i]),
            "distance": round(distances[i].item(), 4),
        }
        for i in distances.argsort()[:NEAREST].tolist()
    ]
    median = round(distances.median().item(), 4)
    return {"number": len(atlas.characters), "median_distance": median, "nearest": found}


def draw_prompt(model: LatentModel, request: PromptRequest) -> tuple[Image.Image, dict[str, Any]]:
    """The first variant's picture, and all about it as JSON values: what the endpoint returns."""
    *steps, last = (frames[0] for frames in prompt_frames(model, request))
    variant, result = request.variants[0], last.planes["decoded"]
    about = {
        "model": model.name,
        "prompt": variant.prompt.text,
        "negative_prompt": variant.negative.text,
        "seed": request.seed,
        "num_steps": request.num_steps,
        "guidance_scale": variant.guidance_scale,
        "sampler": request.sampler,
        "tokens": [asdict(token) for token in variant.prompt.tokens],
        "notes": list(variant.notes),
        "nearest": nearest(reader(model).atlas, result),
        "steps": [frame.row for frame in steps],
    }
    return Image.fromarray(result), about
