"""Figures of a checkpoint: shares with their errors, and metrics.json, which has each with its setting."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import hypot
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from diffusion.models.card import load_metrics, save_metrics
from diffusion.models.model import Model


class Figure(NamedTuple):
    """One entry of metrics.json: its name, the setting that follows it there, and how it is found."""

    name: str
    setting: str
    measure: Callable[[], str]


def keep(folder: Path, model: Model, figures: Iterable[Figure], skip_known: bool) -> None:
    """Find figures one after the other; each is written at once, and shown by the model card.

    Args:
        folder: of the checkpoint; its other metrics stay.
        model: what is measured.
        figures: to find.
        skip_known: leave out those that metrics.json has in the same setting.
    """
    for name, setting, measure in figures:
        if skip_known and str(load_metrics(folder).get(name, "")).endswith(f"; {setting}"):
            continue
        figure = f"{measure()}; {setting}"
        save_metrics(folder, model, load_metrics(folder) | {name: figure})
        print(flush=True)


def binomial(hits: Tensor) -> tuple[float, float]:
    """(N,) booleans → their share and its standard error."""
    share = hits.double().mean().item()
    return share, (share * (1 - share) / len(hits)) ** 0.5


def mean(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean of independent values with standard errors, and its own."""
    number = len(values)
    return sum(value for value, _ in values) / number, hypot(*(error for _, error in values)) / number


def percent(share: float, error: float) -> str:
    """A share with its error, as text."""
    return f"{share:.1%} ± {error:.1%}"


def listed(figures: Mapping[str, str]) -> str:
    """Several figures and what each is of, as one text."""
    return ", ".join(f"{name} {figure}" for name, figure in figures.items())
