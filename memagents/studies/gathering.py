"""The runs below a folder: those that are finished, and what is known of the others."""

import json
from pathlib import Path
from typing import Any

from memagents.runs.folder import RunFolder
from memagents.runs.results import RunResult


def find_runs(study: Path) -> tuple[list[RunResult], dict[Path, str]]:
    """Every run below a study folder, however deep.

    Returns:
        The finished runs, environment by environment, memories, algorithms and seeds in the order in which they were
        first begun, which is that of the grid; and for each run that is not finished, its folder and why.

    Raises:
        ValueError: if no run below the folder is finished.
    """
    runs, unfinished = [], {}
    for folder in sorted(path.parent for path in study.rglob("run.json")):
        try:
            if reason := why_unfinished(RunFolder(folder)):
                unfinished[folder] = reason
            else:
                runs.append(RunResult.load(folder))
        # Half a file, or one that another version wrote, is no reason to show nothing of the others.
        except (OSError, ValueError, KeyError, TypeError) as error:
            unfinished[folder] = f"cannot be read, {type(error).__name__}: {error}"
    if not runs and not unfinished:
        raise ValueError(f"there is no run folder (one with a run.json) below {study}; a study holds at least one")
    if not runs:
        raise ValueError(f"none of the {len(unfinished)} runs below {study} is finished, and a report needs one")
    return in_grid_order(runs), unfinished


def why_unfinished(files: RunFolder) -> str:
    """Why a run is not finished, with where it stood; empty for one that is."""
    record = files.record()
    assert record is not None, "the folder was found by its record"
    status = record["status"]
    if status == "finished":
        return ""
    if status == "failed":
        return f"failed, {describe_failure(record)}"
    steps = files.logged_timesteps if files.metrics_file.exists() else 0
    return f"{status} at {steps:,} of {record['config']['timesteps']:,} steps"


def describe_failure(record: dict[str, Any]) -> str:
    """The error of a run that failed, in one line."""
    failure = record.get("failure")
    if failure is not None:
        return f"{failure['type']}: {failure['message']}"
    lines = record.get("error", "").strip().splitlines()
    return str(lines[-1]) if lines else "without saying why"


def in_grid_order(runs: list[RunResult]) -> list[RunResult]:
    """The runs sorted by environment, memory, algorithm and seed; names in the order in which they were begun."""
    places: dict[str, int] = {}
    for run in sorted(runs, key=lambda run: (run.record["started"], run.config.seed)):
        for name in axes(run):
            places.setdefault(name, len(places))
    return sorted(runs, key=lambda run: ([places[name] for name in axes(run)], run.config.seed))


def axes(run: RunResult) -> list[str]:
    """What the runs of a grid are sorted by."""
    config = run.config
    return [json.dumps([config.env, config.env_kwargs], default=str), f"memory {config.memory}", f"algo {config.algo}"]
