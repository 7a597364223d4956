"""What a finished run tells, read from its folder."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from memagents.files import read_json, reading
from memagents.kinds import check_kinds
from memagents.runs.config import TrainConfig
from memagents.runs.evaluation import Evaluation
from memagents.runs.folder import RunFolder
from memagents.runs.metrics import read_metrics

CURVES = {"success rate": "rollout/success_rate", "mean return": "rollout/ep_rew_mean"}
"""The metric that follows a score while training."""

FINISHED: dict[str, Any] = {"parameters": int, "steps_per_second": float}
"""What the record of a finished run holds besides."""


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: the run folder.
        config: what was asked.
        evaluation: the final evaluation, of the last model.
        record: all of `run.json`.
    """

    folder: Path
    config: TrainConfig
    evaluation: Evaluation
    record: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> "RunResult":
        """Reads a run folder.

        Raises:
            ValueError: if there is no finished run in it.
            CheckpointError: if one of its files is missing or cannot be read.
        """
        files = RunFolder(folder)
        record = files.record()
        if record is None:
            raise ValueError(f"{folder} holds no run: there is no run.json in it")
        if record["status"] != "finished":
            raise ValueError(f"the run in {folder} is {record['status']}, not finished; train it again to finish it")
        with reading(files.record_file):
            check_kinds({name: record[name] for name in FINISHED}, FINISHED)
        return cls(folder, read_config(record["config"], folder), read_evaluation(files.evaluation_file), record)

    @property
    def score(self) -> float:
        """The evaluation's success rate where the environment reports success, else its mean return."""
        return self.evaluation.score

    @property
    def parameters(self) -> int:
        """Trained parameters of the agent."""
        return int(self.record["parameters"])

    @property
    def state_bytes(self) -> int | None:
        """Bytes that the agent keeps of one environment from step to step; None where the run did not record it."""
        return self.record.get("state_bytes")

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The best return without memory and the best of all, where the environment declares both and they differ."""
        memoryless, best = (self.record.get(name, math.nan) for name in ("memoryless_return", "best_return"))
        return (memoryless, best) if best > memoryless else None

    @property
    def steps_per_second(self) -> float:
        """Environment steps for each second of training, evaluation not counted."""
        return float(self.record["steps_per_second"])

    @property
    def model_file(self) -> Path:
        """The last model, for `MemoryPPO.load` or `MemoryA2C.load`."""
        return RunFolder(self.folder).model_file

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`."""
        return read_metrics(RunFolder(self.folder).metrics_file)

    def curve(self, measure: str | None = None) -> tuple[list[int], list[float]]:
        """Environment steps, and the score (or another measure) over the training episodes that ended last."""
        metric = CURVES[measure or self.evaluation.measure]
        points = [(row["timesteps"], row[metric]) for row in self.metrics() if row.get(metric) is not None]
        return [steps for steps, _ in points], [score for _, score in points]


def read_config(described: dict[str, Any], folder: Path) -> TrainConfig:
    """The configuration that `run.json` describes, for a run that may have been moved to `folder`.

    Raises:
        DamagedFileError: if it is none.
    """
    with reading(RunFolder(folder).record_file):
        config = TrainConfig(**described | {"log": tuple(described["log"]), "folder": folder})
        check_kinds(vars(config), get_type_hints(TrainConfig))
    return config


def read_evaluation(file: Path) -> Evaluation:
    """The evaluation in a file.

    Raises:
        CheckpointError: if there is none.
    """
    described, kinds = read_json(file), get_type_hints(Evaluation)
    with reading(file):
        names = [field.name for field in fields(Evaluation) if field.name in described]
        evaluation = Evaluation(**{name: described[name] for name in names})
        check_kinds(vars(evaluation), kinds)
        if not evaluation.returns:
            raise ValueError("there are no episodes")
    return evaluation
