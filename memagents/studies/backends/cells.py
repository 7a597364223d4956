"""What all backends do with a cell of a study, in whatever process they have brought it to."""

import importlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from memagents.errors import MissingExtraError, RunInUseError
from memagents.runs.config import TrainConfig
from memagents.runs.signals import SECONDS_TO_BOUNDARY
from memagents.runs.training import train

Outcome: TypeAlias = tuple[TrainConfig, str | None]
"""A cell that ended, and why it did not finish, if so."""

Backend: TypeAlias = Callable[[Sequence[TrainConfig]], Iterator[Outcome]]
"""Trains cells, and yields them in the order in which they end. Closing the iterator stops those that have not."""

SECONDS_TO_END = SECONDS_TO_BOUNDARY + 5.0
"""A run that was asked to stop saves what it has; see `memagents.runs.signals`."""

PATIENCE = SECONDS_TO_END + 5.0
"""Seconds in which a process that lost its study's has let go of its run."""

SECONDS_BETWEEN_LOOKS = 0.2


def attempt(cell: TrainConfig, *, bar: bool | None = None, patience: float = PATIENCE) -> str | None:
    """Trains a cell.

    Args:
        cell: the run.
        bar: as in `train`.
        patience: seconds to wait for another process that is at the run, such as one of a study that was killed.

    Returns:
        Why it did not finish; None if it did.
    """
    deadline = time.monotonic() + patience
    is_waiting = False
    while True:
        try:
            train(cell, bar=bar)
            return None
        except RunInUseError as error:
            if time.monotonic() > deadline:
                return describe(error)
            if not is_waiting:
                print(f"{error}. Waits up to {patience:.0f} seconds for it", file=sys.stderr, flush=True)
            is_waiting = True
        except Exception as error:
            return describe(error)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def attempt_elsewhere(cell: TrainConfig, command: list[str], patience: float) -> str | None:
    """`attempt` in a process that a cluster has started, with as many threads as it gave.

    Args:
        cell: the run.
        command: what started the study, which the run is to record as its command.
        patience: as in `attempt`.
    """
    sys.argv = command
    # Several bars would overwrite each other, so there are lines.
    return attempt(cell, bar=False, patience=patience)


def describe(error: Exception) -> str:
    """Why a run failed, in words."""
    return f"failed, {type(error).__name__}: {error}"


def for_cluster(cell: TrainConfig, threads: int = 1) -> TrainConfig:
    """A cell as another machine needs it: with an absolute folder, and a number of threads."""
    return replace(cell, folder=cell.run_folder.absolute(), threads=cell.threads or threads)


def need(package: str, extra: str) -> Any:
    """A package that comes with an extra.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f'the backend {extra} needs {package}, which is not installed: pip install "memagents[{extra}]"'
        ) from error
