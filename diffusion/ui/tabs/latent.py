"""The panel Why latent?: what the network costs on pixels and on latents, and what the autoencoder loses."""

import base64
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusion.data.images import centre_crop, to_signed, to_uint8
from diffusion.devices import best_device
from diffusion.films.film import EPS_RANGE
from diffusion.models.model import Model
from diffusion.nets.autoencoder import psnr
from diffusion.nets.step_cost import compare, on_pixels, step_operations
from diffusion.ui.parts.example_pictures import preset_pictures
from diffusion.ui.parts.gpu import on_gpu
from diffusion.ui.parts.inputs import InputError, choice, uploaded_picture
from diffusion.ui.parts.picture_input import PictureInput
from diffusion.ui.parts.scrubber import STATIC, Scrubber
from diffusion.ui.text import labels

EMOJI_FILE = STATIC / "emoji.png"  # squares in a row, as the font has them
NOT_EMOJI = ("sunset", "cat", "card")  # of the preset pictures


@lru_cache(maxsize=1)
def emoji_pictures() -> dict[str, Image.Image]:
    """A few emoji by name; the last two are held out of all training."""
    with Image.open(EMOJI_FILE) as row:
        row, side = row.convert("RGB"), row.height
    names = labels()["latent_emoji"].split("|")
    return {name: row.crop((i * side, 0, (i + 1) * side, side)) for i, name in enumerate(names)}


def example_pictures() -> dict[str, Image.Image]:
    """What can be chosen, by name: emoji, and for comparison what is none."""
    names = labels()["latent_others"].split("|")
    return emoji_pictures() | {name: preset_pictures()[key] for name, key in zip(names, NOT_EMOJI)}


def as_tensor(picture: Image.Image, model: Model) -> Tensor:
    """A picture's middle as the autoencoder takes it: (1, 3, S, S) in [−1, 1]."""
    pixels = np.asarray(centre_crop(picture, model.image_shape[1]))
    return to_signed(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]).to(model.device)


@lru_cache(maxsize=8)
def emoji_psnr(model: Model) -> float:
    """How well the emoji come back, in dB: the mean."""
    images = torch.cat([as_tensor(picture, model) for picture in emoji_pictures().values()])
    return psnr(images, model.decode(model.encode(images))).mean().item()


# ---- what it costs ---------------------------------------------------------------------------------------


def known_costs(model: Model) -> dict[str, Any]:
    """What needs no measurement, as JSON values: shapes, and the operations of one step."""
    config, tokens, side = model.net.config, model.text.config.num_tokens, model.image_shape[1]
    twin = on_pixels(config, model.autoencoder.config.image_channels)
    return {
        "shapes": {"pixels": [twin.in_channels, side, side], "latents": list(model.sample_shape)},
        "operations": {
            "pixels": step_operations(twin, side, tokens),
            "latents": step_operations(config, model.sample_shape[1], tokens),
        },
    }


@on_gpu
def measured_costs(model: Model) -> dict[str, Any]:
    """The same and what is measured here and now, in a few seconds: time, memory, and the emoji's PSNR."""
    model.to(best_device())
    known, tokens = known_costs(model), model.text.config.num_tokens
    found = compare(model.net, model.autoencoder, model.image_shape[1], tokens)
    twin = on_pixels(model.net.config, model.autoencoder.config.image_channels)
    measured = {
        **asdict(found),
        "operations": step_operations(twin, found.pixels.side, tokens),
        "psnr": emoji_psnr(model),
        "machine": machine_name(model.device),
    }
    return known | {"measured": measured}


def machine_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return labels()["machine_cpu"].format(threads=torch.get_num_threads())


def cost_messages(model: Model) -> Iterator[dict[str, Any]]:
    """For the page: that it is being measured, then the result."""
    yield known_costs(model) | {"busy": True}
    yield measured_costs(model)


# ---- what it loses ---------------------------------------------------------------------------------------


@on_gpu
def through_latents(model: Model, picture: Image.Image) -> dict[str, Any]:
    """A message: the picture's middle, its latent, what comes back, and how well."""
    model.to(best_device())
    image = as_tensor(picture, model)
    latent = model.encode(image)
    back = model.decode(latent)
    shown = {
        "original": to_uint8(image[0]).permute(1, 2, 0),
        "latent": to_uint8(latent[0], EPS_RANGE),
        "reconstruction": to_uint8(back[0]).permute(1, 2, 0),
    }
    return {
        **{name: base64.b64encode(values.cpu().numpy().tobytes()).decode() for name, values in shown.items()},
        "image_shape": list(shown["original"].shape),
        "latent_shape": list(latent.shape[1:]),
        "psnr": psnr(image, back).item(),
        "emoji_psnr": emoji_psnr(model),
        "is_emoji": picture in emoji_pictures().values(),
    }


def chosen_picture(model: Model, name: Any) -> dict[str, Any]:
    """The message about an example picture."""
    pictures = example_pictures()
    return through_latents(model, pictures[choice(name, "picture", pictures)])


def own_picture(model: Model, path: str | None) -> tuple[Any, str, Any, Any]:
    """An upload: the message, the sentence beside the control, what stays in it, and the example chosen.

    The event may come twice; a refused file is gone by then, and the control empty.
    """
    if path is None or not Path(path).exists():
        return gr.skip(), gr.skip(), gr.skip(), gr.skip()
    try:
        picture = uploaded_picture(path, shown=True)
    except InputError as error:
        return gr.skip(), error.message, None, gr.skip()
    return through_latents(model, picture), "", gr.skip(), None


# ---- the layout ------------------------------------------------------------------------------------------


def build(model: Model) -> None:
    """Lay out the panel inside the current gr.Blocks."""
    text = labels()
    names = list(example_pictures())
    gr.Markdown(f"## {text['why_latent']}\n\n{text['why_latent_lead']}", container=False, elem_classes="lead")
    measure = gr.Button(text["measure"], variant="primary", elem_id="measure", elem_classes="narrow")
    costs = Scrubber("latent", known_costs(model))
    with gr.Row(elem_classes="workspace"):
        with gr.Column(scale=3, min_width=320):
            pictures = Scrubber("reconstruction", chosen_picture(model, names[0]))
            example = gr.Radio(names, value=names[0], label=text["latent_examples"])
        with gr.Column(scale=1, min_width=260, elem_classes="side"):
            upload = PictureInput(elem_id="own_picture")
            problem = gr.Markdown(elem_classes="problem", container=False)
    how = {
        "concurrency_id": "model",
        "concurrency_limit": 1,
        "show_progress": "hidden",
        "api_visibility": "private",
    }

    def choose(name: Any) -> tuple[Any, str]:
        try:
            return chosen_picture(model, name), ""
        except InputError as error:
            return gr.skip(), error.message

    measure.click(lambda: (yield from cost_messages(model)), None, costs, **how)
    example.input(choose, example, [pictures, problem], **how)
    upload.change(lambda path: own_picture(model, path), upload, [pictures, problem, upload, example], **how)
