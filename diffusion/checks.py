"""Checks of values that came from outside: a config file, a command line, a page."""

from typing import Any


def is_whole(value: Any, low: int, high: int) -> bool:
    """Whether it is an integer, not a bool, from `low` to `high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def check_whole(name: str, value: Any, low: int, high: int) -> None:
    """Raises ValueError, naming the value and its range, unless `is_whole`."""
    if not is_whole(value, low, high):
        raise ValueError(f"{name} must be a whole number from {low} to {high:,}, not {value!r}")
