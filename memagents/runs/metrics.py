"""The rows of metrics of a run, and the file that keeps them."""

import json
import math
import os
from abc import ABC, abstractmethod
from errno import ENOSPC
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from stable_baselines3.common.logger import KVWriter, filter_excluded_keys

from memagents.files import check_file, reading, writing
from memagents.kinds import check_kinds

Metrics: TypeAlias = dict[str, float | int | str]
Row: TypeAlias = tuple[int, Metrics]


class RowWriter(KVWriter, ABC):
    """Takes the logger's dumps as rows: environment steps so far, and metrics by name."""

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        self.add(step, scalars(filter_excluded_keys(key_values, key_excluded, "json")))

    @abstractmethod
    def add(self, step: int, metrics: Metrics) -> None:
        """Writes a row."""


class JsonlWriter(RowWriter):
    """One JSON object a line for each dump of the logger: `timesteps` and the logger's keys.

    A line is written at once, so a run that is killed loses none. A float that is not finite becomes null, for JSON has
    no word for it.
    """

    def __init__(self, path: Path) -> None:
        with writing(path):
            self._file = path.open("ab", buffering=0)

    def add(self, step: int, metrics: Metrics) -> None:
        """Writes a row.

        Raises:
            CheckpointWriteError: if it cannot be written; the rows before it are still there.
        """
        row = {"timesteps": step, **{key: _finite(value) for key, value in metrics.items()}}
        line = json.dumps(row, allow_nan=False).encode() + b"\n"
        with writing(self._file.name):
            whole = self._file.tell()
            if self._file.write(line) != len(line):
                self._file.truncate(whole)
                raise OSError(ENOSPC, os.strerror(ENOSPC))

    def close(self) -> None:
        self._file.close()


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """What was written by `JsonlWriter`, as it stands there.

    Raises:
        CheckpointError: if there is no file, or it cannot be read.
    """
    check_file(file)
    with reading(file):
        rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            check_kinds({"timesteps": row["timesteps"]}, {"timesteps": int})
            check_kinds(row, dict.fromkeys(row, float | str | None))
    return rows


def read_rows(file: Path) -> list[Row]:
    """What was written by `JsonlWriter`; null becomes NaN. No rows where there is no file.

    Raises:
        CheckpointError: if it cannot be read.
    """
    rows = read_metrics(file) if os.path.lexists(file) else []
    return [(row.pop("timesteps"), {key: math.nan if x is None else x for key, x in row.items()}) for row in rows]


def scalars(metrics: dict[str, Any]) -> Metrics:
    """The metrics that are one number or a text, as plain Python values."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in metrics.items()}
    return {key: value for key, value in plain.items() if isinstance(value, float | int | str)}


def _finite(value: float | int | str) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
