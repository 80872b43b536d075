"""The tab Text to image: a prompt becomes a picture, and each step shows what the network reads and sees."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr
from PIL import Image

from diffusion.data.grids import png_bytes
from diffusion.files import to_json
from diffusion.films.emoji_atlas import Atlas
from diffusion.films.samples import prompt_guidance
from diffusion.models.model import LatentModel
from diffusion.ui.parts import controls
from diffusion.ui.parts.effects import guidance_words, say_why
from diffusion.ui.parts.prompt_field import prompt_field
from diffusion.ui.parts.prompt_film import (
    COMPARED,
    DEFAULT_STEPS,
    MAX_PROMPT_STEPS,
    PromptFrame,
    PromptRequest,
    checked_prompt_request,
    empty_frame,
    nearest,
    prompt_frames,
)
from diffusion.ui.parts.prompts import reader
from diffusion.ui.parts.scrubber import data_url, new_id
from diffusion.ui.parts.streaming import PRIVATE, Planes, Row, film_message, per_step, stream_frames, wish
from diffusion.ui.text import labels


def film_info(model: LatentModel, request: PromptRequest) -> dict[str, Any]:
    """What the page must know of a film before its first frame."""
    variants = [
        {
            "tokens": [asdict(token) for token in variant.prompt.tokens],
            "text": variant.prompt.text,
            "notes": variant.notes,
            "guidance_scale": variant.guidance_scale,
            "negative": variant.negative.text,
        }
        for variant in request.variants
    ]
    made = labels()["drawn_by"].format(
        model=model.name,
        seed=request.seed,
        sampler=request.sampler,
        steps="{steps}",
        guidance=" / ".join(dict.fromkeys(guidance_words(each.guidance_scale) for each in request.variants)),
    )
    return {
        "variants": variants,
        "num_steps": request.num_steps,
        "num_timesteps": model.schedule.num_timesteps,
        "made": made,
        "per_step": per_step([variant.guidance_scale for variant in request.variants]),
    }


def side_by_side(frames: Sequence[PromptFrame]) -> Planes:
    """The planes of all variants, with a variant's number before each name."""
    return {f"{i}.{name}": plane for i, frame in enumerate(frames) for name, plane in frame.planes.items()}


def film_messages(model: LatentModel, request: PromptRequest) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages: the tokens, each step as it is made, at last the nearest emoji."""
    film, info = new_id(model.name), film_info(model, request)
    empty = [empty_frame(model, variant) for variant in request.variants]
    yield film_message(film, info, [], side_by_side(empty))
    last: deque[tuple[PromptFrame, ...]] = deque(maxlen=1)

    def frames() -> Iterator[tuple[Planes, Row]]:
        for together in prompt_frames(model, request):
            last.append(together)
            row = together[0].row
            row = row and {**row, "attention_max": [frame.attention_max for frame in together]}
            yield side_by_side(together), row

    for message in stream_frames(film, info, frames()):
        yield message
    atlas = reader(model).atlas
    found = [nearest(atlas, frame.planes["decoded"]) for frame in last[0]]
    yield message | {"nearest": [with_pictures(atlas, each) for each in found]}


def with_pictures(atlas: Atlas | None, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """What `nearest` found, with the pictures as addresses that hold them."""
    if atlas is None or found is None:
        return None
    urls = [data_url(png_bytes(Image.fromarray(atlas.pictures[each["index"]]))) for each in found["nearest"]]
    return found | {"nearest": [each | {"picture": url} for each, url in zip(found["nearest"], urls)]}


# ---- the layout ------------------------------------------------------------------------------------------


def examples(model: LatentModel) -> tuple[list[list[str]], list[str]]:
    """Prompts to try, for gr.Dataset: samples, and labels that mark what was never seen together."""
    prompts = labels()["prompt_examples"].split("|")
    held_out = reader(model).held_out_names
    mark = labels()["never_together"]
    return [[p] for p in prompts], [f"{p} {mark}" if p.lower() in held_out else p for p in prompts]


def ask(model: LatentModel, draw: str) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.HTML, gr.Dataset]:
    """Lay out the prompt, Draw, whose elem_id is `draw`, Stop, the place for a problem, and the examples."""
    text = labels()
    samples, sample_labels = examples(model)
    prompt = prompt_field(model, samples[0][0], "prompt", max_lines=3)
    start, stop = controls.start_and_stop(text["draw"], draw)
    problem = controls.problem_line()
    pick = gr.Dataset(
        components=[prompt],
        samples=samples,
        sample_labels=sample_labels,
        samples_per_page=len(samples),
        layout="gallery",
        label=text["prompt_try"],
        elem_classes="prompt-examples",
    )
    return prompt, start, stop, problem, pick


def second_picture(model: LatentModel, prompt: gr.Textbox, guidance: gr.Slider) -> list[Any]:
    """Lay out what a second picture may have of its own; it is shown when it is asked for."""
    text = labels()
    choices = [(text[f"another_{name}"], name) for name in COMPARED]
    compared = gr.CheckboxGroup(choices, label=text["compare"], info=text["compare_info"])
    with gr.Column(visible=False) as prompt_place:
        second = prompt_field(model, text["second_prompt_default"], "second_prompt")
    with gr.Column(visible=False) as scale_place:
        scale = gr.Slider(0, 10, 1, step=0.1, label=text["second_guidance"])
    shown = ", ".join(f"{{__type__: 'update', visible: asked.includes('{name}')}}" for name in COMPARED)
    compared.change(None, compared, [prompt_place, scale_place], js=f"(asked) => [{shown}]", **PRIVATE)
    same = (
        "compared.length && (!compared.includes('prompt') || second.trim() === prompt.trim())"
        " && (!compared.includes('guidance') || scale === guidance)"
    )
    watched = {"compared": compared, "second": second, "prompt": prompt, "scale": scale, "guidance": guidance}
    say_why(compared, watched, {same: "compare_same"})
    return [compared, second, scale]


def settings(model: LatentModel, prompt: gr.Textbox) -> list[Any]:
    """Lay out the controls beside the stage, in the order in which `checked_prompt_request` takes them."""
    text = labels()
    guidance = controls.guidance_slider(prompt_guidance(model), info=text["prompt_guidance_info"])
    steps = controls.steps_choice(MAX_PROMPT_STEPS, DEFAULT_STEPS)
    seed = controls.seed_number()
    second = second_picture(model, prompt, guidance)
    with gr.Accordion(text["more"], open=False):
        negative = prompt_field(model, "", "negative_prompt", info=text["negative_prompt_info"])
        sampler = controls.sampler_choice()
    tell_effects(prompt, negative, guidance, *second)
    return [negative, seed, steps, guidance, sampler, *second]


def tell_effects(
    prompt: gr.Textbox,
    negative: gr.Textbox,
    guidance: gr.Slider,
    compared: gr.CheckboxGroup,
    second: gr.Textbox,
    scale: gr.Slider,
) -> None:
    """Let guidance and the negative prompt say when they have no effect."""
    same = "prompt.trim().toLowerCase() === negative.trim().toLowerCase()"
    reasons = {
        f"guidance !== 1 && {same} && prompt.trim()": "guidance_needs_difference",
        f"guidance !== 1 && {same}": "guidance_needs_prompt",
        "guidance === 0": "guidance_drops_prompt",
    }
    say_why(guidance, {"guidance": guidance, "prompt": prompt, "negative": negative}, reasons)
    off = "guidance === 1 && (!compared.includes('guidance') || scale === 1)"
    say_why(negative, {"guidance": guidance, "compared": compared, "scale": scale}, {off: "negative_unused"})


def build(model: LatentModel) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    draw = new_id("draw")
    controls.lead(labels()["text_to_image_lead"].format(shape=" × ".join(map(str, model.sample_shape))))
    with controls.workspace() as (stage, actions, side):
        with stage:
            scrubber = controls.film_scrubber("text_to_image", {"draw": draw})
        with actions:
            prompt, start, stop, problem, pick = ask(model, draw)
        with side:
            chosen = settings(model, prompt)

    def messages(*sent: Any) -> Iterator[dict[str, Any]]:
        return film_messages(model, checked_prompt_request(model, *sent))

    fields = [prompt, *(field for field in chosen if isinstance(field, gr.Textbox))]
    # The prompt is there before it is drawn, and without asking Python: examples may be tapped fast.
    prompts = to_json([sample for (sample,) in examples(model)[0]])
    picked = pick.click(None, pick, prompt, js=f"(number) => {prompts}[number]", **PRIVATE)
    triggers: list[Any] = [start.click, *(field.submit for field in fields), picked.then]
    wish(messages, triggers, [prompt, *chosen], [scrubber, problem], [stop])
