"""A grid of runs: environments x memories x algorithms x seeds."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memagents.runs.config import TrainConfig
from memagents.runs.folder import RunFolder
from memagents.runs.results import RunResult
from memagents.runs.training import train
from memagents.runs.validation import check_config
from memagents.studies.config import CompareConfig
from memagents.studies.planning import cells
from memagents.studies.report import write_report
from memagents.studies.workers import Outcome, in_processes

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
    """
    return train_cells(cells(config), config.folder, config.jobs)


def train_cells(planned: list[TrainConfig], folder: Path, jobs: int) -> Study:
    """`compare` for a list of runs that need not form a grid, each with its own run folder.

    Args:
        planned: the runs, in the order in which the report shows them.
        folder: where the report goes.
        jobs: runs at a time.

    Raises:
        ValueError: for a run that cannot work, before the first one starts.
    """
    unfinished = [cell for cell in planned if not is_finished(cell)]
    if skipped := len(planned) - len(unfinished):
        say(f"{skipped} of {len(planned)} runs are finished already")
    failures = {}
    outcomes = one_by_one(unfinished) if jobs == 1 else in_processes(unfinished, jobs)
    for number, (cell, failure) in enumerate(outcomes, start=skipped + 1):
        say(f"[{number}/{len(planned)}] {cell.run_folder}: {failure or describe(RunResult.load(cell.run_folder))}")
        if failure is not None:
            failures[cell.run_folder] = failure
    runs = [RunResult.load(cell.run_folder) for cell in planned if cell.run_folder not in failures]
    if runs:
        write_report(runs, folder, failures)
    return Study(folder, runs, failures)


def is_finished(cell: TrainConfig) -> bool:
    """Whether a cell was trained before; raises ValueError if it cannot be trained."""
    check_config(cell)
    return RunFolder(cell.run_folder).holds_finished(cell)


def one_by_one(cells: list[TrainConfig]) -> Iterator[Outcome]:
    """Trains cells in this process."""
    for cell in cells:
        try:
            train(cell)
            yield cell, None
        except Exception as error:
            yield cell, f"failed, {type(error).__name__}: {error}"


def describe(result: RunResult) -> str:
    """A finished run in a few words."""
    return f"{result.evaluation.measure} {result.score:.2f}, {result.steps_per_second:,.0f} steps/s"


def say(text: str) -> None:
    """Tells how the study goes, apart from its table, which goes to standard output."""
    print(text, file=sys.stderr, flush=True)
