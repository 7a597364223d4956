"""Learning curves: one panel for each task, one colour for each memory."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from memagents.runs.results import RunResult
from memagents.studies.naming import Method, Task, methods_of, tasks_of
from memagents.studies.statistics import mean_interval

# Okabe and Ito's colours, which people with any colour vision tell apart; yellow is too faint on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
STYLES = ("-", "--", ":", "-.")
POINTS = 200
PANEL = (6.0, 3.8)
SMALL_PANEL = (2.6, 1.9)
LEGEND_WIDTH = 1.6
READING_AID = "thick: mean over seeds    band: its 95 % bootstrap interval    thin: every seed"

Look: TypeAlias = dict[str, Any]


def draw_curves(runs: Sequence[RunResult], *paths: Path) -> None:
    """Draws the runs' learning curves: the mean over seeds, its interval as a band, and every seed as a thin line."""
    tasks = tasks_of(runs)
    methods = methods_of(runs, tasks)
    by_task: dict[Task, dict[Method, list[RunResult]]] = {}
    for run, task, method in zip(runs, tasks, methods, strict=True):
        by_task.setdefault(task, {}).setdefault(method, []).append(run)
    looks = choose_looks(list(dict.fromkeys(methods)))
    columns = min(len(by_task), 3)
    lines = -(-len(by_task) // columns)
    figure = Figure(figsize=(PANEL[0] * columns + LEGEND_WIDTH, PANEL[1] * lines), layout="constrained", dpi=150)
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for task, axes in itertools.zip_longest(by_task, panels):
        if task is None:
            axes.remove()
        else:
            draw_panel(axes, task, by_task[task], looks)
    handles = {line.get_label(): line for axes in figure.axes for line in axes.get_legend_handles_labels()[0]}
    figure.legend(handles=list(handles.values()), loc="outside right center", frameon=False)
    figure.supxlabel(READING_AID, fontsize="small", color="0.4")
    # The same runs give the same file, without a date and with the same ids.
    with rc_context({"svg.hashsalt": "memagents"}):
        for path in paths:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def draw_small_multiples(runs: Sequence[RunResult], path: Path) -> None:
    """Draws one small panel for each memory, for more memories than colours can tell apart.

    The means of all others stand behind it in grey. The runs must be of one environment and one algorithm.
    """
    memories = list(dict.fromkeys(run.config.memory for run in runs))
    curves = {memory: curves_of([run for run in runs if run.config.memory == memory]) for memory in memories}
    columns = min(len(memories), 4)
    lines = -(-len(memories) // columns)
    figure = Figure(figsize=(SMALL_PANEL[0] * columns, SMALL_PANEL[1] * lines + 0.5), layout="constrained", dpi=150)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for memory, axes in itertools.zip_longest(memories, panels.flat):
        if memory is None:
            axes.set_axis_off()
            continue
        for others in filter(None, curves.values()):
            steps, scores = on_common_steps(others)
            axes.plot(steps, scores.mean(axis=0), color="0.85", linewidth=0.8)
        draw_seeds(axes, curves[memory], memory, {"color": COLOURS[0], "linestyle": STYLES[0]})
        axes.set_title(memory, fontsize="medium")
        dress(axes, runs[0].evaluation.measure)
    figure.supylabel(f"{runs[0].evaluation.measure} while training", fontsize="medium")
    figure.supxlabel(f"environment steps\n{READING_AID}    grey: the others", fontsize="small", color="0.4")
    figure.savefig(path)


def choose_looks(methods: Sequence[Method]) -> dict[Method, Look]:
    """A colour for each memory, and a line style for each algorithm or when the colours are used up.

    Where methods of one memory and algorithm differ in other settings, each has a colour of its own.
    """
    kinds = list(dict.fromkeys(method.kind for method in methods))
    algorithms = list(dict.fromkeys(method.algo for method in methods))
    looks = {}
    for method in methods:
        i, j = kinds.index(method.kind), algorithms.index(method.algo)
        style = STYLES[(i // len(COLOURS) + j) % len(STYLES)]
        looks[method] = {"color": COLOURS[i % len(COLOURS)], "linestyle": style}
    return looks


def draw_panel(axes: Axes, task: Task, runs: dict[Method, list[RunResult]], looks: dict[Method, Look]) -> None:
    """Draws the curves of one task."""
    for method, look in looks.items():
        draw_seeds(axes, curves_of(runs.get(method, [])), method.name, look)
    axes.set(title=task.name, xlabel="environment steps", ylabel=f"{task.measure} while training")
    dress(axes, task.measure)


def dress(axes: Axes, measure: str) -> None:
    """Limits, ticks and grid of a panel."""
    if measure == "success rate":
        axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def curves_of(runs: Sequence[RunResult]) -> list[tuple[list[int], list[float]]]:
    """The curves of the runs that were long enough to have one."""
    return [curve for curve in (run.curve() for run in runs) if curve[0]]


def draw_seeds(axes: Axes, curves: Sequence[tuple[list[int], list[float]]], label: str, look: Look) -> None:
    """Draws one combination: its seeds, their mean, and the mean's interval."""
    if not curves:
        return
    steps, scores = on_common_steps(curves)
    for seed in scores:
        axes.plot(steps, seed, linewidth=0.6, alpha=0.45, **look)
    interval = mean_interval(scores, resamples=1_000)
    if interval is not None:
        axes.fill_between(steps, *interval, color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(steps, scores.mean(axis=0), linewidth=2.0, label=label, **look)


def on_common_steps(
    curves: Sequence[tuple[list[int], list[float]]], points: int = POINTS
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "seeds points"]]:
    """The curves at the same steps, over the range that all of them cover, so that they can be averaged."""
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    common = np.linspace(first, last, points)
    return common, np.stack([np.interp(common, steps, scores) for steps, scores in curves])
