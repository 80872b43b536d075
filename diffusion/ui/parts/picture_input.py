"""One's own picture: an input that opens what people have, and the answer to what they chose."""

from collections.abc import Callable
from typing import Any

import gradio as gr
from PIL import Image

from diffusion.ui.parts.inputs import InputError, uploaded_picture
from diffusion.ui.text import labels


class PictureInput(gr.Image):
    """An image input that leaves opening the file, and saying what is wrong with it, to the handler."""

    def __init__(self, value: Any = None, **options: Any) -> None:
        super().__init__(
            value,
            type="filepath",
            sources=["upload", "webcam", "clipboard"],
            label=labels()["your_picture"],
            height=230,
            interactive=True,
            elem_classes="picture-input",
            **options,
        )

    def get_block_name(self) -> str:
        return "image"

    def get_config(self, cls: type | None = None) -> dict[str, Any]:
        return super().get_config(gr.Image)

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None


def answer_upload(path: str | None, show: Callable[[Image.Image], Any]) -> tuple[Any, Any, Any]:
    """The message about a chosen picture, the sentence beside the control, and what stays in the control.

    A refused file leaves the page as it is, and the control empty. Without a picture nothing changes.

    Args:
        path: what the control holds.
        show: a picture → the message.
    """
    if path is None:
        return gr.skip(), gr.skip(), gr.skip()
    try:
        picture = uploaded_picture(path)
    except InputError as error:
        return gr.skip(), str(error), None
    return show(picture), "", gr.skip()
