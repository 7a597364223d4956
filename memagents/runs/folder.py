"""The run folder: what a run leaves behind, and how it is written so that a crash leaves no half files.

run.json          what was asked, with which versions on which machine, and how it went
run.lock          which process is at it, while one is
metrics.jsonl     one line for each dump of the logger
evaluation.json   every episode of the final evaluation
checkpoints/      models from which training goes on, `final.zip` the last; `failed.zip` where a run failed
tensorboard/, wandb/, trackio/   where asked for
"""

import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from memagents.errors import CheckpointWriteError, DamagedFileError
from memagents.files import check_file, read_json, reading, write_file, writing
from memagents.kinds import check_kinds
from memagents.runs.config import TrainConfig
from memagents.runs.metrics import read_metrics
from memagents.runs.provenance import now, provenance

ENTRIES = ("metrics.jsonl", "evaluation.json", "checkpoints", "tensorboard", "wandb", "trackio")
"""What a run writes besides run.json, and so what a new start takes away."""

INCIDENTAL = ("folder", "threads", "device", "vectorization", "step_timeout", "respawn")
"""Fields of a configuration that say where, how fast and how patiently, not what."""

RECORD: dict[str, Any] = {"status": str, "config": dict[str, Any], "resumed": list[dict[str, Any]]}
"""What `run.json` must hold to be read; "resumed" only where a run was."""


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def record_file(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def evaluation_file(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model_file(self) -> Path:
        return self.checkpoints / "final.zip"

    @property
    def failed_model_file(self) -> Path:
        return self.checkpoints / "failed.zip"

    @property
    def logged_timesteps(self) -> int:
        """The step of the last row of metrics; 0 where there is none."""
        rows = read_metrics(self.metrics_file)
        return int(rows[-1]["timesteps"]) if rows else 0

    def record(self) -> dict[str, Any] | None:
        """What `run.json` holds; None where there is no run.

        Raises:
            DamagedFileError: if that is not the record of a run.
        """
        if not os.path.lexists(self.record_file):
            return None
        record = read_json(self.record_file)
        with reading(self.record_file):
            check_kinds({name: record.get(name) for name in ("status", "config")}, RECORD)
            check_kinds(record, RECORD)
        return record

    def check(self) -> None:
        """Raises DamagedFileError if something else stands where a run has its files."""
        for path in (self.metrics_file, self.evaluation_file):
            if os.path.lexists(path):
                check_file(path)
        if os.path.lexists(self.checkpoints) and not self.checkpoints.is_dir():
            raise DamagedFileError(f"{self.checkpoints} is no folder; move it away")

    def holds_finished(self, config: TrainConfig) -> bool:
        """Whether the folder holds the finished run of `config`.

        Raises:
            ValueError: if it holds metrics or models of another configuration, which a new run would overwrite.
        """
        record = self.record()
        if record is None:
            return False
        changes = differences(record["config"], describe(config))
        has_metrics = self.metrics_file.exists() and self.metrics_file.stat().st_size
        if changes and (has_metrics or any(self.checkpoints.glob("*.zip"))):
            raise ValueError(
                f"{self.path} holds a run with another configuration ({'; '.join(changes)}); "
                "choose another folder, or delete that one"
            )
        return not changes and bool(record["status"] == "finished")

    @contextmanager
    def recording(self, config: TrainConfig, resumed_at: int | None = None) -> Iterator[dict[str, Any]]:
        """Keeps `run.json` while a run goes on; what is added to the record inside is written at the end.

        Args:
            config: what is asked.
            resumed_at: the steps of the checkpoint that the run goes on from. None starts from the beginning, and takes
                away what an unfinished run left in the folder.
        """
        if resumed_at is None:
            with writing(self.path):
                self._clear()
        record = self._new_record(config, resumed_at)
        write_json(self.record_file, record)
        try:
            yield record
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            record |= {"status": "interrupted" if interrupted else "failed", "error": traceback.format_exc()}
            try:
                write_json(self.record_file, record | {"ended": now()})
            except CheckpointWriteError as another:
                error.add_note(f"Nor could that be recorded: {another}")
            raise
        write_json(self.record_file, record | {"status": "finished", "ended": now()})

    def _new_record(self, config: TrainConfig, resumed_at: int | None) -> dict[str, Any]:
        """What is known when a session begins. A run that is taken up again keeps when and how it was begun."""
        source = provenance()
        begun = {"started": now(), "config": describe(config), **source}
        if resumed_at is None:
            return {"status": "running", **begun}
        old = self.record() or begun
        kept = {name: value for name, value in old.items() if name not in ("error", "ended")}
        resumed = [*old.get("resumed", []), {"at_step": resumed_at, "started": now(), **source}]
        return kept | {"status": "running", "resumed": resumed}

    def cut_metrics(self, size: int) -> None:
        """Takes away the rows of metrics that were written after a checkpoint."""
        if self.metrics_file.exists():
            os.truncate(self.metrics_file, size)

    def _clear(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        if (record := self.record()) is not None:
            print(f"{self.path}: not finished ({record['status']}), starts again from the beginning", file=sys.stderr)
            for entry in ENTRIES:
                remove(self.path / entry)
        self.checkpoints.mkdir(exist_ok=True)


def describe(config: TrainConfig) -> dict[str, Any]:
    """A configuration as JSON keeps it."""
    described: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return described


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The fields that make two configurations different runs, as `name: old, not new`."""
    # A run that is older than a field was trained with what became its default.
    old = {name: getattr(TrainConfig, name, None) for name in new} | old
    names = [name for name in old | new if name not in INCIDENTAL]
    return [f"{name}: {old.get(name)!r}, not {new.get(name)!r}" for name in names if old.get(name) != new.get(name)]


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a file that is either the old one or the new one, never half of it."""
    write_file(path, (json.dumps(value, indent=2, default=str) + "\n").encode())


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
