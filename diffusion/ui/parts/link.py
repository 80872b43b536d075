"""The page's state in its address (static/lib/link.js): what of Gradio's controls stands there."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from diffusion.ui.parts.modules import imported

LINK = imported("lib/link.js")


Offered = Mapping[str, Mapping[str, Sequence[str]]]


def linked(view: str, controls: Mapping[str, Any], offered: Offered = MappingProxyType({})) -> None:
    """Let the page's address tell what stands in a view's controls.

    Args:
        view: their view's name in static/tabs/.
        controls: Gradio's components, by what the address calls them.
        offered: what some of them offer, by that, and then by the value of the one called "model".
    """
    for name, control in controls.items():
        control.in_link = {"name": f"{view}.{name}"}
        if name in offered:
            control.in_link |= {"choices": offered[name], "model": f"{view}.model"}
        control.elem_id = control.elem_id or f"link-{view}-{name}"


def in_link(control: Any) -> dict[str, Any]:
    """What the page has to know of a control to link it: its name, if it has one; the value at first; and
    what the value can be."""
    choices = [value for _, value in getattr(control, "choices", None) or ()]
    limits = {name: getattr(control, name, None) for name in ("minimum", "maximum")}
    known = {"value": control.value, **limits, **({"choices": choices} if choices else {})}
    return known | getattr(control, "in_link", {})


def linked_opening(control: Any) -> None:
    """Let a choice that is linked have what visitors open besides."""
    control.in_link |= {"opens": [[label, value] for label, value in control.choices]}


def settings_in_link(controls: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    """Of the values sent from these controls those that are linked, by their names within the view."""
    pairs = ((getattr(control, "in_link", None), value) for control, value in zip(controls, values))
    return {link["name"].split(".")[1]: value for link, value in pairs if link}
