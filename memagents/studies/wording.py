"""Numbers and lists as a reader takes them in."""

import math
from collections.abc import Sequence

from memagents.studies.findings import Estimate

UNKNOWN = "\N{EN DASH}"
"""Where there is nothing to say."""

ENGINEERING = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float | int) -> str:
    """Two decimals, or none where there are many digits before them."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # adding zero takes the sign from what rounds to -0


def interval_of(estimate: Estimate) -> str:
    """`[0.90, 0.95]`, which no line break takes apart; empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{number(estimate.low)},\u00a0{number(estimate.high)}]"


def figure(estimate: Estimate) -> str:
    """`0.93 [0.90, 0.95]`, or `0.93` without an interval."""
    return f"{number(estimate.value)} {interval_of(estimate)}".rstrip()


def compact(value: float | int) -> str:
    """`120k`, with three digits at most."""
    if math.isinf(value):
        return "never"
    for size, unit in ENGINEERING:
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def size(count: float | int) -> str:
    """Bytes, as `512 B` or `1.5 KiB`."""
    return f"{count:.0f} B" if count < 1024 else f"{count / 1024:,.1f} KiB"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def counted(count: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
