"""The tab Text to image: a prompt becomes a picture, and each step shows what the network reads and sees."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from diffusion.atlas import Atlas
from diffusion.checkpoint import Model
from diffusion.denoiser import network_denoiser
from diffusion.film import EPS_RANGE, png_bytes, step_row
from diffusion.pictures import to_signed, to_uint8
from diffusion.process import draw_noise
from diffusion.samplers import SAMPLERS, Step, sample, timesteps
from diffusion.ui.inputs import MAX_GUIDANCE, MAX_SEED, InputError, choice, real_number, whole_number
from diffusion.ui.prompts import Prompt, reader
from diffusion.ui.reverse import on_gpu, paced
from diffusion.ui.scrubber import Scrubber, data_url
from diffusion.ui.text import labels
from diffusion.unet import recorded_attention

MAX_PROMPT_STEPS = 100
DEFAULT_STEPS, DEFAULT_GUIDANCE = 20, 3.0
NEAREST = 3
_film_ids = itertools.count(1)


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
        pictures: (3, H, W, channels) uint8: x̂_0 as guided, with the prompt, without it; all decoded.
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
    """

    def __init__(self, model: Model, variant: Variant) -> None:
        self.scale = variant.guidance_scale
        texts = [variant.prompt.text, variant.negative.text][: 1 if self.scale == 1 else 2]
        self.calls = len(texts)
        context = model.context(texts)
        self.denoise = network_denoiser(model.net, model.schedule, model.prediction, context=context)
        self.predictions: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        told = self.denoise(x_t.repeat(self.calls, 1, 1, 1), t.repeat(self.calls))
        if self.scale == 1:
            self.predictions = [told]
        else:
            conditional, unconditional = told.chunk(2)
            guided = unconditional + self.scale * (conditional - unconditional)
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
    steps = sample(denoise, model.schedule, x_T, path, sampler=drawing.sampler, generator=generator)
    for step, maps, seconds in _recorded(model, steps):
        attention = token_attention(maps, variant.prompt, model.sample_shape[1:])
        pictures = shown(model.decode(torch.cat(denoise.predictions)))
        yield Moment(_latent(step.x_t), pictures, *attention, step_row(step, model.schedule, seconds))
    result = shown(model.decode(step.x_s))
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


def shown(x: Tensor) -> np.ndarray:
    """(B, C, H, W) in [−1, 1] → (B, H, W, C) uint8."""
    return to_uint8(x).permute(0, 2, 3, 1).cpu().numpy()


def _latent(x: Tensor) -> np.ndarray:
    return to_uint8(x[0], EPS_RANGE).cpu().numpy()


@on_gpu
def trajectory(model: Model, drawing: Drawing) -> Iterator[tuple[Moment, ...]]:
    """The one function that runs the network: every step of all variants, what it yields is NumPy's."""
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    yield from zip(*(walk(model, variant, drawing) for variant in drawing.variants))


def nearest(atlas: Atlas | None, picture: np.ndarray) -> dict[str, Any] | None:
    """The training set's pictures most like one that was drawn, and how far apart such pictures are.

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


def film_info(model: Model, drawing: Drawing) -> dict[str, Any]:
    """What the page must know of a film before its first frame."""
    _, height, width = model.sample_shape
    side = model.autoencoder.config.factor
    made = labels()["drawn_by"].format(
        model=model.name, seed=drawing.seed, sampler=drawing.sampler, steps=drawing.num_steps
    )
    variants = [
        {
            "tokens": [asdict(token) for token in variant.prompt.tokens],
            "text": variant.prompt.text,
            "notes": variant.prompt.notes,
            "guidance_scale": variant.guidance_scale,
            "negative": variant.negative.text,
        }
        for variant in drawing.variants
    ]
    return {
        "variants": variants,
        "num_steps": drawing.num_steps,
        "num_timesteps": model.schedule.num_timesteps,
        "latent_shape": model.sample_shape,
        "image_shape": [height * side, width * side, model.autoencoder.config.image_channels],
        "made": made,
    }


def frames(
    moments: Iterator[tuple[Moment, ...]], results: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, dict[str, Any] | None]]:
    """Steps as flat bytes and a table row; at the end, the pictures are in `results`.

    For each variant the bytes are its latent, its pictures and its attention; the row is the first's, and
    tells what 255 stands for in each one's attention.
    """
    for together in moments:
        parts = (part for m in together for part in (m.latent, m.pictures, m.attention))
        flat = np.concatenate([part.ravel() for part in parts])
        row = together[0].row
        yield flat, row and {**row, "attention_max": [m.attention_max for m in together]}
    results += [m.pictures[0] for m in together]


def film_messages(model: Model, drawing: Drawing) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages: the tokens, each step as it is made, at last the nearest emoji."""
    film, info = f"{model.name}-drawn-{next(_film_ids)}", film_info(model, drawing)
    message = {"film": film, "info": info, "frames": []}
    yield message
    results: list[np.ndarray] = []
    for message in paced(film, info, frames(trajectory(model, drawing), results)):
        yield message
    atlas = reader(model).atlas
    yield message | {"nearest": [with_pictures(atlas, nearest(atlas, result)) for result in results]}


def with_pictures(atlas: Atlas | None, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """What `nearest` found, with the pictures as addresses that hold them."""
    if found is None:
        return None
    urls = [data_url(png_bytes(Image.fromarray(atlas.pictures[each["index"]]))) for each in found["nearest"]]
    return found | {"nearest": [each | {"picture": url} for each, url in zip(found["nearest"], urls)]}


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


def examples(model: Model) -> tuple[list[list[str]], list[str]]:
    """Prompts to try, for gr.Dataset: samples, and labels that mark what was never seen together."""
    prompts = labels()["prompt_examples"].split("|")
    held_out = reader(model).held_out_names
    mark = labels()["never_together"]
    return [[p] for p in prompts], [f"{p} {mark}" if p.lower() in held_out else p for p in prompts]


def build(model: Model) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    text = labels()
    samples, sample_labels = examples(model)
    gr.Markdown(text["text_to_image_lead"], container=False, elem_classes="lead")
    with gr.Row():
        prompt = gr.Textbox(
            samples[0][0],
            label=text["prompt"],
            max_lines=3,
            elem_classes="prompt",
            scale=4,
            min_width=240,
        )
        with gr.Column(scale=1, min_width=240), gr.Row():
            start = gr.Button(text["draw"], variant="primary", elem_id="draw", min_width=100)
            stop = gr.Button(text["stop"], min_width=100)
    pick = gr.Dataset(
        components=[prompt],
        samples=samples,
        sample_labels=sample_labels,
        samples_per_page=len(samples),
        layout="gallery",
        label=text["prompt_try"],
        elem_classes="prompt-examples",
    )
    problem = gr.Markdown(elem_classes="problem", container=False)
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=3, min_width=320):
            parts = {"slider": text["film_slider"], "position": text["film_position"]}
            scrubber = Scrubber("text_to_image", parts=parts)
        with gr.Column(scale=1, min_width=260, elem_classes="side"):
            guidance = gr.Slider(
                0, 10, DEFAULT_GUIDANCE, step=0.1, label=text["guidance"], info=text["prompt_guidance_info"]
            )
            steps = gr.Slider(1, MAX_PROMPT_STEPS, DEFAULT_STEPS, step=1, label=text["num_steps"])
            # Ranges are for `checked_drawing`, which names them: a Number that has them raises before it.
            seed = gr.Number(0, label=text["seed"])
            with gr.Accordion(text["compare"], open=False):
                second_prompt = gr.Textbox(
                    "", label=text["second_prompt"], info=text["compare_info"], elem_classes="prompt"
                )
                second_guidance = gr.Number(None, label=text["second_guidance"])
            with gr.Accordion(text["more"], open=False):
                negative = gr.Textbox(
                    "",
                    label=text["negative_prompt"],
                    info=text["negative_prompt_info"],
                    elem_classes="prompt",
                )
                sampler = gr.Dropdown(
                    list(SAMPLERS), value="dpm++2m", label=text["sampler"], info=text["sampler_info"]
                )

    def stream(*request: Any) -> Iterator[tuple[Any, str]]:
        try:
            drawing = checked_drawing(model, *request)
        except InputError as error:
            yield gr.skip(), str(error.message)
            return
        for message in film_messages(model, drawing):
            yield message, ""

    request = [prompt, negative, seed, steps, guidance, sampler, second_prompt, second_guidance]
    how = {
        "concurrency_id": "model",
        "concurrency_limit": 1,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    fields = (prompt, second_prompt, negative)
    asked = gr.on(
        [start.click, *(field.submit for field in fields)],
        stream,
        request,
        [scrubber, problem],
        trigger_mode="always_last",  # asked again while it draws: then that next
        **how,
    )
    picked = pick.click(
        lambda sample: sample[0], pick, prompt, show_progress="hidden", api_visibility="private"
    ).then(stream, request, [scrubber, problem], **how)
    stop.click(None, None, None, cancels=[asked, picked], api_visibility="private")
