"""Learning curves: a panel for each environment, with its numbers as a table."""

import numpy as np

from memagents.studies.findings import Findings
from memagents.studies.naming import Task
from memagents.studies.report_page.axes import padded
from memagents.studies.report_page.lines import Line, Panel

SUCCESS = (-0.03, 1.03)
"""What a panel of success rates shows, whatever there is."""


def panels(findings: Findings) -> dict[Task, Panel]:
    """A panel for each task of which there are curves."""
    lines = {task: lines_of(findings, task) for task in findings.tasks}
    return {task: panel(f"curves{i}", task, of_task) for i, (task, of_task) in enumerate(lines.items()) if of_task}


def lines_of(findings: Findings, task: Task) -> list[Line]:
    """The curves of every method on a task."""
    cells = [(place, findings.cell(task, method)) for place, method in enumerate(findings.methods)]
    curves = [(place, cell.method.name, cell.curve) for place, cell in cells if cell is not None]
    return [Line(place, name, c.steps, c.mean, c.band, c.seeds) for place, name, c in curves if c is not None]


def panel(name: str, task: Task, lines: list[Line]) -> Panel:
    """The panel of a task; where returns have known bounds, they are marked."""
    last = max(float(line.x[-1]) for line in lines)
    marks = {}
    if task.measure == "mean return" and task.bounds is not None:
        marks = dict(zip(("best without memory", "best"), task.bounds, strict=True))
    if task.measure == "success rate":
        height = SUCCESS
    else:
        seeds = np.concatenate([line.seeds.ravel() for line in lines if line.seeds is not None])
        height = padded([*seeds.tolist(), *marks.values()], 0.1)
    return Panel(name, lines, (0.0, last), height, "steps", f"{task.measure} while training", marks)
