"""The page as it was left: when it is loaded again, its controls, tabs and accordions stand as they stood.

The browser keeps this by itself, for as long as its tab is open (static/lib/session.js). What views show,
they remember themselves.
"""

from hashlib import sha256
from typing import Any

import gradio as gr
from gradio.components.base import FormComponent

from diffusion.files import to_json
from diffusion.ui.parts.link import LINK, in_link
from diffusion.ui.parts.modules import imported
from diffusion.ui.parts.streaming import PRIVATE

SESSION = imported("lib/session.js")


def remember_page(page: gr.Blocks) -> None:
    """Let the route that is laid out remember all that it has so far, as those of other languages do.

    To be called in the page's context.
    """
    blocks = [block for block in page.blocks.values() if block.page == page.current_page]
    back = gr.Button(visible="hidden", elem_id="go-back")  # pressed by the browser's Back and Forward
    rows = [block for block in blocks if isinstance(block, gr.Tabs)]
    for i, tabs in enumerate(rows):
        for j, tab in enumerate(tabs_in(tabs)):
            tab.id = tab.id or f"tab-{i}-{j}"
    for i, tabs in enumerate(rows):
        remember_tab(page, tabs, f"tab-{i}", back)
    controls = [block for block in blocks if isinstance(block, FormComponent) and block.visible is True]
    if controls:
        restored = remember_controls(page, controls)
        restored.then(None, None, None, js=f"async () => {{ {LINK}.restored(); }}", **PRIVATE)
    for i, accordion in enumerate(block for block in blocks if isinstance(block, gr.Accordion)):
        remember_open(page, accordion, f"accordion-{i}")


def remember_controls(page: gr.Blocks, controls: list[Any]) -> gr.events.Dependency:
    """Their values; nothing is restored into controls that offer something else than these.

    Returns:
        The event that restores them.
    """
    offered = [
        [
            type(control).__name__,
            [value for _, value in getattr(control, "choices", None) or ()],
            *(getattr(control, name, None) for name in ("minimum", "maximum")),
        ]
        for control in controls
    ]
    key = f"controls-{sha256(repr(offered).encode()).hexdigest()[:16]}"
    note = f"async (...values) => {{ {LINK}.noteControls('{key}', values); }}"
    gr.on([control.change for control in controls], None, controls, None, js=note, **PRIVATE)
    recall = f"async () => {LINK}.controls('{key}', {to_json([in_link(control) for control in controls])})"
    return page.load(None, None, controls, js=recall, **PRIVATE)


def remember_tab(page: gr.Blocks, tabs: gr.Tabs, key: str, back: gr.Button) -> None:
    """Which of them is open; `back` opens the one of the address."""
    names: dict[str, str] = {}
    for tab in tabs_in(tabs):
        tab.select(None, None, None, js=_note(key, f"'{tab.id}'"), **PRIVATE)
        inner = [each for child in tab.children for each in tabs_in(child)]
        names |= {str(each.id): str(tab.id) for each in (tab, *inner)}
    within = tabs.parent.id if isinstance(tabs.parent, gr.Tab) else None
    js = f"""async () => {{
        const selected = {LINK}.tab('{key}', {to_json(names)}, {to_json(within)});
        return selected && {{ __type__: 'update', selected }};
    }}"""
    gr.on([page.load, back.click], None, None, tabs, js=js, **PRIVATE)


def tabs_in(tabs: Any) -> list[gr.Tab]:
    """None of what is no gr.Tabs."""
    children = tabs.children if isinstance(tabs, gr.Tabs) else ()
    return [child for child in children if isinstance(child, gr.Tab)]


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
