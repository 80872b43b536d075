"""The tab Text to image: a prompt becomes pictures, and each step shows what the network reads and sees."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import gradio as gr

from diffusion.files import to_json
from diffusion.films.samples import prompt_guidance
from diffusion.models.model import LatentModel
from diffusion.ui.parts import controls
from diffusion.ui.parts.asked import asked_for, judged_prompts
from diffusion.ui.parts.code import PROMPT_CODE, prompt_values
from diffusion.ui.parts.credit import credit_of_drawn
from diffusion.ui.parts.effects import guidance_words, say_why
from diffusion.ui.parts.guidance_cost import guidance_cost
from diffusion.ui.parts.line import asked_in_line
from diffusion.ui.parts.link import linked
from diffusion.ui.parts.nearest_emoji import nearest_shown
from diffusion.ui.parts.prompt_field import each_its_own, prompt_field
from diffusion.ui.parts.prompt_film import empty_planes
from diffusion.ui.parts.prompt_films import PROMPT_FILMS, PromptFilm, guided_pictures
from diffusion.ui.parts.prompt_request import (
    COMPARED,
    DEFAULT_STEPS,
    MAX_PICTURES,
    MAX_PROMPT_STEPS,
    PromptRequest,
    checked_prompt_request,
)
from diffusion.ui.parts.prompts import reader
from diffusion.ui.parts.scrubber import new_id
from diffusion.ui.parts.streaming import (
    PRIVATE,
    Planes,
    Row,
    film_id,
    film_message,
    per_step,
    stream_frames,
    wish,
)
from diffusion.ui.parts.text_models import TextModels, words_for
from diffusion.ui.parts.verdicts import about_cats
from diffusion.ui.parts.word_chips import known_words, word_chips
from diffusion.ui.text import in_each_language, labels, shown_name


def film_info(name: str, film: PromptFilm) -> dict[str, Any]:
    """What the page must know of a film before its first frame.

    "kept" is its name in PROMPT_FILMS, by which the page can ask about it; "model" the name of what draws it;
    of each of the "variants" its "text", as it was read, and "negative", its tokens and notes, and what is
    "asked" of cats.
    """
    model, request = film.model, film.request
    variants = [
        {
            "tokens": [asdict(token) for token in variant.prompt.tokens],
            "text": variant.prompt.text,
            "notes": variant.notes,
            "guidance_scale": variant.guidance_scale,
            "negative": variant.negative.text,
            "asked": asked_for(model, variant.prompt),
        }
        for variant in request.variants
    ]
    return {
        "kept": name,
        "model": model.name,
        "cats": None if model.cats is None else about_cats(model, model.cats, name),
        "variants": variants,
        "num_images": request.num_images,
        "num_steps": request.num_steps,
        "num_timesteps": model.schedule.num_timesteps,
        "made": in_each_language(lambda: made(model, request)),
        "per_step": per_step([variant.guidance_scale for variant in request.variants]),
        "file": file_words(model, request),
        "code": prompt_values(model, request),
    }


def made(model: LatentModel, request: PromptRequest) -> str:
    """How a film was made, with a place for how many of its steps."""
    told = words_for(model, "drawn_by").format(
        model=shown_name(model.name),
        seed=request.seed,
        sampler=request.sampler,
        steps="{steps}",
        guidance=" / ".join(dict.fromkeys(guidance_words(each.guidance_scale) for each in request.variants)),
    )
    return f"{told} {credit_of_drawn(model)}".strip()


def file_words(model: LatentModel, request: PromptRequest) -> list[str]:
    """Of which a file's name is made."""
    drawn = request.variants[0].prompt.text or model.name
    return [drawn, f"seed{request.seed}", request.sampler, f"{request.num_steps}steps"]


def side_by_side(variants: Sequence[Planes]) -> Planes:
    """The planes of all variants, with a variant's number before each name."""
    return {f"{i}.{name}": plane for i, planes in enumerate(variants) for name, plane in planes.items()}


def film_messages(model: LatentModel, request: PromptRequest) -> Iterator[dict[str, Any]]:
    """Draw, and yield messages: the tokens, each step as it is made, at last the nearest emoji."""
    name, film = PROMPT_FILMS.begin(model, request)
    shown, info = film_id(model.name), film_info(name, film)
    empty = [empty_planes(model, variant, request.num_images) for variant in request.variants]
    yield film_message(shown, info, [], side_by_side(empty))

    def frames() -> Iterator[tuple[Planes, Row]]:
        for together in film.frames():
            row = together[0].row
            row = row and {**row, "attention_max": [frame.attention_max for frame in together]}
            yield side_by_side([frame.planes for frame in together]), row

    for message in stream_frames(shown, info, frames()):
        yield message
    if atlas := reader(model).atlas:
        yield message | {"nearest": [[nearest_shown(atlas, each) for each in all_] for all_ in film.pictures]}


# ---- the layout ------------------------------------------------------------------------------------------


def prompts_to_try(model: LatentModel) -> list[str]:
    """Examples in the page's language."""
    return words_for(model, "prompt_examples").split("|")


def marked(model: LatentModel) -> list[str]:
    """The same, and which of them name what was never seen together."""
    held_out, mark = reader(model).held_out_names, labels()["never_together"]
    return [f"{each} {mark}" if each.lower() in held_out else each for each in prompts_to_try(model)]


def examples(model: LatentModel, **options: Any) -> gr.Dataset:
    """Prompts to try; options are a Dataset's."""
    samples = [[each] for each in prompts_to_try(model)]
    return gr.Dataset(
        samples=samples,
        sample_labels=marked(model),
        samples_per_page=len(samples),
        label=words_for(model, "prompt_try"),
        **options,
    )


def ask(
    models: TextModels, draw: str, offer: str
) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.HTML, gr.Dataset]:
    """Lay out the prompt, Draw, whose elem_id is `draw`, Stop, the place for a problem, and the examples."""
    prompt = prompt_field(models, opening_prompt, "prompt", offer, max_lines=3, elem_id=new_id("prompt"))
    start, stop = controls.start_and_stop(labels()["draw"], draw)
    problem = controls.problem_line()
    pick = examples(models.first, components=[prompt], layout="gallery", elem_classes="prompt-examples")
    return prompt, start, stop, problem, pick


def words_to_click(models: TextModels, prompt: gr.Textbox) -> None:
    """Lay out the words that can be clicked together in the prompt."""
    words = word_chips(models.first, str(prompt.elem_id))
    prompt.change(None, prompt, words, js="(typed) => ({typed})", **PRIVATE)
    models.choice.change(lambda name: known_words(models.named(name)), models.choice, words, **PRIVATE)


def opening_prompt(model: LatentModel) -> str:
    return prompts_to_try(model)[0]


def nothing(_: LatentModel) -> str:
    return ""


def second_prompt(model: LatentModel) -> str:
    return words_for(model, "second_prompt_default")


def second_variant(models: TextModels, prompt: gr.Textbox, guidance: gr.Slider) -> list[Any]:
    """Lay out what pictures beside the first may have of their own; it is shown when it is asked for."""
    text = labels()
    choices = [(text[f"another_{name}"], name) for name in COMPARED]
    compared = gr.CheckboxGroup(choices, label=text["compare"], info=text["compare_info"])
    with gr.Column(visible=False) as prompt_place:
        second = prompt_field(models, second_prompt, "second_prompt")
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


def settings(models: TextModels, prompt: gr.Textbox) -> list[Any]:
    """Lay out the controls beside the stage, in the order in which `checked_prompt_request` takes them."""
    text = labels()
    guidance = controls.guidance_slider(prompt_guidance(models.first), info=text["prompt_guidance_info"])
    guidance_cost(models.models, models.choice, guidance)
    steps = controls.steps_choice("text_to_image", MAX_PROMPT_STEPS, DEFAULT_STEPS)
    seed = controls.seed_number()
    images = images_of(models.first, minimum=1, maximum=MAX_PICTURES, value=MAX_PICTURES, step=1)
    second = second_variant(models, prompt, guidance)
    with gr.Accordion(text["more"], open=False):
        negative = prompt_field(models, nothing, "negative_prompt", info=text["negative_prompt_info"])
        sampler = controls.sampler_choice()
    tell_effects(prompt, negative, guidance, *second)
    told = {"model": models.choice, "prompt": prompt, "negative": negative, "seed": seed, "images": images}
    compared = dict(zip(("compare", "second", "second_guidance"), second))
    linked("text_to_image", told | compared | {"steps": steps, "guidance": guidance, "sampler": sampler})
    return [negative, seed, steps, guidance, sampler, *second, images]


def images_of(model: LatentModel, **options: Any) -> gr.Slider:
    """How many pictures are drawn of a prompt, and what they are good for; options are a Slider's."""
    return gr.Slider(label=labels()["prompt_images"], info=words_for(model, "prompt_images_info"), **options)


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


def lead(model: LatentModel) -> str:
    """What the tab is for."""
    return words_for(model, "text_to_image_lead")


def build(models: TextModels) -> None:
    """Lay out the tab inside the current gr.Blocks."""
    draw, offer = new_id("draw"), new_id("offer")
    about = controls.lead(lead(models.first))
    with controls.workspace() as (stage, actions, side):
        with stage:
            answers = [*asked_in_line(guided_pictures), asked_in_line(judged_prompts)[0]]
            scrubber = controls.film_scrubber("text_to_image", {"draw": draw}, answers, PROMPT_CODE)
        with actions:
            prompt, start, stop, problem, pick = ask(models, draw, offer)
        with side:
            words_to_click(models, prompt)
            chosen = settings(models, prompt)

    def messages(*sent: Any) -> Iterator[dict[str, Any]]:
        *values, name = sent
        model = models.named(name)
        return film_messages(model, checked_prompt_request(model, *values))

    def words(name: Any) -> tuple[str, gr.Dataset, gr.Slider]:
        model = models.named(name)
        return lead(model), examples(model), images_of(model)

    models.choice.change(words, models.choice, [about, pick, chosen[-1]], **PRIVATE)
    negative, second = (field for field in chosen if isinstance(field, gr.Textbox))
    fields = [prompt, negative, second]
    openings = [opening_prompt, nothing, second_prompt, prompt_guidance]
    switched = each_its_own(models, [*fields, chosen[3]], openings, offer)
    # The prompt is there before it is drawn, and without asking Python: examples may be tapped fast.
    prompts = to_json({name: prompts_to_try(model) for name, model in models.models.items()})
    example = f"(number, model) => ({prompts})[model][number]"
    picked = pick.click(None, [pick, models.choice], prompt, js=example, **PRIVATE)
    triggers: list[Any] = [start.click, *(field.submit for field in fields)]
    triggers += [event.then for event in (picked, *switched)]
    wish(messages, triggers, [prompt, *chosen, models.choice], [scrubber, problem], [stop])
