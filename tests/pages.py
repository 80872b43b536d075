"""What tests do with a page in a browser."""

import base64
import io
import time

import numpy as np
import torch
from PIL import Image

from diffusion import q_sample
from diffusion.data.images import to_signed, to_uint8
from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.parts.noised_picture import picture_noise


def frames(page, count=2):
    """Let the browser draw."""
    page.evaluate(
        "n => new Promise(done => (function next() { n-- ? requestAnimationFrame(next) : done(); })())",
        count,
    )


def pixels(page, selector) -> np.ndarray:
    """What a canvas shows, (H, W, 3)."""
    url = page.locator(selector).evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def drag(page, tab, t, place="body"):
    """Move the slider of the tab in this place as a drag does."""
    page.locator(f"{place} .lab.{tab} input[data-role=t]").evaluate(
        "(slider, t) => { slider.value = t; slider.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )
    frames(page)


def distance(one, other) -> int:
    return np.abs(one.astype(int) - other.astype(int)).max()


def in_module(page, name, expression, argument=None):
    """What an expression gives, in which `it` is a module of static/lib/."""
    address = f"window.gradio_config.root + '{ADDRESS}/lib/{name}.js'"
    return page.evaluate(
        f"async (argument) => {{ const it = await import({address}); return {expression}; }}", argument
    )


def shared(page, name):
    """What the tabs share under this name."""
    return in_module(page, "state", "it.state[argument]", name)


def built(page):
    """Wait until Gradio has put the values into its controls: what is filled in before is overwritten."""
    in_module(page, "link", "await it.standing")


def until(page, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def upload(page, paths, tab="forward"):
    """Choose files by way of the "+" of a tab's row of pictures."""
    page.locator(f".lab.{tab} .picture-row input[type=file]").set_input_files(paths)


def noisy(schedule, picture, t, seed=0) -> np.ndarray:
    """x_t of a picture as the page should show it."""
    x_0 = to_signed(torch.from_numpy(np.asarray(picture).copy()))[None]
    return to_uint8(q_sample(schedule, x_0, torch.tensor([t]), picture_noise(seed)[:1]))[0].numpy()
