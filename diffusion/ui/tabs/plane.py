"""The Plane tab: diffusion of points in two dimensions, all of it in the browser."""

from diffusion.ui.parts.animation import animation
from diffusion.ui.parts.files import in_a_file
from diffusion.ui.parts.noised_picture import MAX_TIMESTEPS, tables
from diffusion.ui.parts.room_code import PLANE_CODE
from diffusion.ui.parts.scrubber import Scrubber


def build() -> None:
    """Lay out the tab inside the current gr.Blocks. All that the browser needs is the schedules' tables."""
    first = in_a_file({"tables": tables({"num_timesteps": MAX_TIMESTEPS})})
    Scrubber("plane", first, [animation], code=PLANE_CODE)
