"""One's own picture: an input that opens what people have."""

from typing import Any

import gradio as gr

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

    def get_config(self) -> dict[str, Any]:
        return super().get_config(gr.Image)

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload else None
