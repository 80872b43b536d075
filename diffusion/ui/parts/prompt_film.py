"""Drawing a prompt: a checked request, the walk from noise to a picture, and all that is shown of it."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from diffusion.data.images import to_pixels, to_signed, to_uint8
from diffusion.denoiser import combine, network_denoiser
from diffusion.devices import best_device
from diffusion.films.emoji_atlas import Atlas
from diffusion.films.film import EPS_RANGE, step_row
from diffusion.models.model import Model
from diffusion.nets.attention_maps import recorded_attention
from diffusion.process import draw_noise
from diffusion.samplers import SAMPLERS, Step, sample, timesteps
from diffusion.ui.parts.gpu import on_gpu
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, choice, real_number, whole_number
from diffusion.ui.parts.prompts import Prompt, reader

MAX_PROMPT_STEPS = 100
DEFAULT_STEPS = 20
NEAREST = 3


@dataclass(frozen=True)
class Variant:
    """A picture to be drawn; several are drawn side by side from the same noise."""

    prompt: Prompt
    negative: Prompt
    guidance_scale: float


@dataclass(frozen=True)
class Drawing:
    """A request, with every value checked."""

    variants: tuple[Variant, ...]
    seed: int
    num_steps: int
    sampler: str


class Moment(NamedTuple):
    """One step, as it is shown.

    Args:
        latent: (C, h, w) uint8, x_t with [−3, 3] as black to white.
        pictures: (P, H, W, channels) uint8, all decoded: x̂_0 as guided, with the prompt, without it, and
            the sketch that the network gets of the prompt; without guidance only the first and the last. The
            sketch is in every moment, so that each can be shown by itself.
        attention: (N, h, w) uint8, to each of the prompt's tokens, 255 being `attention_max`.
        attention_max: the largest share of a place's attention that any of the N tokens gets.
        row: the step's numbers, see `film.step_row`; None at t = 0.
    """

    latent: np.ndarray
    pictures: np.ndarray
    attention: np.ndarray
    attention_max: float
    row: dict[str, float] | None


def checked_drawing(
    model: Model,
    prompt: Any,
    negative_prompt: Any,
    seed: Any,
    num_steps: Any,
    guidance_scale: Any,
    sampler: Any,
    second_prompt: Any = "",
    second_guidance: Any = None,
) -> Drawing:
    """A request with every value checked.

    Args:
        model: that is told by text.
        prompt, …: as sent. A second prompt or guidance, if not empty, asks for a second picture.

    Raises:
        InputError: names the value and its allowed range.
    """
    read = reader(model).read
    negative = read(negative_prompt)
    scale = real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE)
    variants = [Variant(read(prompt), negative, scale)]
    second = read(second_prompt)
    if second.text or second_guidance is not None:
        told = second if second.text else variants[0].prompt
        if second_guidance is not None:
            scale = real_number(second_guidance, "second_guidance", 0, MAX_GUIDANCE)
        variants.append(Variant(told, negative, scale))
    most = min(MAX_PROMPT_STEPS, model.schedule.num_timesteps)
    return Drawing(
        tuple(variants),
        whole_number(seed, "seed", 0, MAX_SEED),
        whole_number(num_steps, "num_steps", 1, most),
        choice(sampler, "sampler", SAMPLERS),
    )


class PairedDenoiser:
    """Guidance as `denoiser.guide` computes it, but both predictions in one call of the network, and kept.

    Attributes:
        predictions: of the last call, (1, C, h, w) each: x̂_0 as guided, with the prompt, without it (with
            the negative prompt); only the first at guidance 1, where there is nothing to combine.
        sketch: (1, C, h, w), of the prompt.
    """

    def __init__(self, model: Model, variant: Variant) -> None:
        self.scale = variant.guidance_scale
        texts = [variant.prompt.text, variant.negative.text][: 1 if self.scale == 1 else 2]
        self.calls = len(texts)
        context = model.context(texts)
        self.sketch = model.net.sketch(context[:1])
        self.denoise = network_denoiser(model.net, model.schedule, model.prediction, context=context)
        self.predictions: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        told = self.denoise(x_t.repeat(self.calls, 1, 1, 1), t.repeat(self.calls))
        if self.scale == 1:
            self.predictions = [told]
        else:
            conditional, unconditional = told.chunk(2)
            guided = combine(conditional, unconditional, self.scale)
            self.predictions = [guided, conditional, unconditional]
        return self.predictions[0]


def walk(model: Model, variant: Variant, drawing: Drawing) -> Iterator[Moment]:
    """Draw a picture, yielding every step as it is made, and what came out as the last moment.

    The same arguments give the same picture, whatever else is drawn beside it. The last moment repeats the
    last step's predictions and attention.
    """
    denoise = PairedDenoiser(model, variant)
    generator = torch.Generator().manual_seed(drawing.seed)
    x_T = draw_noise((1, *model.sample_shape), generator).to(model.device)
    path = timesteps(model.schedule, drawing.num_steps)
    sketch = to_pixels(model.decode(denoise.sketch))
    steps = sample(denoise, model.schedule, x_T, path, sampler=drawing.sampler, generator=generator)
    for step, maps, seconds in _recorded(model, steps):
        attention = token_attention(maps, variant.prompt, model.sample_shape[1:])
        pictures = np.concatenate([to_pixels(model.decode(torch.cat(denoise.predictions))), sketch])
        yield Moment(_latent(step.x_t), pictures, *attention, step_row(step, model.schedule, seconds))
    result = to_pixels(model.decode(step.x_s))
    yield Moment(_latent(step.x_s), np.concatenate([result, pictures[1:]]), *attention, None)


def _recorded(model: Model, steps: Iterator[Step]) -> Iterator[tuple[Step, list[Tensor], float]]:
    """Each step with the attention maps of its network call and the seconds it took.

    Recorded only while the network runs, for walks of several pictures take turns.
    """
    while True:
        started = time.perf_counter()
        with recorded_attention(model.net) as maps:
            step = next(steps, None)
        if step is None:
            return
        yield step, maps, time.perf_counter() - started


def token_attention(maps: list[Tensor], prompt: Prompt, size: tuple[int, int]) -> tuple[np.ndarray, float]:
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


def _latent(x: Tensor) -> np.ndarray:
    return to_uint8(x[0], EPS_RANGE).cpu().numpy()


@on_gpu
def trajectory(model: Model, drawing: Drawing) -> Iterator[tuple[Moment, ...]]:
    """Every step of all variants; what it yields is NumPy's, so that a lent GPU can go back."""
    model.to(best_device())
    yield from zip(*(walk(model, variant, drawing) for variant in drawing.variants))


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


def drawn(model: Model, drawing: Drawing) -> tuple[Image.Image, dict[str, Any]]:
    """The first variant's picture, and all about it as JSON values: what the endpoint returns."""
    moments = [together[0] for together in trajectory(model, drawing)]
    variant, result = drawing.variants[0], moments[-1].pictures[0]
    about = {
        "model": model.name,
        "prompt": variant.prompt.text,
        "negative_prompt": variant.negative.text,
        "seed": drawing.seed,
        "num_steps": drawing.num_steps,
        "guidance_scale": variant.guidance_scale,
        "sampler": drawing.sampler,
        "tokens": [asdict(token) for token in variant.prompt.tokens],
        "notes": list(variant.prompt.notes),
        "nearest": nearest(reader(model).atlas, result),
        "steps": [moment.row for moment in moments[:-1]],
    }
    return Image.fromarray(result), about
