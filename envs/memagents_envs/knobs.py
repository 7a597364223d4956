"""Checks of the numbers that an environment is made with."""

from typing import Any

import numpy as np


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """`value` as an int.

    Raises:
        ValueError: if it is not a whole number, or not between `low` and `high` (inclusive).
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or value < low or (high is not None and value > high):
        allowed = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")
    return int(value)


def number(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a float.

    Raises:
        ValueError: if it is no number, undefined, or not between `low` and `high` (inclusive).
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # an undefined number compares false
        raise ValueError(f"{name} must be a number from {low} to {high}, got {value!r}")
    return float(value)
