"""Uploads as the tab Forward takes them: fitted, or refused and deleted."""

import base64
import io
import time

import gradio as gr
import numpy as np
from PIL import Image

from diffusion.ui.parts.inputs import PREVIEW_SECONDS
from diffusion.ui.tabs.forward import new_fit, new_picture


def test_upload_is_cropped_or_shown_whole(tmp_path):
    wide = Image.new("RGB", (400, 200), "red")
    wide.paste("blue", (0, 0, 100, 200))
    wide.save(tmp_path / "wide.png")

    def shown(fit):
        message, problem, _ = new_fit(str(tmp_path / "wide.png"), fit)
        assert problem == ""
        content = base64.b64decode(message["picture"].removeprefix("data:image/png;base64,"))
        return np.asarray(Image.open(io.BytesIO(content)))

    assert (shown("crop")[:, 5:] == (255, 0, 0)).all()
    letterboxed = shown("letterbox")
    assert (letterboxed[0] == 128).all() and (letterboxed[128, 10] == (0, 0, 255)).all()


def test_refused_upload_is_deleted_and_explained(tmp_path):
    path = tmp_path / "no.png"
    path.write_text("no picture")
    _, problem, kept = new_fit(str(path), "crop")
    assert kept is None and "not a readable picture" in problem
    time.sleep(PREVIEW_SECONDS + 0.5)
    assert not path.exists() and new_picture(str(path), "crop")[1] == gr.skip()
    _, problem, _ = new_fit(str(path), "crop")
    assert "choose the file again" in problem
