"""Where metrics go: writers behind stable-baselines3's logger.

A run always keeps its own `metrics.jsonl`; TensorBoard, Weights & Biases and trackio are views of the same rows.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from stable_baselines3.common.logger import KVWriter

from memagents.runs.config import TrainConfig
from memagents.runs.dashboards import TensorboardWriter, TrackioWriter, WandbWriter
from memagents.runs.metrics import JsonlWriter, Row, RowWriter, read_rows
from memagents.runs.trackio_database import check_trackio

OpenSink: TypeAlias = Callable[[Path, TrainConfig, Sequence[Row]], RowWriter]

SINKS: dict[str, OpenSink] = {
    "tensorboard": TensorboardWriter,
    "wandb": WandbWriter,
    "trackio": TrackioWriter,
}


def check_sinks(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is not a sink, and for one that is not installed."""
    for name in names:
        if name not in SINKS:
            raise ValueError(
                f"cannot log to {name!r}; choose from {', '.join(SINKS)} (metrics.jsonl is always written)"
            )
    if "trackio" in names:
        check_trackio()


def open_sinks(names: Sequence[str], folder: Path, config: TrainConfig) -> list[KVWriter]:
    """Opens `metrics.jsonl` and the named sinks, all below the run's folder; the sinks get the rows that are there.

    Raises:
        ValueError: for an unknown name; nothing is opened then.
    """
    check_sinks(names)
    file = folder / "metrics.jsonl"
    rows = read_rows(file)
    return [JsonlWriter(file), *(SINKS[name](folder, config, rows) for name in names)]
