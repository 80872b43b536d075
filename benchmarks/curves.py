"""Quality as a curve, against the number of steps or the guidance scale; kept point by point."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import percent
from diffusion.films.quality_curves import load_curves, save_curves

Row = dict[str, Any]  # a point of a curve
REFERENCE = ("ddim", 50)
FRECHET_TOLERANCE = 1.05  # as good as the reference: at most 5 % further away


@dataclass
class Curves:
    """The curves of a checkpoint.

    Args:
        folder: of the checkpoint; what its curves.json has already stays there.
        about: gives what holds for all points, for the same file.
        skip_known: a point that is there already is not measured again.
    """

    folder: Path
    about: Callable[[], dict[str, Any]]
    skip_known: bool
    content: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.content = load_curves(self.folder)

    def point(self, curve: str, names: Collection[str], at: Row, measure: Callable[[], Row]) -> Row:
        """One point, which is written at once.

        Args:
            curve: "steps" or "guidance".
            names: the keys that tell the points of this curve apart.
            at: how its pictures are drawn, and how many.
            measure: finds its further keys.
        """
        rows = self.content.get(curve, [])
        known = [row for row in rows if row.items() >= at.items()]
        if known and self.skip_known:
            return known[0]
        row = at | measure()
        self.content |= {curve: with_row(rows, row, names)} | self.about()
        save_curves(self.folder, self.content)
        return row


def with_row(rows: list[Row], row: Row, names: Collection[str]) -> list[Row]:
    """A curve's rows in the order of the keys `names`, this one in place of any that has the same there."""
    others = [other for other in rows if any(other[name] != row[name] for name in names)]
    return sorted([*others, row], key=lambda each: [each[name] for name in row if name in names])


def share_of(row: Row) -> str:
    """A point's recognised share."""
    return percent(row["recognised"], row["recognised_error"])


def enough_steps(rows: Sequence[Row]) -> dict[str, str]:
    """By sampler: the fewest steps that are as good as the reference, or that even the most are not."""
    samplers = {row["sampler"]: row["num_steps"] for row in sorted(rows, key=lambda row: row["num_steps"])}
    return {name: str(fewest_steps(rows, name) or f"over {most}") for name, most in samplers.items()}


def fewest_steps(rows: Sequence[Row], sampler: str) -> int | None:
    """The fewest steps of `sampler` that are as good as the reference; None if none of them are.

    As good: the recognised share is not more than a standard error lower, and the Fréchet distance, where
    it was measured, not more than FRECHET_TOLERANCE times as large.
    """
    [reference] = (row for row in rows if (row["sampler"], row["num_steps"]) == REFERENCE)
    share = reference["recognised"] - reference["recognised_error"]
    distance = FRECHET_TOLERANCE * reference.get("frechet", 0.0)
    good = (
        row["num_steps"]
        for row in rows
        if row["sampler"] == sampler and row["recognised"] >= share and row.get("frechet", 0.0) <= distance
    )
    return min(good, default=None)
