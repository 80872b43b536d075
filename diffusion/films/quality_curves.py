"""How good samples are against the steps they take, and against guidance: curves.json in a model's folder.

Measured by the benchmarks, shown by the page.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffusion.files import to_json, write_atomically

CURVES_FILE = "curves.json"
STEPS_KEYS = ("sampler", "num_steps", "recognised", "frechet", "num_samples")  # of a row over steps
# Of a row over guidance, for prompts of cats: the share of named parts as asked; of the other kinds the mean
# entropy, and that of all parts alike, in bits.
GUIDANCE_KEYS = ("guidance_scale", "obedience", "variety", "most_variety", "num_samples")


def save_curves(folder: Path, curves: dict[str, Any]) -> None:
    """Write curves.json: rows under "steps" and "guidance", and what holds for all of them."""
    content = to_json(curves, indent=1, ensure_ascii=False)
    write_atomically(folder / CURVES_FILE, content.encode())


def load_curves(folder: Path) -> dict[str, Any]:
    """What `save_curves` wrote; nothing if the folder has no curves, or none that can be read."""
    try:
        curves = json.loads((folder / CURVES_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return curves if isinstance(curves, dict) else {}


def quality_over_steps(folder: Path | None) -> list[dict[str, Any]]:
    """The rows over the number of steps with STEPS_KEYS alone; none if the folder has no such curve."""
    return _rows(folder, "steps", STEPS_KEYS)


def cost_of_guidance(folder: Path | None) -> list[dict[str, Any]]:
    """The rows over guidance with GUIDANCE_KEYS alone; none if the folder has no such curve."""
    return _rows(folder, "guidance", GUIDANCE_KEYS)


def _rows(folder: Path | None, curve: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    try:
        rows = load_curves(folder)[curve] if folder else []
        return [{key: row[key] for key in keys} for row in rows]
    except (LookupError, TypeError):
        return []
