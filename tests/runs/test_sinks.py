"""Every sink holds the same rows."""

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stable_baselines3.common.logger import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from memagents.runs.metrics import JsonlWriter
from memagents.runs.sinks import open_sinks


def test_a_line_of_jsonl_is_there_as_soon_as_it_is_logged(tmp_path):
    logger = Logger(None, [JsonlWriter(tmp_path / "metrics.jsonl")])
    for step in (10, 20):
        logger.record("rollout/ep_rew_mean", step / 10)
        logger.dump(step)
        last = (tmp_path / "metrics.jsonl").read_text().splitlines()[-1]
        assert json.loads(last) == {"timesteps": step, "rollout/ep_rew_mean": step / 10}
    logger.close()


def test_floats_that_are_not_finite_become_null(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.write({"a": float("nan"), "b": float("inf"), "c": 1}, {}, step=5)
    writer.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"timesteps": 5, "a": None, "b": None, "c": 1}


def test_an_unknown_sink_is_named_and_nothing_is_opened(tiny, tmp_path):
    with pytest.raises(ValueError, match="cannot log to 'mlflow'; choose from tensorboard, wandb"):
        open_sinks(["tensorboard", "mlflow"], tmp_path, tiny())
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_shows_what_metrics_jsonl_holds(finished):
    events = EventAccumulator(str(finished.folder / "tensorboard")).Reload()
    names = events.Tags()["scalars"]
    assert {"rollout/ep_rew_mean", "train/loss", "evaluation/success_rate"} <= set(names)
    for name in names:
        shown = [(event.step, event.value) for event in events.Scalars(name)]
        assert shown == [(row["timesteps"], pytest.approx(row[name])) for row in finished.metrics() if name in row]


def test_wandb_holds_what_metrics_jsonl_holds(finished, wandb_records):
    rows = list(wandb_rows(wandb_records))
    for name in ("rollout/ep_rew_mean", "train/loss", "evaluation/success_rate"):
        held = [(row["_step"], row[name]) for row in rows if name in row]
        assert held
        assert held == [(row["timesteps"], row[name]) for row in finished.metrics() if name in row]


def test_wandb_knows_the_run_by_group_tags_and_configuration(wandb_records):
    run = next(record.run for record in wandb_records if record.HasField("run"))
    assert run.run_group == "TMaze-v0"
    assert set(run.tags) == {"gru", "ppo", "TMaze-v0", "seed0"}
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["memory_kwargs"] == {"hidden_size": 4}


@pytest.fixture(scope="session")
def wandb_records(finished) -> list[Record]:
    """The records of the finished run's offline file, which wandb's own process completes a moment after the run."""
    deadline = time.monotonic() + 30
    while not (records := list(read_records(finished.folder))) or not records[-1].HasField("exit"):
        assert time.monotonic() < deadline, "wandb did not complete its file"
        time.sleep(0.05)
    return records


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


@pytest.mark.parametrize(
    ("environment", "mode"),
    [({}, "offline"), ({"WANDB_API_KEY": "0" * 40}, "online"), ({"WANDB_MODE": "disabled"}, None)],
    ids=["without a key", "with a key", "as the user chose"],
)
def test_wandb_is_online_only_with_a_key_and_never_asks_for_one(environment, mode, tmp_path):
    # In a process of its own, because wandb remembers the first answer.
    program = (
        "import wandb; from memagents.runs.dashboards import wandb_mode; print(wandb_mode(wandb.Settings(silent=True)))"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | {"NETRC": str(tmp_path / "netrc"), "HOME": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == str(mode)
    assert answer.stderr == ""
