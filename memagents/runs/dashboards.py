"""Views of a run's metrics: TensorBoard, Weights & Biases, and trackio.

A run that is taken up again has cut `metrics.jsonl` back to its checkpoint. What dashboards keep cannot be cut, and is
made anew from the rows that are left.
"""

import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from torch.utils.tensorboard import SummaryWriter

from memagents.errors import CheckpointWriteError
from memagents.files import write_file
from memagents.runs.config import PROJECT, RUNS, TrainConfig, short_name
from memagents.runs.folder import RunFolder, describe, remove
from memagents.runs.metrics import Metrics, Row, RowWriter
from memagents.runs.trackio_database import DATABASE, logged_times, now, storage_in


class Labels(NamedTuple):
    """What a run is called.

    Attributes:
        name: `<environment>/<memory>-<algo>-seed<seed>`, unless its folder has a name of its own.
        group: the study that `compare` keeps it in; the environment of a run of its own.
        tags: memory, algorithm, environment and seed.
    """

    name: str
    group: str
    tags: list[str]


def labels(folder: Path, config: TrainConfig) -> Labels:
    """What the run in a folder is called."""
    env, parts, seed = short_name(config.env), folder.absolute().parts, f"seed{config.seed}"
    # Arguments may follow the environment's name there, and the memory's.
    in_grid = parts[-2].split(",")[0] == env and parts[-1].endswith(f"-{config.algo}-{seed}")
    study = parts[-3] if in_grid and parts[-3] != RUNS.name else env
    name = "/".join(parts[-2:]) if in_grid else folder.name
    return Labels(name, study, [config.memory, config.algo, env, seed])


class TensorboardWriter(RowWriter):
    """TensorBoard's event files, made anew from the rows there are, with the times at which those were first written.

    Args:
        folder: of the run.
        config: of the run.
        rows: what was logged so far.
    """

    def __init__(self, folder: Path, config: TrainConfig, rows: Sequence[Row]) -> None:
        place = folder / "tensorboard"
        times = wall_times(place)
        remove(place)
        self._writer = SummaryWriter(str(place))
        for step, metrics in rows:
            self.add(step, metrics, times.get(step))

    def add(self, step: int, metrics: Metrics, time: float | None = None) -> None:
        for name, value in metrics.items():
            if isinstance(value, str):
                self._writer.add_text(name, value, step, time)
            else:
                self._writer.add_scalar(name, value, step, time)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def wall_times(folder: Path) -> dict[int, float]:
    """When each step was logged, as far as the event files in a folder can be read."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted(map(str, folder.glob("events.out.tfevents.*")))
    return {event.step: event.wall_time for file in files for event in EventFileLoader(file).Load()}


class WandbWriter(RowWriter):
    """Weights & Biases, kept inside the run folder.

    Without a configured key the run is recorded offline, and `wandb sync` uploads it later. `WANDB_MODE` has its way.
    All sessions of a run share one id. Offline, the newest holds all rows, and takes the place of the ones before.
    Online, the server goes on with the run, and takes no step twice: what an interrupted session had sent, stays.

    Args:
        folder: of the run.
        config: of the run.
        rows: what was logged so far.
    """

    def __init__(self, folder: Path, config: TrainConfig, rows: Sequence[Row]) -> None:
        # Slow to import, so only those who ask for it wait for it.
        import wandb

        self._model = RunFolder(folder).model_file
        name, group, tags = labels(folder, config)
        settings = wandb.Settings(silent=True, console="off")
        mode = wandb_mode(settings)
        offline = not {mode, os.environ.get("WANDB_MODE")}.isdisjoint({"offline", "dryrun"})
        run_id = wandb_id(folder / "wandb", offline)
        for earlier in (folder / "wandb").glob("*run-*"):
            shutil.rmtree(earlier, ignore_errors=True)  # a process that was killed may have left one that still logs
        self._run = wandb.init(
            project=PROJECT,
            id=run_id,
            resume=None if offline else "allow",
            name=name,
            group=group,
            job_type="train",
            tags=tags,
            config=asdict(config),
            dir=folder,
            mode=mode,
            reinit="create_new",
            settings=settings,
        )
        if self._run.starting_step > (rows[-1][0] + 1 if rows else 0):
            said = f"wandb keeps what it was sent of this run up to step {self._run.starting_step - 1}"
            print(f"{folder}: {said}, beyond the checkpoint; metrics.jsonl is what holds", file=sys.stderr)
        for step, metrics in rows:
            self.add(step, metrics)

    def add(self, step: int, metrics: Metrics) -> None:
        if step >= self._run.starting_step:
            self._run.log(metrics, step=step)
        else:  # the server has that step already, with the evaluation still missing perhaps
            self._run.summary.update(metrics)

    def close(self) -> None:
        """Ends the session; a server is sent the model too, if training has come to its end."""
        if self._model.exists() and not (self._run.offline or self._run.disabled):
            self._send_model()
        self._run.finish()

    def _send_model(self) -> None:
        import wandb

        try:
            artifact = wandb.Artifact(f"model-{self._run.id}", type="model")
            artifact.add_file(str(self._model), policy="immutable", skip_cache=True)  # no copies in the user's home
            self._run.log_artifact(artifact)
        except Exception as error:  # a server may say no in many ways, and none of them undoes the run
            print(f"wandb has not taken {self._model}: {error}", file=sys.stderr)


def wandb_id(folder: Path, offline: bool) -> str:
    """The id of a run, the same in every session, as long as that does not repeat on the server what is there.

    Args:
        folder: of wandb in the run's folder.
        offline: whether this session keeps all rows for an upload to come, which would follow on those uploaded before.
    """
    file = folder / "id"
    before = file.read_text(encoding="utf-8").strip() if file.exists() else None
    uploaded = any(folder.glob("run-*")) or any(folder.glob("offline-run-*/*.synced"))
    if before is not None and not (offline and uploaded):
        return before
    run_id = secrets.token_hex(4)
    if before is not None:
        print(f"{folder}: part of this run was uploaded as {before}, all of it will be {run_id}", file=sys.stderr)
    folder.mkdir(exist_ok=True)
    write_file(file, f"{run_id}\n".encode())
    return run_id


def wandb_mode(settings: Any) -> Any:
    """None leaves the choice to `WANDB_MODE`; else online if wandb finds a key, without ever asking for one."""
    import wandb

    if "WANDB_MODE" in os.environ:
        return None
    wandb.setup(settings)
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


class TrackioWriter(RowWriter):
    """A trackio database in the run's folder, made anew from the rows there are, with the times of the first writing.

    Args:
        folder: of the run.
        config: of the run.
        rows: what was logged so far.
    """

    def __init__(self, folder: Path, config: TrainConfig, rows: Sequence[Row]) -> None:
        self._folder = folder / "trackio"
        self._name, group, _ = labels(folder, config)
        self._config: dict[str, Any] | None = describe(config) | {"_Group": group}
        times = logged_times(self._folder / DATABASE)
        remove(self._folder)
        self._write(rows, [times.get(step, now()) for step, _ in rows])

    def add(self, step: int, metrics: Metrics) -> None:
        """Writes a row.

        Raises:
            CheckpointWriteError: if it cannot be written; the rows before it are still there.
        """
        self._write([(step, metrics)], [now()])

    def _write(self, rows: Sequence[Row], times: list[str]) -> None:
        if not rows:
            return
        try:
            with storage_in(self._folder) as storage:
                storage.bulk_log(
                    PROJECT,
                    self._name,
                    [metrics for _, metrics in rows],
                    steps=[step for step, _ in rows],
                    timestamps=times,
                    config=self._config,
                    run_id=self._name,
                )
        except (OSError, sqlite3.Error) as error:
            raise CheckpointWriteError(
                f"cannot write {self._folder / DATABASE}: {error}; the rows before are still there. "
                "Make room, or log to something else"
            ) from error
        self._config = None  # which stands in the database from the first row on

    def close(self) -> None:
        """Does nothing: every row is a transaction of its own."""
