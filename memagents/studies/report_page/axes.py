"""From values to places in a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.ticker import LogLocator, MaxNLocator


@dataclass(frozen=True)
class Axis:
    """A stretch of values, drawn from one coordinate to another.

    Attributes:
        low: the value at `start`.
        high: the value at `end`.
        start: a coordinate.
        end: another, which may be smaller: SVG's y grows downwards.
        logarithmic: whether equal ratios are equally far apart.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, values: Float[np.ndarray, "*shape"] | float) -> Float[np.ndarray, "*shape"]:
        """Coordinates of values."""
        low, high, given = (np.log(v) if self.logarithmic else np.asarray(v) for v in (self.low, self.high, values))
        return np.asarray(self.start + (given - low) / (high - low) * (self.end - self.start), dtype=float)

    def ticks(self, most: int = 5) -> list[float]:
        """Round values on the axis, as many as fit."""
        if self.logarithmic:
            found = LogLocator(subs=(1.0, 2.0, 5.0)).tick_values(self.low, self.high)
        else:
            found = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        slack = 1e-9 * (self.high - self.low)
        return [float(tick) for tick in found if self.low - slack <= tick <= self.high + slack]


def padded(values: Sequence[float], share: float = 0.04) -> tuple[float, float]:
    """From the least of the values to the most, with a little room on both sides."""
    low, high = min(values), max(values)
    room = share * (high - low) or 0.5
    return low - room, high + room
