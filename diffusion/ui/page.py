"""The whole page: header, tabs, endpoints."""

import os
import signal
from typing import Any

import gradio as gr
from gradio.route_utils import delete_files_created_by_app
from starlette.middleware import Middleware

from diffusion.films.film import Film
from diffusion.models.model import LatentModel, Model
from diffusion.pipelines.loading import missing_packages
from diffusion.ui import api
from diffusion.ui.parts import files, mcp_tools
from diffusion.ui.parts.another_model import choose_alike
from diffusion.ui.parts.class_film import shipped_film
from diffusion.ui.parts.files import in_a_file, words
from diffusion.ui.parts.gate import Gate
from diffusion.ui.parts.modules import ROUTE
from diffusion.ui.parts.opened import PixelModels
from diffusion.ui.parts.own_picture import MAX_MEGABYTES
from diffusion.ui.parts.page_head import PageHead, address_in
from diffusion.ui.parts.requests import APP_OPTIONS, Page
from diffusion.ui.parts.scrubber import Scrubber
from diffusion.ui.parts.session import remember_page
from diffusion.ui.parts.students import without_students
from diffusion.ui.parts.text_models import TextModels, choose_model
from diffusion.ui.parts.weights import read_weights_later
from diffusion.ui.tabs import (
    forward,
    interpolation,
    latent,
    pipeline,
    plane,
    race,
    rebuild,
    reverse,
    schedules,
    text_to_image,
    training,
)
from diffusion.ui.text import (
    DEFAULT,
    LANGUAGES,
    labels,
    language,
    lessons,
    prose,
    speaking,
)

FONT = ["system-ui", "-apple-system", "Segoe UI", "Apple SD Gothic Neo", "Noto Sans KR", "sans-serif"]
MAX_SESSIONS = 64  # of which Gradio keeps what stands on the page, 0.6 MB each; no handler needs it
DELETE_EVERY, DELETE_AFTER = 120, 300  # seconds: an upload is gone within seven minutes


def build_page(models: dict[str, Model]) -> gr.Blocks:
    """The page over these models, by name: one in each language, of which that of DEFAULT is the first.

    Args:
        models: at least one. The first of pixels is the one on show, and the film in its folder plays before
            anyone presses anything; those that are told by text have a tab, which opens with cats. Their
            weights may be "meta" still, and are read when the page was shown.
    """
    text_models = {name: model for name, model in models.items() if isinstance(model, LatentModel)}
    pixel_models = {name: model for name, model in models.items() if not isinstance(model, LatentModel)}
    pixel_models = without_students(pixel_models) | pixel_models  # no tab opens with a student
    first = next(iter(pixel_models.values()), None)
    film = shipped_film(first) if first else None
    page = Page(title=labels()["title"], delete_cache=(DELETE_EVERY, DELETE_AFTER))
    page.when_shown = lambda: read_weights_later(models.values())
    for code, name in LANGUAGES.items():
        place = page if code == DEFAULT else page.route(name, code, show_in_navbar=False)
        with speaking(code), place:
            build_tabs(pixel_models, text_models, film)
            remember_page(page)
            if code == DEFAULT:
                api.build(pixel_models, text_models)
    return page


def build_tabs(
    pixel_models: dict[str, Model], text_models: dict[str, LatentModel], film: Film | None
) -> None:
    """Lay out header and tabs inside the current gr.Blocks, in the language that is spoken.

    Args:
        film: of the first model of pixels, if it has one.
    """
    text, first = labels(), next(iter(pixel_models.values()), None)
    opening = reverse.shipped_message(first, film) if first and film else None
    shown = {"film": in_a_file(opening)["file"]} if opening else None
    told: dict[str, Any] = {"words": words(), "space": os.environ.get("SPACE_ID", "")}
    Scrubber("hero", shown, parts={"languages": other_languages()}, **told)
    with gr.Row(elem_classes="taught"):
        Scrubber("lessons", in_a_file({"lessons": lessons()}))
        build_all_tabs(pixel_models, text_models, film)
    with gr.Accordion(text["about"], open=False):
        gr.Markdown(prose("about"))


def build_all_tabs(
    pixel_models: dict[str, Model], text_models: dict[str, LatentModel], film: Film | None
) -> None:
    """Lay out the tabs inside the current gr.Row; arguments are those of `build_tabs`."""
    text, first = labels(), next(iter(pixel_models.values()), None)
    listed = without_students(pixel_models)
    with gr.Tabs():
        with gr.Tab(text["tab_forward"], id="forward"):
            forward.build(first, film)
        if pixel_models:
            with gr.Tab(text["tab_schedules"], id="schedules"):
                schedules.build(listed)
            with gr.Tab(text["tab_reverse"], id="reverse"):
                chosen = reverse.build(PixelModels(listed), film)
            with gr.Tab(text["tab_training"], id="training"):
                training.build(PixelModels(listed), chosen)
        if text_models:
            with gr.Tab(text["tab_text_to_image"], id="text"):
                build_text_tabs(choose_model(text_models))
        with gr.Tab(text["tab_plane"], id="plane"):
            plane.build()
        if pixel_models:
            with gr.Tab(text["tab_race"], id="race"):
                raced = race.build(PixelModels(pixel_models))
            with gr.Tab(text["tab_rebuild"], id="rebuild"):
                rebuilt = rebuild.build(PixelModels(listed))
    if pixel_models:
        choose_alike([chosen, raced, rebuilt])


def other_languages() -> str:
    """Links to the page in each other language; what else stands in its address is added by the browser."""
    return "".join(
        f'<a lang="{code}" hreflang="{code}" href="{address_in(code)}?lang={code}">{name}</a>'
        for code, name in LANGUAGES.items()
        if code != language()
    )


def build_text_tabs(models: TextModels) -> None:
    """Lay out all that is about pictures from text inside the current gr.Tab."""
    text = labels()
    with gr.Tabs():
        with gr.Tab(text["draw"], id="text_to_image"):
            text_to_image.build(models)
        with gr.Tab(text["interpolation"], id="interpolation"):
            interpolation.build(models)
        with gr.Tab(text["why_latent"], id="latent"):
            latent.build(models)
        # On a Space any visitor could fill the disk with models.
        if missing_packages() is None and "SPACE_ID" not in os.environ:
            with gr.Tab(text["pipeline"], id="pipeline"):
                pipeline.build()


def leave_no_upload_behind(page: gr.Blocks) -> None:
    """Let SIGTERM delete what the clock has not, and then end the program as ever."""

    def end(number: int, _: Any) -> None:
        try:
            delete_files_created_by_app(page, age=None)
        finally:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            os._exit(128 + number)  # the first process of a container is not ended by a signal

    signal.signal(signal.SIGTERM, end)


def launch_options() -> dict:
    """How the page looks, for `Blocks.launch`."""
    theme = gr.themes.Base(
        primary_hue="violet", neutral_hue="slate", font=FONT, font_mono=["ui-monospace", "monospace"]
    )
    return {
        "theme": theme,
        "app_kwargs": {
            "routes": [ROUTE, files.ROUTE],
            "middleware": [Middleware(Gate), Middleware(PageHead)],
            "lifespan": mcp_tools.lifespan,
            **APP_OPTIONS,
        },
        "max_file_size": f"{MAX_MEGABYTES}mb",
        "run_history": False,
        "state_session_capacity": MAX_SESSIONS,
        "ssr_mode": False,
        "footer_links": ["api"],
        "mcp_server": mcp_tools.is_offered(),
    }
