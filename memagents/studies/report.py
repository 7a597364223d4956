"""Runs become a table and a picture.

The score of a run is the success rate of its final evaluation where the environment reports success, else the mean
return; the table says which.
"""

import csv
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from memagents.runs.config import short_name
from memagents.runs.results import RunResult
from memagents.studies.curves import draw_curves
from memagents.studies.statistics import FEWEST_SEEDS, mean_interval


@dataclass(frozen=True)
class Row:
    """The runs of one combination, which differ in their seed alone."""

    runs: Sequence[RunResult]

    @property
    def scores(self) -> list[float]:
        """Every seed's score."""
        return [run.score for run in self.runs]

    @property
    def score(self) -> str:
        """The mean score, with its 95 % interval where there are seeds enough."""
        scores = np.array(self.scores)
        interval = mean_interval(scores)
        bounds = f"n<{FEWEST_SEEDS}" if interval is None else f"{interval[0]:.2f}, {interval[1]:.2f}"
        return f"{scores.mean():.2f} [{bounds}]"

    @property
    def speed(self) -> float:
        """Mean environment steps for each second of training."""
        return float(np.mean([run.steps_per_second for run in self.runs]))


COLUMNS: dict[str, Callable[[Row], str]] = {
    "env": lambda row: short_name(row.runs[0].config.env),
    "memory": lambda row: row.runs[0].config.memory,
    "algo": lambda row: row.runs[0].config.algo,
    "measure": lambda row: row.runs[0].evaluation.measure,
    "score [95 %]": lambda row: row.score,
    "every seed": lambda row: " ".join(f"{score:.2f}" for score in row.scores),
    "parameters": lambda row: f"{row.runs[0].parameters:,}",
    "steps/s": lambda row: f"{row.speed:,.0f}",
}
NUMBERS = ("score [95 %]", "parameters", "steps/s")


def write_report(runs: Sequence[RunResult], folder: Path) -> None:
    """Writes `table.md`, `runs.csv` and `curves.png` into a folder."""
    (folder / "table.md").write_text(markdown_table(runs), encoding="utf-8")
    write_csv(runs, folder / "runs.csv")
    draw_curves(runs, folder / "curves.png")


def print_report(runs: Sequence[RunResult]) -> None:
    """Prints one table for each environment."""
    console = Console()
    for env in distinct(run.config.env for run in runs):
        console.print(screen_table([run for run in runs if run.config.env == env]), "")
    console.print(caption(runs), style="dim")


def rows(runs: Sequence[RunResult]) -> list[Row]:
    """One row for each combination of environment, memory and algorithm, in the order of the runs."""
    grouped = itertools.groupby(runs, key=lambda run: (run.config.env, run.config.memory, run.config.algo))
    return [Row(list(group)) for _, group in grouped]


def screen_table(runs: Sequence[RunResult]) -> Table:
    """The runs of one environment, narrow enough for a terminal of 80 columns."""
    grouped = rows(runs)
    title = f"{COLUMNS['env'](grouped[0])}, {COLUMNS['measure'](grouped[0])}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    columns = {name: show for name, show in COLUMNS.items() if name not in ("env", "measure")}
    for name in columns:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=name != "every seed")
    for row in grouped:
        table.add_row(*(escape(show(row)) for show in columns.values()))
    return table


def markdown_table(runs: Sequence[RunResult]) -> str:
    """The table with all that is needed to produce it again."""
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        f"|{'|'.join('--:' if name in NUMBERS else ':--' for name in COLUMNS)}|",
        *(f"| {' | '.join(cell(row) for cell in COLUMNS.values())} |" for row in rows(runs)),
    ]
    origin = [f"- {name}: {', '.join(values)}" for name, values in origins(runs).items()]
    return "\n".join([*lines, "", caption(runs), "", *origin, ""])


def caption(runs: Sequence[RunResult]) -> str:
    """What the numbers mean."""
    episodes = " or ".join(distinct(len(run.evaluation.returns) for run in runs))
    return (
        f"Score: the last model over {episodes} evaluation episodes per seed, mean over seeds "
        "with the 95 % percentile-bootstrap interval of the mean."
    )


def origins(runs: Sequence[RunResult]) -> dict[str, list[str]]:
    """Where the runs come from; more than one value where they differ."""
    records = [run.record for run in runs]
    versions = {name: distinct(record["versions"][name] for record in records) for name in records[0]["versions"]}
    return {
        "steps": distinct(record["timesteps"] for record in records),
        "seeds": distinct(run.config.seed for run in runs),
        "commit": distinct(commit(record) for record in records),
        "hardware": distinct(hardware(record) for record in records),
        **versions,
        "command": distinct(record["command"] for record in records),
    }


def distinct(values: Any) -> list[str]:
    """Each value once, as text, in the order of first appearance."""
    return list(dict.fromkeys(map(str, values)))


def commit(record: dict[str, Any]) -> str:
    """The commit of a run, marked where files differed from it."""
    return f"{record['commit']}{' with changes' if record['modified'] else ''}"


def hardware(record: dict[str, Any]) -> str:
    """The machine of a run, in words."""
    machine = record["hardware"]
    threads = f"{record['torch_threads']} torch threads"
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {threads}, {record['device']}"


def write_csv(runs: Sequence[RunResult], path: Path) -> None:
    """One line for each run."""
    lines = [csv_line(run, path.parent) for run in runs]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)


def csv_line(run: RunResult, study: Path) -> dict[str, Any]:
    """A run as a flat row."""
    config, record = run.config, run.record
    return {
        **{name: getattr(config, name) for name in ("env", "memory", "algo", "seed")},
        "measure": run.evaluation.measure,
        "score": run.score,
        "mean_return": run.evaluation.mean_return,
        "success_rate": run.evaluation.success_rate,
        "parameters": run.parameters,
        **{name: record[name] for name in ("timesteps", "seconds", "steps_per_second", "started")},
        "commit": commit(record),
        **record["versions"],
        "hardware": hardware(record),
        "folder": run.folder.relative_to(study).as_posix() if run.folder.is_relative_to(study) else run.folder,
    }
