"""A grid of runs: environments x memories x algorithms x seeds."""

import itertools
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from memagents.memories.registry import memory_options
from memagents.runs.config import Settings, TrainConfig, cell_folder
from memagents.runs.folder import RunFolder
from memagents.runs.results import RunResult
from memagents.runs.validation import check_config
from memagents.studies.backends import Backend, choose
from memagents.studies.config import CompareConfig
from memagents.studies.report import write_report

__all__ = ["CompareConfig", "Study", "compare", "train_cells"]


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
    todo = unfinished(planned)
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


def cells(config: CompareConfig) -> list[TrainConfig]:
    """The runs of a study, the seeds of a combination next to each other.

    Raises:
        ValueError: if the grid is empty or names a thing twice.
    """
    for name in ("seeds", "jobs"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(config, name)}")
    for name in ("env", "memory", "algo"):
        values = getattr(config, name)
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name} needs one or more different values, got {', '.join(values) or 'none'}")
    check_memory_kwargs(config)
    grid = itertools.product(config.env, config.memory, config.algo, range(config.seeds))
    return [cell(config, env=env, memory=memory, algo=algo, seed=seed) for env, memory, algo, seed in grid]


def check_memory_kwargs(config: CompareConfig) -> None:
    """Raises ValueError for an argument that none of the memories has."""
    options = [option for memory in config.memory for option in memory_options(memory)]
    for name in config.memory_kwargs:
        if name not in options:
            known = ", ".join(dict.fromkeys(options)) or "nothing"
            raise ValueError(
                f"none of the memories {', '.join(config.memory)} has an option {name!r}; they have {known}"
            )


def cell(config: CompareConfig, **axes: Any) -> TrainConfig:
    """One run of a study. The control without a memory has no `hidden_size`: a memory gets the arguments it has."""
    shared = {field.name: getattr(config, field.name) for field in fields(Settings)}
    options = memory_options(axes["memory"])
    shared["memory_kwargs"] = {name: value for name, value in config.memory_kwargs.items() if name in options}
    run = TrainConfig(**shared, **axes)
    return replace(run, folder=config.folder / cell_folder(run))


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
