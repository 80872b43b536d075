"""The Schedules tab: it shows the Forward tab's picture and noise, so it needs only the tables for its T."""

from diffusion.schedules import SCHEDULES
from diffusion.ui.forward import tables
from diffusion.ui.scrubber import Scrubber, fill, inline, static
from diffusion.ui.text import labels


def build() -> None:
    """Lay out the tab inside the current gr.Blocks."""
    text = labels()
    panels = [fill(static("panel.html"), {"name": name, "title": text[name]}) for name in SCHEDULES]
    Scrubber("schedules", None, [tables], {"panels": "".join(panels), "fact": inline("fact")})
