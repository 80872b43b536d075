"""The page as it was left: when it is loaded again, its controls, tabs and accordions stand as they stood.

The browser keeps this by itself, for as long as its tab is open (static/lib/session.js). What views show,
they remember themselves.
"""

from hashlib import sha256
from typing import Any

import gradio as gr
from gradio.components.base import FormComponent

from diffusion.ui.parts.modules import ADDRESS
from diffusion.ui.parts.streaming import PRIVATE

SESSION = f"(await import(window.gradio_config.root + '{ADDRESS}/lib/session.js'))"


def remember_page(page: gr.Blocks) -> None:
    """Let the route that is laid out remember all that it has so far, as those of other languages do.

    To be called in the page's context.
    """
    blocks = [block for block in page.blocks.values() if block.page == page.current_page]
    controls = [block for block in blocks if isinstance(block, FormComponent) and block.visible is True]
    if controls:
        remember_controls(page, controls)
    for i, tabs in enumerate(block for block in blocks if isinstance(block, gr.Tabs)):
        remember_tab(page, tabs, f"tab-{i}")
    for i, accordion in enumerate(block for block in blocks if isinstance(block, gr.Accordion)):
        remember_open(page, accordion, f"accordion-{i}")


def remember_controls(page: gr.Blocks, controls: list[Any]) -> None:
    """Their values; nothing is restored into controls that offer something else than these."""
    offered = [
        [
            type(control).__name__,
            [value for _, value in getattr(control, "choices", None) or ()],
            *(getattr(control, name, None) for name in ("minimum", "maximum")),
        ]
        for control in controls
    ]
    key = f"controls-{sha256(repr(offered).encode()).hexdigest()[:16]}"
    note = f"async (...values) => {{ {SESSION}.note('{key}', values); }}"
    gr.on([control.change for control in controls], None, controls, None, js=note, **PRIVATE)
    recall = f"async () => {SESSION}.recall('{key}') ?? []"
    page.load(None, None, controls, js=recall, **PRIVATE)


def remember_tab(page: gr.Blocks, tabs: gr.Tabs, key: str) -> None:
    """Which of them is open."""
    for i, tab in enumerate(child for child in tabs.children if isinstance(child, gr.Tab)):
        tab.id = tab.id or f"{key}-{i}"
        tab.select(None, None, None, js=_note(key, f"'{tab.id}'"), **PRIVATE)
    _restore(page, tabs, key, "selected")


def remember_open(page: gr.Blocks, accordion: gr.Accordion, key: str) -> None:
    """Whether it is open."""
    accordion.expand(None, None, None, js=_note(key, "true"), **PRIVATE)
    accordion.collapse(None, None, None, js=_note(key, "false"), **PRIVATE)
    _restore(page, accordion, key, "open")


def _note(key: str, value: str) -> str:
    return f"async () => {{ {SESSION}.note('{key}', {value}); }}"


def _restore(page: gr.Blocks, block: Any, key: str, name: str) -> None:
    """What was noted becomes the block's property of this name, as an update from Python would do it."""
    update = f"{{ __type__: 'update', {name}: {SESSION}.recall('{key}') }}"
    recall = f"async () => {SESSION}.recall('{key}') === undefined ? undefined : {update}"
    page.load(None, None, block, js=recall, **PRIVATE)
