"""Where metrics go: writers behind stable-baselines3's logger.

A run always keeps its own `metrics.jsonl`; TensorBoard and Weights & Biases are views of the same rows.
"""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter, TensorBoardOutputFormat, filter_excluded_keys

from memagents.runs.config import TrainConfig, short_name


class JsonlWriter(KVWriter):
    """One JSON object a line for each dump of the logger: `timesteps` and the logger's keys.

    A line is flushed as soon as it is written, so a run that is killed loses none. A float that is not finite becomes
    null, for JSON has no word for it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        metrics = scalars(filter_excluded_keys(key_values, key_excluded, "json"))
        row = {"timesteps": step, **{key: _finite(value) for key, value in metrics.items()}}
        self._file.write(json.dumps(row, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class WandbWriter(KVWriter):
    """Weights & Biases, kept inside the run folder.

    Without a configured key the run is recorded offline, and `wandb sync` uploads it later. `WANDB_MODE` has its way.
    """

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        # Slow to import, so only those who ask for it wait for it.
        import wandb

        settings = wandb.Settings(silent=True, console="off")
        self._run = wandb.init(
            project="memagents",
            name=folder.name,
            group=short_name(config.env),
            tags=[config.memory, config.algo, short_name(config.env), f"seed{config.seed}"],
            config=asdict(config),
            dir=folder,
            mode=wandb_mode(settings),
            reinit="create_new",
            settings=settings,
        )

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        self._run.log(scalars(filter_excluded_keys(key_values, key_excluded, "wandb")), step=step)

    def close(self) -> None:
        self._run.finish()


def wandb_mode(settings: Any) -> Any:
    """None leaves the choice to `WANDB_MODE`; else online if wandb finds a key, without ever asking for one."""
    import wandb

    if "WANDB_MODE" in os.environ:
        return None
    wandb.setup(settings)
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def _open_tensorboard(folder: Path, config: TrainConfig) -> KVWriter:
    return TensorBoardOutputFormat(str(folder / "tensorboard"))


SINKS: dict[str, Callable[[Path, TrainConfig], KVWriter]] = {
    "tensorboard": _open_tensorboard,
    "wandb": WandbWriter,
}


def check_sinks(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is not a sink."""
    for name in names:
        if name not in SINKS:
            raise ValueError(
                f"cannot log to {name!r}; choose from {', '.join(SINKS)} (metrics.jsonl is always written)"
            )


def open_sinks(names: Sequence[str], folder: Path, config: TrainConfig) -> list[KVWriter]:
    """Opens `metrics.jsonl` and the named sinks, all below the run's folder.

    Raises:
        ValueError: for an unknown name; nothing is opened then.
    """
    check_sinks(names)
    return [JsonlWriter(folder / "metrics.jsonl"), *(SINKS[name](folder, config) for name in names)]


def scalars(metrics: dict[str, Any]) -> dict[str, float | int | str]:
    """The metrics that are one number or a text, as plain Python values."""
    plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in metrics.items()}
    return {key: value for key, value in plain.items() if isinstance(value, float | int | str)}


def _finite(value: float | int | str) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
