"""A grid of runs: environments x memories x algorithms x seeds."""

import sys
from dataclasses import dataclass
from pathlib import Path

from memagents.runs.config import TrainConfig
from memagents.runs.folder import RunFolder
from memagents.runs.results import RunResult
from memagents.runs.validation import check_config
from memagents.studies.backends import Backend, choose
from memagents.studies.config import CompareConfig
from memagents.studies.planning import cells
from memagents.studies.report import write_report

__all__ = ["CompareConfig", "Study", "cells", "compare", "train_cells"]


@dataclass(frozen=True)
class Study:
    """What came of a comparison.

    Attributes:
        folder: the study folder, with report.html, table.md, runs.csv, curves.png and curves.svg.
        runs: the finished runs, in the order of the grid.
        failures: run folders and reasons of the runs that did not finish.
    """

    folder: Path
    runs: list[RunResult]
    failures: dict[Path, str]


def compare(config: CompareConfig) -> Study:
    """Trains every cell of a grid that is not finished yet, and reports on all of them.

    A run that fails, or whose process dies, does not stop the others.

    Raises:
        ValueError: for a cell that cannot work, before the first one starts.
        MissingExtraError: if the backend's package is not installed.
    """
    return train_cells(cells(config), config.folder, choose(config))


def train_cells(planned: list[TrainConfig], folder: Path, backend: Backend) -> Study:
    """`compare` for a list of runs that need not form a grid, each with its own run folder.

    Args:
        planned: the runs, in the order in which the report shows them.
        folder: where the report goes.
        backend: where they take place, such as `local(jobs=2)` of `memagents.studies.backends`.

    Raises:
        ValueError: for a run that cannot work, before the first one starts.
    """
    # The first seed of everything, then the second: a study that is stopped early can be reported all the same.
    todo = sorted(unfinished(planned), key=lambda cell: cell.seed)
    if skipped := len(planned) - len(todo):
        say(f"{skipped} of {len(planned)} runs are finished already")
    failures = {}
    for number, (cell, failure) in enumerate(backend(todo) if todo else (), start=skipped + 1):
        say(f"[{number}/{len(planned)}] {cell.run_folder}: {failure or describe(RunResult.load(cell.run_folder))}")
        if failure is not None:
            failures[cell.run_folder] = failure
    runs = [RunResult.load(cell.run_folder) for cell in planned if cell.run_folder not in failures]
    if runs:
        write_report(runs, folder, failures)
    return Study(folder, runs, failures)


def unfinished(planned: list[TrainConfig]) -> list[TrainConfig]:
    """The runs that are still to be trained; raises ValueError if one cannot be."""
    return [cell for cell in planned if not is_finished(cell)]


def is_finished(cell: TrainConfig) -> bool:
    """Whether a cell was trained before; raises ValueError if it cannot be trained."""
    check_config(cell)
    return RunFolder(cell.run_folder).holds_finished(cell)


def describe(result: RunResult) -> str:
    """A finished run in a few words."""
    return f"{result.evaluation.measure} {result.score:.2f}, {result.steps_per_second:,.0f} steps/s"


def say(text: str) -> None:
    """Tells how the study goes, apart from its table, which goes to standard output."""
    print(text, file=sys.stderr, flush=True)
