"""Python that makes what the rooms Plane, Race and Your picture show: templates and values, as in code.py.

A picture is named as a file that Save gives there; any other square picture in its place will do.
"""

from diffusion.models.model import Model
from diffusion.ui.parts.code import classes_of, loading, place_of
from diffusion.ui.parts.codes import JOURNEY_STEPS, NUM_BETWEEN, Coding
from diffusion.ui.parts.race_request import RaceRequest
from diffusion.ui.parts.rebuilding import NUM_NOISES, Rebuild

# ---- Plane -----------------------------------------------------------------------------------------------

POINTS = """import numpy as np
import torch
from PIL import Image, ImageDraw
from diffusion import {schedule}_schedule, USED
from diffusion.noise import fresh_noise

points = np.loadtxt("{points}", delimiter=",", skiprows=1)  # the points, as they are saved here
x_0, schedule = torch.from_numpy(points).float(), {schedule}_schedule(1000)
seed, t = {seed}, {t}
"""
DRAWN = """picture = Image.new("RGB", (680, 680), "white")
for x, colour in ((x_0, "orange"), (x_t, "blue")):
    ImageDraw.Draw(picture).point((340 + 100 * x * torch.tensor([1, -1])).flatten().tolist(), colour)
"""
SAVED = 'picture.save("{file}")\n'
JUMP = """noise = fresh_noise(seed, (1, *x_0.shape), 0, first=2**32 - 2)[0]
x_t = q_sample(schedule, x_0, torch.full((len(x_0),), t), noise)
"""
CHAIN = """x_t = x_0[:250]
for s in range(1, t + 1):
    noise = fresh_noise(seed, (1, *x_t.shape), s, first=2**32 - 1)[0]
    x_t = q_step(schedule, x_t, torch.full((len(x_t),), s), noise)
"""
WALK = """x_T = draw_noise((25, 2), torch.Generator().manual_seed(seed))
{start}steps, noise = timesteps(schedule, {steps}), lambda t: fresh_noise(seed, x_T.shape, t)
walk = sample(ideal_denoiser(x_0, schedule), schedule, x_T, steps, sampler="{sampler}", noise=noise)
paths = torch.stack([x_T] + [step.x_s for step in walk if step.s >= t])
x_t = paths[-1]
"""
LINES = """for path in paths.unbind(1):
    ImageDraw.Draw(picture).line((340 + 100 * path * torch.tensor([1, -1])).flatten().tolist(), "blue")
"""
PLANE_CODE = {
    "jump": POINTS.replace("USED", "q_sample") + JUMP + DRAWN + SAVED,
    "chain": POINTS.replace("USED", "q_step") + CHAIN + DRAWN + SAVED,
    "walk": POINTS.replace("USED", "draw_noise, ideal_denoiser, sample, timesteps")
    + WALK
    + DRAWN
    + LINES
    + SAVED,
    "start": "x_T[0] = torch.tensor([{x}, {y}])  # where you have put it\n",
}

# ---- Race ------------------------------------------------------------------------------------------------

RACE = """import torch
from diffusion import draw_noise, {load_import}sample, timesteps
from diffusion.data.grids import image_grid
from diffusion.data.images import to_pixels
from diffusion.noise import fresh_noise
{open_import}
seed, calls = {seed}, {k}  # what a lane shows after so many network calls
model = {load}({model})
{student}x_T = draw_noise(({num_images}, *model.sample_shape), torch.Generator().manual_seed(seed))
lanes = []
for network, sampler, num_steps, eta, z in {lanes}:
    denoise = network.denoiser(class_labels={class_labels}, guidance_scale={guidance_scale})
    steps, noise = timesteps(model.schedule, num_steps), lambda t: z * fresh_noise(seed, x_T.shape, t)
    walk = sample(denoise, model.schedule, x_T, steps, sampler=sampler, eta=eta, noise=noise)
    x = [SHOWN for step in walk)]  # after 0, 1, … calls
    lanes.append(x[min(calls, num_steps)])
image_grid(to_pixels(torch.stack(lanes, 1).flatten(0, 1)), len(lanes)).save("{file}")
"""
TAUGHT = """from diffusion import load_model
student = load_model({student})
"""
RACE_CODE = {
    "x_t": RACE.replace("SHOWN", "x_T, *(step.x_s"),
    "x_0_hat": RACE.replace("SHOWN", "0 * x_T, *(step.x_0_hat"),
}


def race_values(model: Model, request: RaceRequest) -> dict[str, str]:
    """For RACE_CODE."""
    walk, lanes, student = request.any, request.walks().values(), request.student
    walked = (
        f"({'student' if lane.by_student else 'model'}, {lane.sampler!r}, {lane.num_steps}, {lane.eta}, "
        f"{int(lane.adds_z)})"
        for lane in lanes
    )
    return {
        **loading(model),
        "seed": repr(walk.seed),
        "num_images": repr(walk.num_images),
        "class_labels": classes_of(walk.classes_in(model.classes or ())),
        "guidance_scale": f"{walk.guidance_scale:g}",
        "student": TAUGHT.format(student=repr(place_of(student))) if student else "",
        "lanes": f"[{', '.join(walked)}]",
    }


# ---- Your picture ----------------------------------------------------------------------------------------

PICTURE = """import torch
from PIL import Image
from diffusion import draw_noise, {load_import}q_sample, sample, timesteps
from diffusion.data.grids import image_grid
from diffusion.data.images import to_pixels, x_0_of
from diffusion.noise import fresh_noise
{open_import}
seed, t, model = {seed}, {t}, {load}({model})
x_0 = x_0_of(Image.open("{picture}"), model.sample_shape)  # x_0 as it is saved here, or any other picture
eps = draw_noise(({count}, *model.sample_shape), torch.Generator().manual_seed(seed))
denoise, noise = model.denoiser(class_labels={class_labels}), lambda t: fresh_noise(seed, eps.shape, t)
"""
REBUILD_CODE = (
    PICTURE
    + """x_t = q_sample(model.schedule, x_0.expand_as(eps), torch.full((len(eps),), t), eps)
steps = timesteps(model.schedule, min({num_steps}, t), start=t)
walk = sample(denoise, model.schedule, x_t, steps, sampler={sampler}, noise=noise)
x = [x_t, *(step.x_s for step in walk)]  # after 0, 1, … steps
image_grid(to_pixels(x[{k}]), {columns}).save("{file}")
"""
)
LEVELS_CODE = (
    PICTURE.replace("seed, t, model = {seed}, {t}", "seed, model = {seed}")
    + """rebuilt = []
for t in {levels}:
    x_t = q_sample(model.schedule, x_0.expand_as(eps), torch.full((len(eps),), t), eps)
    steps = timesteps(model.schedule, min({num_steps}, t), start=t)
    *_, step = sample(denoise, model.schedule, x_t, steps, sampler={sampler}, noise=noise)
    rebuilt.append(step.x_s)
image_grid(to_pixels(torch.stack(rebuilt, 1).flatten(0, 1)), len(rebuilt)).save("{file}")
"""
)

CODES = """import torch
from PIL import Image
from diffusion import {load_import}sample, timesteps
from diffusion.data.grids import image_grid
from diffusion.data.images import to_pixels, x_0_of
from diffusion.inversion import invert
{open_import}
model = {load}({model})
denoise, schedule = model.denoiser(), model.schedule
"""
CODES_CODE = (
    CODES
    + """x_0 = x_0_of(Image.open("{picture}"), model.sample_shape)[None]  # as it is saved here, or any other
backs = []
for num_steps in {numbers}:
    steps = timesteps(schedule, num_steps)
    *_, rise = invert(denoise, schedule, x_0, steps[::-1], corrections={corrections})
    *_, step = sample(denoise, schedule, rise.x_t, steps)  # rise.x_t is the code
    backs.append(step.x_s)
image_grid(to_pixels(torch.cat(backs)), len(backs)).save("{file}")
"""
)
BETWEEN_CODE = (
    CODES.replace("import invert", "import invert\nfrom diffusion.interpolation import slerp")
    + """ends = "{first}", "{second}"  # both ends of the cross-fade as they are saved here, or any others
x_0 = torch.stack([x_0_of(Image.open(end), model.sample_shape) for end in ends])
steps = timesteps(schedule, {num_steps})
*_, rise = invert(denoise, schedule, x_0, steps[::-1], corrections={corrections})
a, b = rise.x_t
x_T = slerp(a, b, torch.linspace(0, 1, {count}, dtype=torch.float64))
*_, step = sample(denoise, schedule, x_T, steps)
image_grid(to_pixels(step.x_s[[{k}]]), 1).save("{file}")
"""
)


def rebuild_values(model: Model, request: Rebuild) -> dict[str, str]:
    """For REBUILD_CODE and LEVELS_CODE; "number" tells films of different pictures apart."""
    label, classes = request.class_label, model.classes or ()
    return {
        **loading(model),
        "number": repr(request.picture),
        "seed": repr(request.seed),
        "t": repr(request.start),
        "count": repr(NUM_NOISES),
        "class_labels": classes_of([classes.index(label)] * NUM_NOISES if label else None),
        "num_steps": repr(request.num_steps),
        "sampler": repr(request.sampler),
    }


def coding_values(model: Model, request: Coding) -> dict[str, str]:
    """For CODES_CODE and BETWEEN_CODE."""
    return {
        **loading(model),
        "corrections": repr(request.corrections),
        "num_steps": repr(min(JOURNEY_STEPS, model.schedule.num_timesteps)),
        "count": repr(NUM_BETWEEN),
    }
