"""The plain Gradio app that `benchmarks.scrub` compares with: a slider, a Python function, a picture.

Run it on its own as `python -m benchmarks.plain_slider PICTURE`.
"""

import sys
from pathlib import Path

import gradio as gr
import numpy as np
import torch
from PIL import Image

from diffusion.data.images import to_signed, to_uint8
from diffusion.noise import draw_noise
from diffusion.process import q_sample
from diffusion.schedules import linear_schedule


def build(picture: Path) -> gr.Blocks:
    """A page that shows `picture` at the slider's t. Noise needs PNG; lossy WebP is Gradio's default."""
    x_0 = to_signed(torch.from_numpy(np.array(Image.open(picture).convert("RGB"))))
    noise = draw_noise(x_0.shape, torch.Generator().manual_seed(0))
    schedule = linear_schedule()

    def corrupt(t: float) -> np.ndarray:
        x_t = q_sample(schedule, x_0[None], torch.tensor([int(t)]), noise[None])
        return to_uint8(x_t[0]).numpy()

    with gr.Blocks() as demo:
        t = gr.Slider(0, schedule.num_timesteps, value=0, step=1, label="t", elem_id="t")
        x_t = gr.Image(corrupt(0), format="png", label="x_t", elem_id="x_t")
        t.input(corrupt, t, x_t, trigger_mode="always_last", show_progress="hidden")
    return demo


if __name__ == "__main__":
    build(Path(sys.argv[1])).launch()
