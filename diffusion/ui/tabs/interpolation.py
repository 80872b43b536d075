"""The panel Interpolation: a film between two prompts, two noises, or both; the browser scrubs it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from diffusion.data.images import to_pixels, to_uint8
from diffusion.films.film import EPS_RANGE, walk
from diffusion.films.samples import prompt_guidance
from diffusion.interpolation import angle_between, lerp, slerp, slerp_weights
from diffusion.models.model import LatentModel
from diffusion.noise import draw_noise
from diffusion.ui.parts import controls
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.effects import guidance_words, say_why
from diffusion.ui.parts.gpu import Work, on_gpu, walking
from diffusion.ui.parts.inputs import MAX_GUIDANCE, MAX_SEED, choice, real_number, whole_number
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.prompt_field import Opening, each_its_own, prompt_field
from diffusion.ui.parts.prompts import Prompt, reader
from diffusion.ui.parts.scrubber import Scrubber, new_id
from diffusion.ui.parts.streaming import Frame, encode, film_id, film_message, per_step, wish
from diffusion.ui.parts.text_models import TextModels, words_for
from diffusion.ui.text import in_each_language, labels, shown_name

MODES, ENDS = ("prompts", "noises", "both"), ("start", "end")
MIN_JOURNEY_FRAMES, MAX_JOURNEY_FRAMES, MAX_JOURNEY_STEPS = 3, 17, 50
BATCH = 4  # frames that go through the network together
PREVIEW_SECONDS = 0.25  # at least, between two looks at frames in the making


@dataclass(frozen=True)
class Journey:
    """A request, with every value checked.

    Args:
        mode: of MODES: what changes on the way.
        prompts: at the start and at the end.
        seeds: of the noises there.
        num_frames: K, both ends counted.
        num_steps: of the sampler.
        guidance_scale: 1, which is off, if no prompt says anything.
    """

    mode: str
    prompts: tuple[Prompt, Prompt]
    seeds: tuple[int, int]
    num_frames: int
    num_steps: int
    guidance_scale: float

    @property
    def used_prompts(self) -> tuple[Prompt, ...]:
        """Those that something is drawn of."""
        return self.prompts[:1] if self.mode == "noises" else self.prompts

    @property
    def weights(self) -> Tensor:
        """(K,) from 0 to 1."""
        return torch.linspace(0, 1, self.num_frames, dtype=torch.float64)


class Pictures(NamedTuple):
    """Neighbouring frames as far as they have come.

    Args:
        first: the number of the first one.
        pictures: (B, H, W, channels) uint8: what is expected so far, in the end what was drawn.
        finished: they are drawn.
        calls: of the network so far, from the first frame on.
    """

    first: int
    pictures: np.ndarray
    finished: bool
    calls: int


def checked_journey(
    model: LatentModel,
    mode: Any,
    start_prompt: Any,
    end_prompt: Any,
    start_seed: Any,
    end_seed: Any,
    num_frames: Any,
    num_steps: Any,
    guidance_scale: Any,
) -> Journey:
    """A request with every value checked.

    Raises:
        InputError: names the value and its allowed range.
    """
    read = reader(model).read
    journey = Journey(
        choice(mode, "mode", MODES),
        (read(start_prompt), read(end_prompt)),
        (
            whole_number(start_seed, "start_seed", 0, MAX_SEED),
            whole_number(end_seed, "end_seed", 0, MAX_SEED),
        ),
        whole_number(num_frames, "num_frames", MIN_JOURNEY_FRAMES, MAX_JOURNEY_FRAMES),
        whole_number(num_steps, "num_steps", 1, most_steps(model)),
        real_number(guidance_scale, "guidance_scale", 0, MAX_GUIDANCE),
    )
    told = any(prompt.text for prompt in journey.used_prompts)
    return journey if told else replace(journey, guidance_scale=1.0)


def most_steps(model: LatentModel) -> int:
    """That the sampler may take."""
    return min(MAX_JOURNEY_STEPS, model.schedule.num_timesteps)


# ---- the way ---------------------------------------------------------------------------------------------


def end_noises(model: LatentModel, journey: Journey) -> list[Tensor]:
    """The noises at both ends, (C, h, w) each; where noise does not change, the first one twice."""
    seeds = journey.seeds if journey.mode != "prompts" else journey.seeds[:1] * 2
    return [draw_noise(model.sample_shape, torch.Generator().manual_seed(seed)) for seed in seeds]


def contexts(model: LatentModel, journey: Journey) -> Tensor:
    """(K, L, D): what the network is told at each frame, on a straight line between the prompts."""
    start, end = model.context([prompt.text for prompt in journey.prompts])
    return lerp(start, start if journey.mode == "noises" else end, journey.weights)


def _work(model: LatentModel, journey: Journey) -> Work:
    batches = -(-journey.num_frames // BATCH)
    return walking(journey.num_steps, journey.num_frames, [journey.guidance_scale], batches)


@on_gpu(_work)
def drawn_frames(model: LatentModel, journey: Journey) -> Iterator[Pictures]:
    """The frames, BATCH at a time, with looks at them on the way.

    Each frame is what its noise and its context alone would give: none knows of its neighbours.
    """
    start, end = end_noises(model, journey)
    noises = slerp(start, end, journey.weights)
    parts = zip(noises.split(BATCH), contexts(model, journey).split(BATCH))
    calls = 0
    for i, (x_T, context) in enumerate(parts):
        denoise = model.denoiser(context=context, guidance_scale=journey.guidance_scale)
        looked = time.monotonic()
        for step in walk(model, denoise, num_steps=journey.num_steps, x_T=x_T):
            calls += 1
            if time.monotonic() - looked > PREVIEW_SECONDS:
                yield Pictures(i * BATCH, to_pixels(model.decode(step.x_0_hat)), False, calls)
                looked = time.monotonic()
        yield Pictures(i * BATCH, to_pixels(model.decode(step.x_s)), True, calls)


# ---- messages --------------------------------------------------------------------------------------------


def film_info(model: LatentModel, journey: Journey) -> dict[str, Any]:
    """What the page must know of a film before its first frame: the noise and the numbers of each frame.

    Of a frame: w; what slerp multiplies a and b with; the variance of that mixture and of a straight one.
    """
    a, b = end_noises(model, journey)
    angle, weights = angle_between(a, b), journey.weights
    noises, straight = slerp(a, b, weights), lerp(a, b, weights)
    frames = [
        {
            "w": w,
            "weights": slerp_weights(angle, w),
            "variance": noises[k].var().item(),
            "straight_variance": straight[k].var().item(),
            "noise": encode(to_uint8(noises[k], EPS_RANGE).numpy()),
        }
        for k, w in enumerate(weights.tolist())
    ]
    return {
        "mode": journey.mode,
        "prompts": [prompt.text for prompt in journey.prompts],
        "notes": in_each_language(lambda: notes(journey)),
        "angle": angle,
        "latent_shape": list(model.sample_shape),
        "frames": frames,
        "made": in_each_language(lambda: made(model, journey)),
        "per_step": per_step([journey.guidance_scale]),
        "file": [*(each.text for each in journey.used_prompts), *(f"seed{seed}" for seed in journey.seeds)],
    }


def notes(journey: Journey) -> list[str]:
    """Sentences about the prompts that are used, and about ends that are the same."""
    used = journey.used_prompts
    found = [f"“{prompt.text}”: {note}" if prompt.text else note for prompt in used for note in prompt.notes]
    same_prompts = journey.mode == "noises" or used[0].text == used[-1].text
    same_seeds = journey.mode == "prompts" or journey.seeds[0] == journey.seeds[1]
    return list(dict.fromkeys(found)) + [labels()["journey_stands_still"]] * (same_prompts and same_seeds)


def made(model: LatentModel, journey: Journey) -> str:
    """How the film was made, in a sentence."""
    seeds = labels()["journey_seed" if journey.mode == "prompts" else "journey_seeds"]
    return labels()["journey_made"].format(
        frames=journey.num_frames,
        model=shown_name(model.name),
        steps=journey.num_steps,
        guidance=guidance_words(journey.guidance_scale),
        seeds=seeds.format(*journey.seeds),
    )


def film_messages(model: LatentModel, journey: Journey) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages for the page: first what is known, then pictures as they come.

    Each message repeats the frames that were finished last, so that none is lost when two arrive together.
    """
    film, info = film_id(model.name), film_info(model, journey)
    channels, height, width = model.image_shape
    nothing = {"picture": np.zeros((height, width, channels), np.uint8)}
    yield film_message(film, info, [], nothing) | {"calls": 0}
    before: list[Frame] = []
    for first, pictures, finished, calls in drawn_frames(model, journey):
        frames = [Frame(k, {"picture": p}, {"finished": finished}) for k, p in enumerate(pictures, first)]
        yield film_message(film, info, before + frames) | {"calls": calls}
        if finished:
            before = frames


# ---- the layout ------------------------------------------------------------------------------------------


def end_prompt_field(models: TextModels, end: str) -> gr.Textbox:
    with gr.Column(min_width=110):
        return prompt_field(models, opening_of(end), f"{end}_prompt")


def opening_of(end: str) -> Opening:
    """What stands at first at the "start" or the "end"."""
    return lambda model: words_for(model, f"{end}_prompt_default")


def ends(models: TextModels, start_id: str) -> tuple[list[Any], gr.Button, gr.Button, gr.HTML]:
    """Lay out what changes between which ends, the two buttons, the first with this elem_id, and the place
    for a problem."""
    text = labels()
    mode = gr.Radio([(text[f"mode_{name}"], name) for name in MODES], value="prompts", label=text["mode"])
    with gr.Row():
        start_prompt, end_prompt = (end_prompt_field(models, end) for end in ENDS)
    start, stop = controls.start_and_stop(text["interpolate"], start_id)
    return [mode, start_prompt, end_prompt], start, stop, controls.problem_line()


def settings(models: TextModels, mode: gr.Radio, *prompts: gr.Textbox) -> list[Any]:
    """Lay out the other inputs; after those of `ends` they are in the order of `checked_journey`."""
    text = labels()
    with gr.Row():
        start_seed, end_seed = controls.seed_number(0, "start_seed"), controls.seed_number(1, "end_seed")
    frames = gr.Slider(MIN_JOURNEY_FRAMES, MAX_JOURNEY_FRAMES, 9, step=2, label=text["num_frames"])
    with gr.Accordion(text["more"], open=False):
        steps = controls.steps_choice("interpolation", max(map(most_steps, models.models.values())), 15)
        guidance = controls.guidance_slider(prompt_guidance(models.first), info=text["prompt_guidance_info"])
    told = {"mode": mode, "start": prompts[0], "end": prompts[1], "frames": frames, "guidance": guidance}
    linked("interpolation", told | {"steps": steps, "start_seed": start_seed, "end_seed": end_seed})
    say_why(end_seed, {"mode": mode}, {"mode === 'prompts'": "seed_b_unused"})
    say_why(prompts[1], {"mode": mode}, {"mode === 'noises'": "prompt_b_unused"})
    silent = "!a.trim() && (mode === 'noises' || !b.trim())"
    reasons = {silent: "guidance_needs_prompt", "guidance === 0": "guidance_drops_prompt"}
    watched = {"mode": mode, "a": prompts[0], "b": prompts[1], "guidance": guidance}
    say_why(guidance, watched, reasons)
    return [start_seed, end_seed, frames, steps, guidance]


def build(models: TextModels) -> None:
    """Lay out the panel inside the current gr.Blocks."""
    text, draw = labels(), new_id("interpolate")
    controls.lead(text["interpolation_lead"])
    with controls.workspace() as (stage, actions, side):
        with stage:
            parts = {"slider": text["journey_slider"], "position": text["journey_position"]}
            scrubber = Scrubber("interpolation", None, [animation], parts, {"start": draw})
        with actions:
            changing, start, stop, problem = ends(models, draw)
        with side:
            request = [*changing, *settings(models, *changing)]

    def messages(*sent: Any) -> Iterator[dict[str, Any]]:
        *values, name = sent
        model = models.named(name)
        return film_messages(model, checked_journey(model, *values))

    openings = [*(opening_of(end) for end in ENDS), prompt_guidance]
    each_its_own(models, [*changing[1:], request[-1]], openings)
    triggers = [start.click, changing[1].submit, changing[2].submit]
    wish(messages, triggers, [*request, models.choice], [scrubber, problem], [stop])
