"""Every sink holds the same rows."""

import json
import os
import time

import forked
import pytest
from logged import read_records
from stable_baselines3.common.logger import Logger
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


def test_wandb_knows_the_run_by_group_tags_and_configuration(wandb_records):
    run = next(record.run for record in wandb_records if record.HasField("run"))
    assert run.run_group == "TMaze-v0"
    assert run.job_type == "train"
    assert set(run.tags) == {"gru", "ppo", "TMaze-v0", "seed0"}
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["memory_kwargs"] == {"hidden_size": 4}


def test_the_summary_in_wandb_is_the_last_of_every_metric_with_the_evaluation(finished, wandb_records):
    summary: dict[str, float] = {}
    for record in wandb_records:
        for item in record.summary.update:
            summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    last: dict[str, float] = {}
    for row in finished.metrics():
        last |= row
    del last["timesteps"]
    assert {name: summary[name] for name in last} == last
    assert summary["evaluation/mean_return"] == finished.evaluation.mean_return


@pytest.fixture(scope="session")
def wandb_records(finished) -> list[Record]:
    """The records of the finished run's offline file, which wandb's own process completes a moment after the run."""
    deadline = time.monotonic() + 30
    while not (records := list(read_records(finished.folder))) or not records[-1].HasField("exit"):
        assert time.monotonic() < deadline, "wandb did not complete its file"
        time.sleep(0.05)
    return records


def say_mode() -> None:
    import wandb

    from memagents.runs.dashboards import wandb_mode

    print(wandb_mode(wandb.Settings(silent=True)))


@pytest.mark.parametrize(
    ("environment", "mode"),
    [({}, "offline"), ({"WANDB_API_KEY": "0" * 40}, "online"), ({"WANDB_MODE": "disabled"}, None)],
    ids=["without a key", "with a key", "as the user chose"],
)
def test_wandb_is_online_only_with_a_key_and_never_asks_for_one(environment, mode, tmp_path):
    # In a process of its own, because wandb remembers the first answer.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    clean |= {"NETRC": str(tmp_path / "netrc"), "HOME": str(tmp_path)} | environment
    process = forked.start(tmp_path / "said", clean, say_mode)
    process.join(100)
    assert (tmp_path / "said").read_text().strip() == str(mode)
