"""What a run logged: sessions that are killed, and what each dashboard then holds."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forked
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from wandb.proto.wandb_internal_pb2 import Record

from memagents.runs import training
from memagents.runs.checkpoints import Checkpoints
from memagents.runs.config import TrainConfig
from memagents.runs.metrics import read_rows

Point = tuple[int, str, float]

READ_TRACKIO = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage

(run,) = trackio.Api().runs("memagents")
rows = SQLiteStorage.get_logs("memagents", run.name, run_id=run.id)
print(json.dumps({"name": run.name, "config": run.config, "rows": rows}))
"""
NEVER = "never"
ROLLOUT, TAGS_OF_TIME = 32, ("time/fps", "time/time_elapsed")
SETTINGS = {
    "env": "memagents_envs:MemAgents/TMaze-v0",
    "env_kwargs": {"corridor_length": 2},
    "memory": "gru",
    "memory_kwargs": {"hidden_size": 4},
    "n_envs": 2,
    "timesteps": 5 * ROLLOUT,
    "algo_kwargs": {"n_steps": 16, "n_epochs": 1},
    "eval_episodes": 4,
    "checkpoint_every": 2 * ROLLOUT,
}


def session(folder: Path, dies_at: int | str, log: list[str], **environment: str) -> None:
    """A process that trains in a folder, to the end, or until it is killed at a step, or ends before its evaluation."""
    config = TrainConfig(**SETTINGS, log=tuple(log), folder=folder)
    others = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    folder.parent.mkdir(parents=True, exist_ok=True)
    said = folder.parent / "said"
    process = forked.start(said, others | environment, train_or_die, config, dies_at)
    process.join(300)
    assert process.exitcode == {NEVER: 0, "evaluation": 1}.get(dies_at, -signal.SIGKILL), said.read_text()


def train_or_die(config: TrainConfig, dies_at: int | str) -> None:
    """What the process of a session does."""
    step = Checkpoints._on_step

    def step_or_die(self: Checkpoints) -> bool:
        if self.model.num_timesteps == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self)

    Checkpoints._on_step = step_or_die
    if dies_at == "evaluation":
        training.evaluate_model = lambda *_, **__: sys.exit("no evaluation today")
    training.train(config)


def points(folder: Path) -> Counter[Point]:
    """What metrics.jsonl holds: steps, names and values."""
    rows = read_rows(folder / "metrics.jsonl")
    return Counter((step, name, value) for step, metrics in rows for name, value in metrics.items())


def as_float32(counted: Counter[Point]) -> Counter[Point]:
    return Counter({(step, name, float(np.float32(value))): count for (step, name, value), count in counted.items()})


def pythonpath(*folders: Path) -> str:
    """For a process that finds packages in folders of its own too."""
    return os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), *map(str, folders)])


def events(folder: Path) -> Iterator[Event]:
    """All events in all event files, each behind its length and a checksum and before another."""
    for file in (folder / "tensorboard").iterdir():
        contents, position = file.read_bytes(), 0
        while position < len(contents):
            (length,) = struct.unpack_from("<Q", contents, position)
            yield Event.FromString(contents[position + 12 : position + 12 + length])
            position += 12 + length + 4


def tensorboard_points(folder: Path) -> Counter[Point]:
    """What stands in the event files, which is also what is shown of them."""
    raw = Counter(
        (event.step, value.tag, value.simple_value) for event in events(folder) for value in event.summary.value
    )
    accumulator = EventAccumulator(str(folder / "tensorboard")).Reload()
    names = accumulator.Tags()["scalars"]
    assert raw == Counter((event.step, name, event.value) for name in names for event in accumulator.Scalars(name))
    return raw


def trackio_run(folder: Path, packages: Path) -> dict[str, Any]:
    """The name, configuration and rows of the one run that trackio itself finds in a run's folder."""
    environment = {"TRACKIO_DIR": str(folder / "trackio"), "PYTHONPATH": pythonpath(packages), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", READ_TRACKIO]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def trackio_points(rows: list[dict[str, Any]]) -> Counter[Point]:
    return Counter(
        (row["step"], name, value) for row in rows for name, value in row.items() if name not in ("step", "timestamp")
    )


def wandb_points(rows: list[dict[str, Any]]) -> Counter[Point]:
    own = ("_step", "_timestamp", "_runtime")
    return Counter((row["_step"], name, value) for row in rows for name, value in row.items() if name not in own)


def offline_rows(folder: Path) -> list[dict[str, Any]]:
    """The history of the one offline run, once wandb's own process has completed its file."""
    deadline = time.monotonic() + 60
    while not (records := list(read_records(folder))) or not records[-1].HasField("exit"):
        assert time.monotonic() < deadline, "wandb did not complete its file"
        time.sleep(0.05)
    return list(wandb_rows(records))


def wandb_rows(records: list[Record]) -> Iterator[dict[str, float]]:
    for record in records:
        if record.HasField("history"):
            yield {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}


def read_records(folder: Path) -> Iterator[Record]:
    """The records of the one offline run in a folder: LevelDB's log format, behind a header of seven bytes."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    data, position, parts = file.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left_in_block = 32768 - position % 32768
        if left_in_block < 7:
            position += left_in_block
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(parts)
            parts = b""


def run_ids(folder: Path) -> list[str]:
    return [path.name.rpartition("-")[2] for path in (folder / "wandb").glob("*run-*")]
