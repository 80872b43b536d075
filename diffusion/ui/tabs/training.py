"""The Training tab: the objective on one picture, how a network learned, and a GAN beside it."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from diffusion.films.training_history import History
from diffusion.losses import WEIGHTINGS
from diffusion.models.model import Model
from diffusion.noise import draw_noise
from diffusion.process import eps_from_x_0, q_sample
from diffusion.ui.parts import beside
from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.credit import credit_of_begun, credit_of_examples, source
from diffusion.ui.parts.files import address_of, in_a_file
from diffusion.ui.parts.gpu import Work, on_gpu
from diffusion.ui.parts.inputs import MAX_SEED, whole_number
from diffusion.ui.parts.line import asked_in_line
from diffusion.ui.parts.model_pictures import (
    checked_picture,
    examples_of,
    history_of,
    note_of,
    other_examples,
)
from diffusion.ui.parts.opened import PixelModels, model_named
from diffusion.ui.parts.own_picture import open_picture, picture_row
from diffusion.ui.parts.scrubber import Scrubber, data_url
from diffusion.ui.parts.streaming import PRIVATE, encode
from diffusion.ui.text import labels, shown_name

NUM_LEVELS = 50


def noise_levels(num_timesteps: int) -> list[int]:
    """The timesteps on show: 1, then evenly spaced ones up to T."""
    return [1, *(num_timesteps * k // NUM_LEVELS for k in range(1, NUM_LEVELS + 1))]


@on_gpu(lambda model, x_0, label, noise, levels: Work(1, len(levels)))
def predicted_noise(model: Model, x_0: Tensor, label: int | None, noise: Tensor, levels: list[int]) -> Tensor:
    """ε̂ of one picture at every noise level, in one call of the network.

    Args:
        model: the network.
        x_0: (C, H, W) in [−1, 1].
        label: its class, or None.
        noise: (C, H, W).
        levels: K timesteps.

    Returns:
        (K, C, H, W) on the CPU.
    """
    t = torch.tensor(levels, device=model.device)
    x_0, noise = (x.to(model.device).expand(len(levels), -1, -1, -1) for x in (x_0, noise))
    x_t = q_sample(model.schedule, x_0, t, noise)
    class_labels = None if label is None else torch.full_like(t, label)
    with torch.no_grad():
        x_0_hat = model.denoiser(class_labels=class_labels)(x_t, t)
    return eps_from_x_0(x_0_hat, x_t, *model.schedule.alpha_sigma(t, x_t)).cpu()


def answer_for(model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page for a picture: its noise, and the network's guess at every noise level.

    Args:
        model: the network.
        request: pixels, base64 of (H, W, C) uint8; label, a class's number or null; seed, of the noise.

    Raises:
        InputError: one of them is out of range.
    """
    seed = whole_number(request.get("seed"), "seed", 0, MAX_SEED)
    label = request.get("label")
    if label is not None:
        label = whole_number(label, "label", 0, len(model.classes or ()) - 1)
    x_0 = checked_picture(model, request.get("pixels"))
    noise = draw_noise(model.sample_shape, torch.Generator().manual_seed(seed))
    levels = noise_levels(model.schedule.num_timesteps)
    eps_hat = predicted_noise(model, x_0, label, noise, levels)
    return {
        "noise": _half(noise[None]),
        "eps_hat": _half(eps_hat),
        "loss": (noise - eps_hat).square().flatten(1).mean(1).tolist(),
    }


def _half(x: Tensor) -> str:
    """(K, C, H, W) → base64 of (K, H, W, C) float16."""
    return encode(x.permute(0, 2, 3, 1).half().numpy())


def relative_weights(model: Model, levels: list[int]) -> dict[str, list[float]]:
    """How much each weighting of the loss makes of the same error at these timesteps, against "epsilon", the
    textbook one: by its name, as powers of ten."""
    snr = model.schedule.snr(torch.tensor(levels))
    relative = {name: weight(snr) / WEIGHTINGS["epsilon"](snr) for name, weight in WEIGHTINGS.items()}
    return {name: weights.log10().round(decimals=3).tolist() for name, weights in relative.items()}


def objective_message(model: Model, history: History | None) -> dict[str, Any]:
    """What the objective's view must know before it asks for a picture; without a history, of other pictures
    than the model's own."""
    channels, height, width = model.sample_shape
    levels = noise_levels(model.schedule.num_timesteps)
    return {
        "model": model.name,
        "image_shape": [height, width, channels],
        "levels": levels,
        "alphas_cumprod": model.schedule.alphas_cumprod[levels].tolist(),
        "weights": relative_weights(model, levels),
        "examples": examples_of(model, history) if history else other_examples(model),
        "typical": history.info["moments"][-1]["loss_of_average"] if history else None,
        "data": shown_name(model.about.get("data", model.name)),
        "credit": credit_of_examples(model) if history else "",
        "note": labels()["other_examples"] if history is None else note_of(history),
    }


def history_message(model: Model, history: History, sprite: str) -> dict[str, Any]:
    """A recorded run for the page; `sprite` is the address of its samples' picture."""
    info, rows = history.info, history.info["moments"]
    made = labels()["training_made"].format(
        model=shown_name(model.name),
        total=f"{rows[-1]['images_seen']:,}",
        data=source(model),
        schedule=shown_name(model.schedule_name),
        judged_on=shown_name(str(info.get("judged_on", ""))),
    )
    lead = labels()["training_lead"].format(count=len(rows))
    _, number, *shape = history.frames.shape
    return {
        "model": model.name,
        "made": f"{made} {credit_of_begun(model)}".strip(),
        "lead": lead,
        "remark": shown_name(str(info.get("remark", ""))),
        "rows": rows,
        "count": number,
        "shape": shape,
        "sprite": sprite,
    }


def recorded(models: Mapping[str, Model]) -> tuple[Model, History] | None:
    """The first model that has kept its history, with it."""
    histories = ((model, history_of(model)) for model in models.values())
    return next(((model, history) for model, history in histories if history is not None), None)


def opened_updates(model: Model) -> tuple[Any, ...]:
    """What objective, remark and run become for a model that was opened: a run that is not there is said."""
    history, said = history_of(model), labels()["opened_unrecorded"].format(name=model.name)
    objective = gr.update(value=objective_message(model, history))
    if history is None:
        return objective, gr.update(value=said, visible=True), gr.update(visible=False)
    run = history_message(model, history, data_url(history.light, "image/webp"))
    return objective, gr.update(visible=False), gr.update(value=run, visible=True)


def build(models: PixelModels, chosen: Any) -> None:
    """Lay out the tab inside the current gr.Blocks, for the first model that has kept its history, or for one
    that its visitor has opened.

    Args:
        chosen: the choice of the model.
    """
    text = labels()
    found = recorded(models)
    if found is None:
        gr.Markdown(text["no_history"])
        return
    model, history = found

    def predict(request: dict[str, Any]) -> dict[str, Any]:
        return answer_for(model_named(models, request.get("model", model.name)), request)

    parts = {
        "slider": text["level_slider"],
        "position": text["level"],
        **picture_row(text["examples" if history.held_out else "examples_seen"]),
    }
    questions = [*asked_in_line(predict), open_picture, animation]
    sprite = address_of(history.light, "webp")
    first = [objective_message(model, history), history_message(model, history, sprite)]
    first = [in_a_file(message) for message in first]
    objective = Scrubber("objective", first[0], questions, parts)
    unrecorded = gr.Markdown(visible=False, elem_classes="lead")
    parts = {"slider": text["training_slider"], "position": text["moment"]}
    run = Scrubber("training", first[1], [animation], parts)
    follow(models, chosen, [objective, unrecorded, run], first)
    beside.build()


def follow(models: PixelModels, chosen: Any, views: list[Any], first: list[dict[str, str]]) -> None:
    """Let objective, remark and run be of what a visitor has opened and chosen; otherwise as at first."""

    def views_of(name: Any) -> tuple[Any, ...]:
        model = model_named(models, name)
        if name in models.own:
            return (
                gr.update(value=first[0]),
                gr.update(visible=False),
                gr.update(value=first[1], visible=True),
            )
        return opened_updates(model)

    chosen.change(views_of, chosen, views, **PRIVATE)
