"""The rows of metrics of a run, and the file that keeps them."""

import json
import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from stable_baselines3.common.logger import KVWriter, filter_excluded_keys

Metrics: TypeAlias = dict[str, float | int | str]
Row: TypeAlias = tuple[int, Metrics]


class RowWriter(KVWriter):
    """Takes the logger's dumps as rows: environment steps so far, and metrics by name."""

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        self.add(step, scalars(filter_excluded_keys(key_values, key_excluded, "json")))

    def add(self, step: int, metrics: Metrics) -> None:
        """Writes a row."""
        raise NotImplementedError


class JsonlWriter(RowWriter):
    """One JSON object a line for each dump of the logger: `timesteps` and the logger's keys.

    A line is flushed as soon as it is written, so a run that is killed loses none. A float that is not finite becomes
    null, for JSON has no word for it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def add(self, step: int, metrics: Metrics) -> None:
        row = {"timesteps": step, **{key: _finite(value) for key, value in metrics.items()}}
        self._file.write(json.dumps(row, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_rows(file: Path) -> list[Row]:
    """What was written by `JsonlWriter`; null becomes NaN. No rows where there is no file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    rows = map(json.loads, lines)
    return [(row.pop("timesteps"), {key: math.nan if x is None else x for key, x in row.items()}) for row in rows]


def scalars(metrics: dict[str, Any]) -> Metrics:
    """The metrics that are one number or a text, as plain Python values."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in metrics.items()}
    return {key: value for key, value in plain.items() if isinstance(value, float | int | str)}


def _finite(value: float | int | str) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
