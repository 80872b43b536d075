"""Python that makes what the page shows: templates, which the page fills in, and the values for a film.

A value is a Python literal, whatever a visitor has typed. The page knows the rest: at which step a film
stands ("k"), how its pictures are laid out ("columns"), and what a file is called ("file", "picture").
"""

from collections.abc import Sequence
from pathlib import Path

from diffusion.hub import repo_of
from diffusion.hub.downloads import is_kept
from diffusion.models.model import Model
from diffusion.pipelines.opening import open_checkpoint
from diffusion.pipelines.pixels import PixelPipeline
from diffusion.ui.parts.prompt_request import PromptRequest
from diffusion.ui.parts.variants import CLIPPED, WITHOUT_Z

PROGRAM = Path(__file__).parents[3]

PICTURE = """import numpy as np
import torch
from PIL import Image
from diffusion import draw_noise, {schedule}_schedule, q_sample, q_step
from diffusion.data.images import to_signed, to_uint8

picture = Image.open("{picture}").convert("RGB")  # x_0 as it is saved here, or any square picture
picture = picture.resize((256, 256), Image.Resampling.NEAREST)
x_0 = to_signed(torch.from_numpy(np.array(picture)))[None]
schedule, t = {schedule}_schedule(1000), torch.tensor([{t}])
"""
PICTURE_CODE = {
    "jump": PICTURE.replace(", q_step", "")
    + """noise = draw_noise(x_0.shape, torch.Generator().manual_seed({seed}))
x_t = q_sample(schedule, x_0, t, noise)
Image.fromarray(to_uint8(x_t)[0].numpy()).save("{file}")
""",
    "step": PICTURE
    + """noise, fresh = draw_noise((2, *x_0.shape), torch.Generator().manual_seed({seed}))
before = q_sample(schedule, x_0, t - 1, noise)
x_t = q_step(schedule, before, t, fresh)
Image.fromarray(to_uint8(x_t)[0].numpy()).save("{file}")
""",
}

CLASS_CODE = """import torch
from diffusion import {schedule_import}draw_noise, {load_import}sample, timesteps
from diffusion.data.grids import image_grid
from diffusion.data.images import to_pixels
from diffusion.noise import fresh_noise
{open_import}
seed = {seed}
model = {load}({model})
schedule = {schedule}
x_T = draw_noise(({num_images}, *model.sample_shape), torch.Generator().manual_seed(seed))
class_labels = {class_labels}
denoise = model.denoiser(class_labels=class_labels, guidance_scale={guidance_scale}, schedule=schedule)
{clipped}steps, noise = timesteps(schedule, {num_steps}), lambda t: {z}fresh_noise(seed, x_T.shape, t)
walk = sample(denoise, schedule, x_T, steps, sampler={sampler}, eta={eta}, noise=noise)
x = [x_T, *(step.x_s for step in walk)]  # after 0, 1, … steps
image_grid(to_pixels(x[{k}]), {columns}).save("{file}")
"""

CLIPPED_CODE = "predict, denoise = denoise, lambda x_t, t: predict(x_t, t).clamp(-1, 1)\n"

PROMPT_CODE = """import torch
from diffusion import draw_noise, load_model, sample, timesteps
from diffusion.data.grids import image_grid
from diffusion.data.images import to_pixels
from diffusion.noise import fresh_noise

seed, k = {seed}, {k}  # what is expected after k steps
model = load_model({model})
x_T = draw_noise(({num_images}, *model.sample_shape), torch.Generator().manual_seed(seed))
steps, noise = timesteps(model.schedule, {num_steps}), lambda t: fresh_noise(seed, x_T.shape, t)
pictures = []
for prompt, guidance_scale in {prompts}:
    denoise = model.denoiser(
        prompts=[prompt], negative_prompts=[{negative_prompt}], guidance_scale=guidance_scale
    )
    walk = list(sample(denoise, model.schedule, x_T, steps, sampler={sampler}, noise=noise))
    x_0 = walk[k].x_0_hat if k < len(walk) else walk[-1].x_s
    pictures.append(model.decode(x_0))
image_grid(to_pixels(torch.cat(pictures)), {columns}).save("{file}")
"""


def place_of(model: Model) -> str:
    """What loads a model: its folder beside the program, its Hub repo, or else its folder's name alone."""
    if model.folder is None:
        return model.name
    folder = model.folder.resolve()
    if folder.is_relative_to(PROGRAM):
        return folder.relative_to(PROGRAM).as_posix()
    return repo_of(folder) or folder.name


def loading(model: Model) -> dict[str, str]:
    """For CLASS_CODE: what loads a model. `load_model` has those of our layout that were not opened here."""
    if isinstance(model, PixelPipeline) or (model.folder is not None and is_kept(model.folder)):
        opens = f"from {open_checkpoint.__module__} import open_checkpoint\n"
        return {"load_import": "", "open_import": opens, "load": "open_checkpoint", "model": repr(model.name)}
    return {
        "load_import": "load_model, ",
        "open_import": "",
        "load": "load_model",
        "model": repr(place_of(model)),
    }


def classes_of(indices: Sequence[int] | None) -> str:
    """Class labels as Python has them."""
    return "None" if indices is None else f"torch.tensor({list(indices)!r})"


def class_values(
    model: Model,
    *,
    seed: int,
    sampler: str,
    num_steps: int,
    schedule: str,
    indices: Sequence[int] | None,
    guidance_scale: float,
    num_images: int,
    eta: float,
    variant: str,
) -> dict[str, str]:
    """For CLASS_CODE; `indices` are those of the pictures' classes, None for no class."""
    own = schedule == model.schedule_name
    return {
        **loading(model),
        "schedule_import": "" if own else f"{schedule}_schedule, ",
        "schedule": "model.schedule" if own else f"{schedule}_schedule({model.schedule.num_timesteps})",
        "class_labels": classes_of(indices),
        "seed": repr(seed),
        "sampler": repr(sampler),
        "num_steps": repr(num_steps),
        "guidance_scale": f"{guidance_scale:g}",
        "num_images": repr(num_images),
        "eta": f"{eta:g}",
        "clipped": CLIPPED_CODE if variant == CLIPPED else "",
        "z": "0 * " if variant == WITHOUT_Z else "",
    }


def prompt_values(model: Model, request: PromptRequest) -> dict[str, str]:
    """For PROMPT_CODE."""
    variants = request.variants
    return {
        "model": repr(place_of(model)),
        "prompts": repr([(variant.prompt.text, variant.guidance_scale) for variant in variants]),
        "negative_prompt": repr(variants[0].negative.text),
        "seed": repr(request.seed),
        "sampler": repr(request.sampler),
        "num_steps": repr(request.num_steps),
        "num_images": repr(request.num_images),
    }
