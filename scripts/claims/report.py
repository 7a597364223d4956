"""What sequence_tasks.py found, as a table, a file of all runs, and curves."""

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from claims.experiments import EXPERIMENTS
from claims.marks import Experiment, Mark
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from memagents.runs.provenance import provenance
from memagents.studies.curves import COLOURS
from memagents.studies.statistics import FEWEST_SEEDS, mean_interval

Result: TypeAlias = dict[str, Any]
"""What a finished seed left behind."""

Results: TypeAlias = dict[str, list[Result]]
"""The finished seeds of every experiment."""

COLUMNS = ("experiment", "published", "wanted", "ours", "chance", "seeds", "sequences", "minutes", "parameters", "met")

README = """# Sequence tasks

*Is every memory what its name says? Each on the task that its paper proves it with, beside what the paper reports.*

{table}

{caption}

![Curves]({curves})

## Where a mark is hard

What was seen on the way, for the most part by hand while settings were looked for, of which no files were kept:

{tried}

What this does not show: which memory is best. Each was tried where it should be good, with settings chosen by hand for
that task and a budget that suits two cores; published numbers come from other sizes, budgets and, for one-shot
classification and stories, other data. Experiments in brackets are controls or for comparison.

{origin}
"""

CAPTION = (
    "Ours: the mean over seeds with its 95 % percentile-bootstrap interval (from 3 seeds on), then every seed. Loss is "
    "bits a sequence (copy, copy-series, associative-recall), squared error (adding) or nats an answer (all others); "
    "error is the share of wrong bits or answers. Scores are of the last reader, never of the best, on 10,000 new "
    "sequences; where a bound has to be met within a number of sequences, ours is after how many the evaluations while "
    "training first met it. Chance is the same measure of a guess that remembers nothing, by the formula in the task's "
    "docstring; a guess was trained too, as the control `none`. Sequences and minutes are means of what was presented "
    "in training, on one thread; training ended early where a goal was reached twice in a row. There are three seeds "
    "where one takes less than about ten minutes, else one. Met: how many seeds, of those that were run."
)

PANEL = (4.6, 3.2)
FLOOR = 1e-5
"""Where a logarithmic axis of losses ends: no bound is lower."""


def write_report(results: Results, folder: Path) -> None:
    """Writes `README.md`, `runs.csv` and `curves.png` into a folder."""
    tried = "\n".join(f"- {name}: {each.tried}" for name, each in EXPERIMENTS.items() if each.tried)
    parts = {"table": table(results), "caption": CAPTION, "tried": tried, "origin": origins(results)}
    text = README.format(curves="curves.png", **parts)
    (folder / "README.md").write_text(text, encoding="utf-8")
    write_csv(results, folder / "runs.csv")
    draw_curves(results, folder / "curves.png")


def table(results: Results) -> str:
    """One line for each mark of each experiment."""
    lines = [row for experiment in EXPERIMENTS.values() for row in rows(experiment, results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (COLUMNS, [":--"] * len(COLUMNS), *lines))


def rows(experiment: Experiment, results: Results) -> list[list[str]]:
    """The lines of an experiment: what it is stands in the first."""
    seeds = results[experiment.name]
    claims = [claim(experiment, mark, seeds) for mark in experiment.marks] or [nothing_claimed(experiment, seeds)]
    if experiment.beats is not None:
        claims.append(comparison(experiment, results))
    name = experiment.name if experiment.marks and experiment.memory != "none" else f"({experiment.name})"
    effort = [
        f"{len(seeds)} of {experiment.seeds}",
        f"{np.mean([seed['sequences'] for seed in seeds]):,.0f}" if seeds else "",
        f"{np.mean([seed['minutes'] for seed in seeds]):.1f}" if seeds else "",
        f"{seeds[0]['parameters']:,}" if seeds else "",
    ]
    lines = []
    for number, (wanted, ours, chance, met) in enumerate(claims):
        told = number == 0
        first = [name, experiment.published] if told else ["", ""]
        lines.append([*first, wanted, ours, chance, *(effort if told else [""] * len(effort)), met])
    return lines


def claim(experiment: Experiment, mark: Mark, seeds: list[Result]) -> tuple[str, str, str, str]:
    """Wanted, ours, chance and met."""
    chance = f"{chance_level(experiment, mark):.4g}"
    met = [meets(mark, seed) for seed in seeds]
    if mark.within is None:
        ours = summary([score(mark, seed) for seed in seeds])
    else:
        firsts = [first_met(mark, seed) for seed in seeds]
        ours = ", ".join("never" if first is None else f"{first:,}" for first in firsts)
    return str(mark), ours, chance, f"{sum(met)} of {len(met)}" if met else "not run"


def nothing_claimed(experiment: Experiment, seeds: list[Result]) -> tuple[str, str, str, str]:
    """The error of an experiment that is there for comparison."""
    mark = Mark("error", ">=", 0.0)
    return "(error)", summary([score(mark, seed) for seed in seeds]), f"{chance_level(experiment, mark):.4g}", ""


def comparison(experiment: Experiment, results: Results) -> tuple[str, str, str, str]:
    """Whether every seed is better than every seed of another experiment."""
    assert experiment.beats is not None
    mark, others = experiment.marks[0], results[experiment.beats]
    bounds = [score(mark, other) for other in others]
    wanted = f"{mark.measure} {mark.test} below that of {experiment.beats}".replace("  ", " ")
    if not bounds:
        return wanted, "", "", ""
    better = [score(mark, seed) < min(bounds) for seed in results[experiment.name]]
    return wanted, f"against {summary(bounds)}", "", f"{sum(better)} of {len(better)}" if better else ""


def score(mark: Mark, seed: Result) -> float:
    """The score a mark is about, after training."""
    value: float = seed["scores"][mark.test][mark.measure]
    return value


def first_met(mark: Mark, seed: Result) -> int | None:
    """After how many sequences an evaluation while training first met a mark; None if none did."""
    met: list[int] = [point["sequences"] for point in seed["curve"] if mark.holds(point[mark.measure])]
    return met[0] if met else None


def meets(mark: Mark, seed: Result) -> bool:
    """Whether a seed meets a mark."""
    if mark.within is None:
        return mark.holds(score(mark, seed))
    first = first_met(mark, seed)
    return first is not None and first <= mark.within


def chance_level(experiment: Experiment, mark: Mark) -> float:
    """The chance level of what a mark is about."""
    level: float = getattr(experiment.make_task(mark.test).chance, mark.measure)
    return level


def summary(values: Sequence[float]) -> str:
    """Mean, interval, and every value."""
    if not values:
        return ""
    each = " ".join(f"{value:.3g}" for value in values)
    interval = mean_interval(np.array(values))
    if interval is None:
        return each if len(values) == 1 else f"{np.mean(values):.3g} [n<{FEWEST_SEEDS}]: {each}"
    return f"{np.mean(values):.3g} [{interval[0]:.3g}, {interval[1]:.3g}]: {each}"


def origins(results: Results) -> str:
    """Where the runs come from, each value once, and what made this page."""
    seeds = [seed for each in results.values() for seed in each]
    told: dict[str, Any] = {"made by": provenance()["command"]}
    for name in ("command", "commit", "modified", "versions", "hardware"):
        told[f"{name} of the runs"] = "; ".join(dict.fromkeys(str(seed[name]) for seed in seeds)) or "none yet"
    return "\n".join(f"- {name}: {value}" for name, value in told.items())


def write_csv(results: Results, path: Path) -> None:
    """One line for each test of each seed."""
    fields = ("experiment", "memory", "task", "seed", "test", "loss", "error", "parameters", "steps", "sequences")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*fields, "minutes", "ending", "started", "commit"], extrasaction="ignore")
        writer.writeheader()
        for name, seeds in results.items():
            for seed in seeds:
                for test, scores in seed["scores"].items():
                    writer.writerow({**seed, **seed["definition"], "experiment": name, "test": test, **scores})


def draw_curves(results: Results, path: Path) -> None:
    """One panel for each task of which anything was run: what evaluations while training found."""
    panels = list(dict.fromkeys(EXPERIMENTS[name].panel for name, seeds in results.items() if seeds))
    if not panels:
        return
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * lines), layout="constrained", dpi=150)
    for panel, axes in itertools.zip_longest(panels, figure.subplots(lines, columns, squeeze=False).flat):
        if panel is None:
            axes.remove()
        else:
            draw_panel(axes, panel, results)
    figure.supxlabel("every line is a seed; dotted: chance; dashed: what is wanted", fontsize="small", color="0.4")
    figure.savefig(path)


def draw_panel(axes: Axes, panel: str, results: Results) -> None:
    """The curves of one task, in the measure of its first mark."""
    experiments = [each for each in EXPERIMENTS.values() if each.panel == panel]
    marks = [mark for each in experiments for mark in each.marks if each.memory != "none"]
    mark = next((mark for mark in marks if not mark.test), marks[0])
    for experiment, colour in zip(experiments, itertools.cycle(COLOURS), strict=False):
        for seed, result in enumerate(results[experiment.name]):
            sequences = [point["sequences"] for point in result["curve"]]
            scores = np.maximum([point[mark.measure] for point in result["curve"]], FLOOR)
            label = experiment.name.partition("/")[2] if seed == 0 else None
            axes.plot(
                sequences, scores, label=label, linewidth=1.2, color="0.6" if experiment.memory == "none" else colour
            )
    axes.axhline(chance_level(experiments[0], Mark(mark.measure, ">=", 0)), color="0.5", linestyle=":", linewidth=1)
    if not mark.test:
        axes.axhline(mark.value, color="0.5", linestyle="--", linewidth=1)
    if mark.measure == "loss":
        axes.set_yscale("log")
    axes.set(title=panel, xlabel="sequences", ylabel=mark.measure)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
