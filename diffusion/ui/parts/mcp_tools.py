"""The endpoints as tools of the Model Context Protocol (MCP), which Gradio serves where its package `mcp` is.

Of Gradio's server two things are replaced: how tools take pictures, and how they answer.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from gradio_client import handle_file
from gradio_client.utils import is_file_obj_with_meta

from diffusion.data.grids import png_bytes
from diffusion.data.images import centre_crop
from diffusion.files import to_json
from diffusion.ui.parts.example_pictures import SIZE
from diffusion.ui.parts.inputs import refusal
from diffusion.ui.parts.own_picture import sent_picture

SETTING = "GRADIO_MCP_SERVER"  # Gradio's own
UPLOADED = "/gradio_api/file="  # in the address of an upload, before its path


def is_offered() -> bool | None:
    """Whether the page is to serve tools: where the package is; None leaves it to SETTING, if that is set."""
    return None if SETTING in os.environ else find_spec("mcp") is not None


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Of Gradio's application: from its start on, pictures and answers are as they are here."""
    page = app.get_blocks()
    if (server := page.mcp_server_obj) is not None:
        server.convert_strings_to_filedata = taking_pictures(page)
        server.postprocess_output_data = answering_in_full(server.postprocess_output_data)
    yield


def taking_pictures(page: gr.Blocks) -> Callable[[dict[str, Any], list[list[str | int]]], dict[str, Any]]:
    """What makes a tool's arguments of those that were sent; the places of pictures are told.

    Gradio's own would keep what is sent for ever, and read what lies at an address.
    """

    def take(arguments: dict[str, Any], places: list[list[str | int]]) -> dict[str, Any]:
        for name, value in arguments.items():
            if [name] not in places and isinstance(value, dict | list):  # a file where none belongs
                raise refusal("unreadable_arguments", name=name)
        return {
            name: handle_file(picture_file(page, value)) if [name] in places else value
            for name, value in arguments.items()
        }

    return take


def picture_file(page: gr.Blocks, sent: Any) -> str:
    """The path of the picture that an argument is: a data URL, or the address of what was uploaded here.

    Raises:
        InputError: it is neither, or no usable picture.
    """
    if isinstance(sent, str) and sent.startswith("data:"):
        picture = centre_crop(sent_picture({"file": sent.partition(",")[2]}), SIZE)
        path = save_bytes_to_cache(png_bytes(picture), "picture.png", get_upload_folder())
        page.upload_file_set.add(path)  # which the cache's clock deletes
        return path
    path = unquote(str(sent).partition(UPLOADED)[2])
    if path not in page.upload_file_set:
        raise refusal("picture_not_sent")
    if not Path(path).is_file():
        raise refusal("upload_gone")
    return path


def answering_in_full(answer: Callable[[Any, str], list[Any]]) -> Callable[[Any, str], list[Any]]:
    """Gradio's way of making an answer, which takes several results for one, and writes JSON as Python."""

    def answer_all(results: Any, root: str) -> list[Any]:
        if len(results) == 1 and isinstance(results[0], list | tuple):
            (results,) = results
        texts = [
            each if is_file_obj_with_meta(each) else to_json(each, ensure_ascii=False) for each in results
        ]
        return answer(texts, root)

    return answer_all
