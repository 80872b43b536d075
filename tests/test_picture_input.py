"""Uploads as the tab Forward takes them: fitted, or refused."""

import base64
import io

import gradio as gr
import numpy as np
from PIL import Image

from diffusion.ui.tabs.forward import new_picture


def test_upload_is_cropped_or_shown_whole(tmp_path):
    wide = Image.new("RGB", (400, 200), "red")
    wide.paste("blue", (0, 0, 100, 200))
    wide.save(tmp_path / "wide.png")

    def shown(fit):
        message, problem, _ = new_picture(str(tmp_path / "wide.png"), fit)
        assert problem == ""
        content = base64.b64decode(message["picture"].removeprefix("data:image/png;base64,"))
        return np.asarray(Image.open(io.BytesIO(content)))

    assert (shown("crop")[:, 5:] == (255, 0, 0)).all()
    letterboxed = shown("letterbox")
    assert (letterboxed[0] == 128).all() and (letterboxed[128, 10] == (0, 0, 255)).all()


def test_refused_upload_is_explained_and_taken_out(tmp_path):
    path = tmp_path / "no.png"
    path.write_text("no picture")
    _, problem, kept = new_picture(str(path), "crop")
    assert kept is None and "not a readable picture" in problem


def test_an_upload_that_the_clock_has_deleted_is_asked_for_again(tmp_path):
    _, problem, kept = new_picture(str(tmp_path / "gone.png"), "crop")
    assert kept is None and "choose the file again" in problem


def test_without_an_upload_nothing_changes():
    assert new_picture(None, "crop") == (gr.skip(), gr.skip(), gr.skip())
