"""Runs become a table, a picture and a page.

The score of a run is the success rate of its final evaluation where the environment reports success, else the mean
return; the table says which.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from memagents.runs.results import RunResult
from memagents.studies.curves import draw_curves
from memagents.studies.findings import Cell, Estimate, Findings
from memagents.studies.origins import commit, distinct, hardware, origins
from memagents.studies.report_page import page
from memagents.studies.statistics import FEWEST_SEEDS

COLUMNS: dict[str, Callable[[Cell], str]] = {
    "env": lambda cell: cell.task.name,
    "memory": lambda cell: cell.method.kind,
    "algo": lambda cell: cell.method.algo,
    "measure": lambda cell: cell.task.measure,
    "score [95 %]": lambda cell: score(cell.score),
    "every seed": lambda cell: " ".join(f"{single:.2f}" for single in cell.scores),
    "parameters": lambda cell: f"{cell.parameters:,}",
    "steps/s": lambda cell: f"{cell.steps_per_second:,.0f}",
}
NUMBERS = ("score [95 %]", "parameters", "steps/s")


def write_report(runs: Sequence[RunResult], folder: Path, unfinished: Mapping[Path, str] | None = None) -> None:
    """Writes `report.html`, `table.md`, `runs.csv`, `curves.png` and `curves.svg` into a folder.

    Args:
        runs: finished runs, of which those that differ in their seed alone stand together.
        folder: where the files go.
        unfinished: folders of the other runs of the study, and why they are not finished.

    Raises:
        ValueError: if the same run is there twice.
    """
    html = page(Findings.of(runs, unfinished or {}))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(html, encoding="utf-8")
    (folder / "table.md").write_text(markdown_table(runs), encoding="utf-8")
    write_csv(runs, folder / "runs.csv")
    draw_curves(runs, folder / "curves.png", folder / "curves.svg")


def print_report(runs: Sequence[RunResult]) -> None:
    """Prints one table for each task."""
    console = Console()
    found = Findings.of(runs, {})
    for task in found.tasks:
        console.print(screen_table([cell for cell in found.cells if cell.task == task]), "")
    console.print(caption(runs), style="dim")


def screen_table(cells: Sequence[Cell]) -> Table:
    """What was found on one task, narrow enough for a terminal of 80 columns."""
    title = f"{COLUMNS['env'](cells[0])}, {COLUMNS['measure'](cells[0])}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    columns = {name: show for name, show in COLUMNS.items() if name not in ("env", "measure")}
    for name in columns:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=name in (*NUMBERS, "algo"))
    for cell in cells:
        table.add_row(*(escape(show(cell)) for show in columns.values()))
    return table


def markdown_table(runs: Sequence[RunResult]) -> str:
    """The table with all that is needed to produce it again."""
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        f"|{'|'.join('--:' if name in NUMBERS else ':--' for name in COLUMNS)}|",
        *(f"| {' | '.join(show(cell) for show in COLUMNS.values())} |" for cell in Findings.of(runs, {}).cells),
    ]
    origin = [f"- {name}: {', '.join(values)}" for name, values in origins(runs).items()]
    return "\n".join([*lines, "", caption(runs), "", *origin, ""])


def score(estimate: Estimate) -> str:
    """The mean score, with its 95 % interval where there are seeds enough."""
    bounds = f"n<{FEWEST_SEEDS}" if estimate.low is None else f"{estimate.low:.2f}, {estimate.high:.2f}"
    return f"{estimate.value:.2f} [{bounds}]"


def caption(runs: Sequence[RunResult]) -> str:
    """What the numbers mean."""
    episodes = " or ".join(distinct(len(run.evaluation.returns) for run in runs))
    return (
        f"Score: the last model over {episodes} evaluation episodes per seed, mean over seeds "
        "with the 95 % percentile-bootstrap interval of the mean."
    )


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
