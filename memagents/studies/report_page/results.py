"""The table of everything that was measured, a row for each memory and environment."""

from collections.abc import Callable, Sequence

import numpy as np

from memagents.studies.findings import Cell, Findings, mean_over_seeds
from memagents.studies.naming import THRESHOLD
from memagents.studies.pages.markup import Markup, element, joined
from memagents.studies.pages.tables import Entry, Value, facts, table
from memagents.studies.report_page.overview import named
from memagents.studies.report_page.strips import spoken
from memagents.studies.wording import UNKNOWN, compact, figure, number, size

COLUMNS = {
    "score": (
        "the success rate of the last model over its evaluation episodes, or the mean return where the environment "
        "reports no success: the mean over seeds with its 95 % percentile-bootstrap interval"
    ),
    "every seed": "the score of each, sorted by the lowest",
    "normalised": (
        "the mean return between the best that is possible without memory, 0, and the best possible, 1; a dash where "
        "an environment does not declare both"
    ),
    f"steps to {THRESHOLD:g}": (
        f"until the learning curve first reaches a success rate of {THRESHOLD:g}, or {THRESHOLD:g} of the way between "
        "those bounds: the median over seeds, and how many of them got there"
    ),
    "MMER": (
        "POPGym's max mean episodic reward: the best moment of each run's learning curve, averaged over seeds. An "
        "optimistic figure, for comparison with published ones"
    ),
    "parameters": "trained parameters of the agent",
    "steps/s": "environment steps for each second of training, evaluation not counted",
    "state": "what is kept of one environment from step to step; a dash where runs did not record it",
}
"""What is shown of each cell, and what it means."""


def results(findings: Findings) -> Markup:
    """The table, with what its columns mean."""
    header: list[Entry] = ["memory", "environment", *(Value(name, class_="number") for name in COLUMNS)]
    rows = [row(findings, cell) for cell in findings.cells]
    return joined(table("All results", header, rows, sorts=True, class_="results"), facts(list(COLUMNS.items())))


def row(findings: Findings, cell: Cell) -> list[Entry]:
    """What was measured of one method on one task, in the order of the columns."""
    return [
        Value(named(findings, cell.method), cell.method.name),
        cell.task.name,
        Value(spoken(cell.score), cell.score.value, "number"),
        Value(" ".join(map(number, cell.scores)), min(cell.scores), "number"),
        normalised(cell.normalised),
        to_threshold(cell.steps_to_threshold),
        plain(cell.mmer, number),
        plain(cell.parameters, "{:,.0f}".format),
        plain(cell.steps_per_second, "{:,.0f}".format),
        plain(cell.state_bytes, size),
    ]


def normalised(scores: Sequence[float] | None) -> Value:
    """The mean normalised return, where there is one."""
    if scores is None:
        return plain(None, number)
    estimate = mean_over_seeds(scores)
    return Value(number(estimate.value), estimate.value, "number", figure(estimate))


def to_threshold(steps: Sequence[float] | None) -> Value:
    """The median steps to the threshold, where there is one."""
    if steps is None:
        return plain(None, compact)
    middle = float(np.median(steps))
    there = sum(np.isfinite(steps))
    return Value(joined(compact(middle), " ", element("small", f"{there}/{len(steps)}")), middle, "number")


def plain(value: float | int | None, shown: Callable[[float], str]) -> Value:
    """A number, or a dash."""
    return Value(UNKNOWN, class_="number") if value is None else Value(shown(value), value, "number")
