"""The noise schedules' tables, for the page."""

from typing import Any

from diffusion.schedules import SCHEDULES
from diffusion.ui.parts.inputs import (
    MAX_TIMESTEPS,
    MIN_TIMESTEPS,
    whole_number,
)


def tables(request: dict[str, Any]) -> dict[str, Any]:
    """Asked by the page when T changes: ᾱ_0..ᾱ_T of every schedule."""
    length = whole_number(request.get("num_timesteps"), "T", MIN_TIMESTEPS, MAX_TIMESTEPS)
    return {"T": length} | {name: make(length).alphas_cumprod.tolist() for name, make in SCHEDULES.items()}
