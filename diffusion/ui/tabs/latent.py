"""The panel Why latent?: what the network costs on pixels and on latents, and what the autoencoder loses."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache
from math import ceil
from typing import Any

import gradio as gr
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from diffusion.data.cats import ACCESSORY, BODY, Cats
from diffusion.data.images import centre_crop, to_signed, to_uint8
from diffusion.films.film import EPS_RANGE
from diffusion.models.model import LatentModel
from diffusion.nets.autoencoder import psnr
from diffusion.nets.step_cost import SECONDS, compare, on_pixels, step_operations
from diffusion.ui.parts import controls
from diffusion.ui.parts.example_pictures import emoji_pictures, preset_pictures
from diffusion.ui.parts.files import address_of_picture
from diffusion.ui.parts.gpu import PER_CALL, Work, on_gpu
from diffusion.ui.parts.inputs import choice
from diffusion.ui.parts.line import asked_in_line
from diffusion.ui.parts.own_picture import open_picture, picture_row, sent_picture
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.streaming import PRIVATE, encode, wish
from diffusion.ui.parts.text_models import TextModels
from diffusion.ui.text import labels, shown_name

OTHERS = ("sunset", "cat", "card")  # of the preset pictures
SEEN, UNSEEN = 4, 2  # of a model's cats, such as were trained on and such as were not
TILE = 104  # pixels of an example to choose, twice as many as it is wide on the page


def example_pictures(model: LatentModel) -> dict[str, Image.Image]:
    """What can be chosen, by name: pictures like those it was trained on, and for comparison others."""
    names = labels()["latent_others"].split("|")
    return own_pictures(model) | {name: preset_pictures()[key] for name, key in zip(names, OTHERS)}


def own_pictures(model: LatentModel) -> dict[str, Image.Image]:
    """Six pictures like those it was trained on, by name; the last two are not among these."""
    return emoji_pictures() if model.cats is None else cat_pictures(model.cats)


def cat_pictures(cats: Cats) -> dict[str, Image.Image]:
    """Cats, by their colour and accessory."""
    chosen, pictures = drawn_cats(cats)
    marks = [""] * SEEN + [f" {labels()['never_together']}"] * UNSEEN
    kinds = ((kind, cats.names[kind]) for kind in (BODY, ACCESSORY))
    words = [[shown_name(names[cat[kind]]) for cat in chosen] for kind, names in kinds]
    return {f"{body}, {worn}{mark}": each for body, worn, mark, each in zip(*words, marks, pictures)}


@lru_cache(maxsize=8)
def drawn_cats(cats: Cats) -> tuple[list[list[int]], list[Image.Image]]:
    """The parts and the pictures of SEEN cats that were trained on and UNSEEN that were not."""
    chosen = torch.cat([cats.trained_on[:: len(cats) // SEEN][:SEEN], cats.never_trained_on(UNSEEN)])
    pictures = cats.render(chosen).permute(0, 2, 3, 1).cpu().numpy()
    return chosen.tolist(), list(map(Image.fromarray, pictures))


def as_tensor(picture: Image.Image, model: LatentModel) -> Tensor:
    """A picture's middle as the autoencoder takes it: (1, 3, S, S) in [−1, 1]."""
    pixels = np.asarray(centre_crop(picture, model.image_shape[1]))
    return to_signed(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]).to(model.device)


@lru_cache(maxsize=8)
def typical_psnr(model: LatentModel) -> float:
    """How well such pictures come back as it was trained on, in dB: the mean."""
    images = torch.cat([as_tensor(picture, model) for picture in own_pictures(model).values()])
    return psnr(images, model.decode(model.encode(images))).mean().item()


# ---- what it costs ---------------------------------------------------------------------------------------


def known_costs(model: LatentModel) -> dict[str, Any]:
    """What needs no measurement, as JSON values: shapes, and the operations of one step."""
    config, tokens, side = model.net.config, model.text.config.num_tokens, model.image_shape[1]
    twin = on_pixels(config, model.autoencoder.config.image_channels)
    return {
        "model": model.name,
        "shapes": {"pixels": [twin.in_channels, side, side], "latents": list(model.sample_shape)},
        "operations": {
            "pixels": step_operations(twin, side, tokens),
            "latents": step_operations(config, model.sample_shape[1], tokens),
        },
    }


@on_gpu(lambda model: Work(ceil(2 * SECONDS / PER_CALL), 0))
def measured_costs(model: LatentModel) -> dict[str, Any]:
    """The same and what is measured here and now, in a few seconds: time, memory, and what comes back."""
    known, tokens = known_costs(model), model.text.config.num_tokens
    found = compare(model.net, model.autoencoder, model.image_shape[1], tokens)
    twin = on_pixels(model.net.config, model.autoencoder.config.image_channels)
    measured = {
        **asdict(found),
        "operations": step_operations(twin, found.pixels.side, tokens),
        "psnr": typical_psnr(model),
        "machine": machine_name(model.device),
    }
    return known | {"measured": measured}


def machine_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return labels()["machine_cpu"].format(threads=torch.get_num_threads())


def cost_messages(model: LatentModel) -> Iterator[dict[str, Any]]:
    """For the page: that it is being measured, then the result."""
    yield known_costs(model) | {"busy": True}
    yield measured_costs(model)


# ---- what it loses ---------------------------------------------------------------------------------------


@on_gpu(lambda model, picture: Work(2, 2 + len(own_pictures(model))))
def through_latents(model: LatentModel, picture: Image.Image) -> dict[str, Any]:
    """A message: the picture's middle, its latent, what comes back, and how well."""
    image = as_tensor(picture, model)
    latent = model.encode(image)
    back = model.decode(latent)
    shown = {
        "original": to_uint8(image[0]).permute(1, 2, 0),
        "latent": to_uint8(latent[0], EPS_RANGE),
        "reconstruction": to_uint8(back[0]).permute(1, 2, 0),
    }
    return {
        **{name: encode(values.cpu().numpy()) for name, values in shown.items()},
        "image_shape": list(shown["original"].shape),
        "latent_shape": list(latent.shape[1:]),
        "psnr": psnr(image, back).item(),
        "typical_psnr": typical_psnr(model),
        "is_own": picture in own_pictures(model).values(),
    }


def chosen_picture(model: LatentModel, request: dict[str, Any]) -> dict[str, Any]:
    """The message about an example, which has this name, or about a file in base64."""
    if "file" in request:
        return through_latents(model, sent_picture(request))
    pictures = example_pictures(model)
    return through_latents(model, pictures[choice(request.get("name"), "picture", pictures)])


def opening_message(model: LatentModel) -> dict[str, Any]:
    """What can be chosen, small, and the message about the first."""
    examples = [
        {
            "name": name,
            "picture": address_of_picture(picture.resize((TILE, TILE), Image.Resampling.LANCZOS)),
        }
        for name, picture in example_pictures(model).items()
    ]
    return {"model": model.name, "examples": examples, "shown": chosen_picture(model, examples[0])}


# ---- the layout ------------------------------------------------------------------------------------------


def build(models: TextModels) -> None:
    """Lay out the panel inside the current gr.Blocks."""
    text = labels()
    controls.lead(text["why_latent_lead"])
    measure = gr.Button(text["measure"], variant="primary", elem_classes="narrow")
    costs = Scrubber("latent", known_costs(models.first))
    problem = controls.problem_line()

    def reconstruct(request: dict[str, Any]) -> dict[str, Any]:
        """Asked by the page: of a "model" an example or a file."""
        return chosen_picture(models.named(request.get("model")), request)

    def examples(request: dict[str, Any]) -> dict[str, Any]:
        """Asked by the page: what a "model" opens with."""
        return opening_message(models.named(request.get("model")))

    asked = [*asked_in_line(reconstruct), *asked_in_line(examples)[:1], open_picture]
    parts = picture_row(text["latent_examples"])
    pictures = Scrubber("reconstruction", {"model": models.first.name}, asked, parts)
    models.choice.change(None, models.choice, pictures, js="(model) => ({model})", **PRIVATE)
    models.choice.change(lambda name: known_costs(models.named(name)), models.choice, costs, **PRIVATE)
    wish(lambda name: cost_messages(models.named(name)), [measure.click], [models.choice], [costs, problem])
