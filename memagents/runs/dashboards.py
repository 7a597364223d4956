"""Views of a run's metrics: TensorBoard, and Weights & Biases.

A run that is taken up again has cut `metrics.jsonl` back to its checkpoint. What dashboards keep cannot be cut, and is
made anew from the rows that are left.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from memagents.files import write_file
from memagents.runs.config import TrainConfig, short_name
from memagents.runs.folder import remove
from memagents.runs.metrics import Metrics, Row, RowWriter


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

        settings = wandb.Settings(silent=True, console="off")
        mode = wandb_mode(settings)
        offline = not {mode, os.environ.get("WANDB_MODE")}.isdisjoint({"offline", "dryrun"})
        run_id = wandb_id(folder / "wandb", offline)
        for earlier in (folder / "wandb").glob("*run-*"):
            shutil.rmtree(earlier, ignore_errors=True)  # a process that was killed may have left one that still logs
        self._run = wandb.init(
            project="memagents",
            id=run_id,
            resume=None if offline else "allow",
            name=folder.name,
            group=short_name(config.env),
            tags=[config.memory, config.algo, short_name(config.env), f"seed{config.seed}"],
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
        self._run.finish()


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
