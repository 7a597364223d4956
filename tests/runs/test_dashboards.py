"""Dashboards of a run that was killed and taken up again hold each step once, as metrics.jsonl does."""

import json
import math
import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from test_sinks import read_records, wandb_rows
from wandb_server import WandbServer

from memagents.runs.dashboards import TensorboardWriter, wandb_id
from memagents.runs.metrics import read_rows
from memagents.runs.sinks import open_sinks

Point = tuple[int, str, float]

SESSION = """
import json, os, signal, sys
from memagents.runs import training
from memagents.runs.checkpoints import Checkpoints
from memagents.runs.config import TrainConfig

step, settings = Checkpoints._on_step, json.loads(sys.argv[1])

def step_or_die(self):
    if str(self.model.num_timesteps) == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self)

Checkpoints._on_step = step_or_die
if sys.argv[2] == "evaluation":
    training.evaluate_model = lambda *_, **__: sys.exit("no evaluation today")
training.train(TrainConfig(**settings | {"log": tuple(settings["log"])}))
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
    settings = SETTINGS | {"log": log, "folder": str(folder)}
    others = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    command = [sys.executable, "-c", SESSION, json.dumps(settings), str(dies_at)]
    ended = subprocess.run(command, env=others | environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == {NEVER: 0, "evaluation": 1}.get(dies_at, -signal.SIGKILL), ended.stderr


def points(folder: Path) -> Counter[Point]:
    """What metrics.jsonl holds: steps, names and values."""
    rows = read_rows(folder / "metrics.jsonl")
    return Counter((step, name, value) for step, metrics in rows for name, value in metrics.items())


def as_float32(counted: Counter[Point]) -> Counter[Point]:
    return Counter({(step, name, float(np.float32(value))): count for (step, name, value), count in counted.items()})


def events(folder: Path) -> Iterator[Event]:
    """All events in all event files, each behind its length and a checksum and before another."""
    for file in (folder / "tensorboard").iterdir():
        contents, position = file.read_bytes(), 0
        while position < len(contents):
            (length,) = struct.unpack_from("<Q", contents, position)
            yield Event.FromString(contents[position + 12 : position + 12 + length])
            position += 12 + length + 4


def raw_points(folder: Path) -> Counter[Point]:
    return Counter(
        (event.step, value.tag, value.simple_value) for event in events(folder) for value in event.summary.value
    )


def shown_points(folder: Path) -> Counter[Point]:
    accumulator = EventAccumulator(str(folder / "tensorboard")).Reload()
    names = accumulator.Tags()["scalars"]
    return Counter((event.step, name, event.value) for name in names for event in accumulator.Scalars(name))


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


def run_ids(folder: Path) -> list[str]:
    return [path.name.rpartition("-")[2] for path in (folder / "wandb").glob("*run-*")]


@pytest.fixture(scope="module")
def killed_twice(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run that logged offline, was killed behind its checkpoint twice, and came to its end then."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    known: dict[str, Any] = {"folder": folder, "ids": []}
    for dies_at in (4 * ROLLOUT - 2, 4 * ROLLOUT - 4, NEVER):
        session(folder, dies_at, ["tensorboard", "wandb"], WANDB_MODE="offline")
        known["ids"].append(run_ids(folder))
        if dies_at != NEVER:
            assert [step for step, _ in read_rows(folder / "metrics.jsonl")] == [32, 64, 96]  # of 64 that are saved
            known["times"] = {event.step: event.wall_time for event in events(folder)}
            for file in (folder / "tensorboard").iterdir():  # as if its last event had been half written
                os.truncate(file, file.stat().st_size - 5)
    return known


def test_tensorboard_holds_each_step_once(killed_twice):
    folder = killed_twice["folder"]
    expected = as_float32(points(folder))
    assert {step for step, *_ in expected} == {32, 64, 96, 128, 160}
    assert any(name.startswith("evaluation/") for _, name, _ in expected)
    assert set(expected.values()) == {1}
    assert raw_points(folder) == expected
    assert shown_points(folder) == expected


def test_tensorboard_keeps_the_times_of_what_was_logged_before(killed_twice):
    now = {event.step: event.wall_time for event in events(killed_twice["folder"]) if event.summary.value}
    assert [now[step] == killed_twice["times"][step] for step in (32, 64, 96)] == [True, True, False]
    assert sorted(now.values()) == [now[step] for step in sorted(now)]


def test_wandb_holds_each_step_once_in_one_offline_run(killed_twice):
    rows = offline_rows(killed_twice["folder"])
    assert [row["_step"] for row in rows] == [32, 64, 96, 128, 160]
    assert wandb_points(rows) == points(killed_twice["folder"])


def test_all_sessions_share_one_id(killed_twice):
    ((first,), *others) = killed_twice["ids"]
    assert others == [[first], [first]]
    assert (killed_twice["folder"] / "wandb" / "id").read_text().strip() == first


def test_a_server_is_sent_each_step_once(tmp_path):
    with WandbServer() as server:
        for dies_at in (4 * ROLLOUT - 2, NEVER):
            session(tmp_path / "run", dies_at, ["wandb"], **server.environment)
        ((run_id, rows),) = server.history.items()
    assert run_id == (tmp_path / "run" / "wandb" / "id").read_text().strip()
    assert [row["_step"] for row in rows] == [32, 64, 96, 128, 160]
    # What the killed session had sent stays as it was, and what it measured of time with it.
    sent, held = wandb_points(rows), points(tmp_path / "run")
    assert {point for point in sent if point[1] not in TAGS_OF_TIME} == {
        point for point in held if point[1] not in TAGS_OF_TIME
    }


def test_an_evaluation_at_a_step_that_a_server_has_already_is_in_the_summary(tmp_path):
    with WandbServer() as server:
        for dies_at in ("evaluation", NEVER):
            session(tmp_path / "run", dies_at, ["wandb"], **server.environment)
        ((run_id, rows),) = server.history.items()
    assert [row["_step"] for row in rows] == [32, 64, 96, 128, 160]
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert server.summary[run_id]["evaluation/mean_return"] == evaluation["mean_return"]


@pytest.mark.parametrize(
    ("traces", "offline", "is_new"),
    [
        (["offline-run-1-x/run-x.wandb"], True, False),
        (["offline-run-1-x/run-x.wandb", "offline-run-1-x/run-x.wandb.synced"], True, True),
        (["offline-run-1-x/run-x.wandb", "offline-run-1-x/run-x.wandb.synced"], False, False),
        (["run-1-x/run-x.wandb"], True, True),
        (["run-1-x/run-x.wandb"], False, False),
    ],
)
def test_the_id_is_another_where_an_upload_would_repeat_what_is_there(traces, offline, is_new, tmp_path, capsys):
    before = wandb_id(tmp_path / "wandb", offline)
    for trace in traces:
        (tmp_path / "wandb" / trace).parent.mkdir(exist_ok=True)
        (tmp_path / "wandb" / trace).touch()
    after = wandb_id(tmp_path / "wandb", offline)
    assert (after != before) == is_new
    assert (
        f"part of this run was uploaded as {before}, all of it will be {after}" in capsys.readouterr().err
    ) == is_new


def test_what_is_not_finite_is_shown_again_as_nan(tmp_path, tiny):
    (tmp_path / "metrics.jsonl").write_text('{"timesteps": 8, "a": null, "b": 1.5}\n')
    for sink in open_sinks(["tensorboard"], tmp_path, tiny()):
        sink.close()
    shown = {value.tag: value.simple_value for event in events(tmp_path) for value in event.summary.value}
    assert math.isnan(shown["a"])
    assert shown["b"] == 1.5


def test_texts_are_shown_too(tmp_path, tiny):
    with closing(TensorboardWriter(tmp_path, tiny(), [(8, {"note": "begun"})])):
        pass
    assert EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()["tensors"] == ["note/text_summary"]
