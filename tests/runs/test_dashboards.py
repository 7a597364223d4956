"""Dashboards of a run that was killed and taken up again hold each step once, as metrics.jsonl does."""

import json
import math
from contextlib import closing

import pytest
from logged import (
    NEVER,
    ROLLOUT,
    TAGS_OF_TIME,
    as_float32,
    events,
    offline_rows,
    points,
    session,
    tensorboard_points,
    trackio_points,
    trackio_run,
    wandb_points,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb_server import WandbServer

from memagents.runs import trackio_database
from memagents.runs.config import RUNS
from memagents.runs.dashboards import TensorboardWriter, labels, wandb_id
from memagents.runs.sinks import SINKS, open_sinks
from memagents.runs.trackio_database import DATABASE, logged_times
from memagents.runs.training import train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("story", ["in_one_go", "killed_twice"])
@pytest.mark.parametrize("sink", SINKS)
def test_a_dashboard_holds_the_curve_of_metrics_jsonl_to_its_last_point(sink, story, request):
    """The contract of every sink."""
    folder = request.getfixturevalue(story)["folder"]
    expected = points(folder)
    assert {step for step, *_ in expected} == {32, 64, 96, 128, 160}
    assert any(step == 160 and name.startswith("evaluation/") for step, name, _ in expected)
    assert set(expected.values()) == {1}
    match sink:
        case "tensorboard":
            assert tensorboard_points(folder) == as_float32(expected)
        case "wandb":
            assert wandb_points(offline_rows(folder)) == expected
        case "trackio":
            assert trackio_points(trackio_run(folder, request.getfixturevalue("trackio"))["rows"]) == expected
        case _:
            pytest.fail(f"{sink} keeps the contract of a sink nowhere")


def test_tensorboard_keeps_the_times_of_what_was_logged_before(killed_twice):
    now = {event.step: event.wall_time for event in events(killed_twice["folder"]) if event.summary.value}
    assert [now[step] == killed_twice["times"][step] for step in (32, 64, 96)] == [True, True, False]
    assert sorted(now.values()) == [now[step] for step in sorted(now)]


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
    assert [(model["artifactTypeName"], model["runName"]) for model in server.artifacts] == [("model", run_id)]
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


@pytest.mark.parametrize(
    ("folder", "name", "group"),
    [
        ("horizon/TMaze-v0/gru-ppo-seed3", "TMaze-v0/gru-ppo-seed3", "horizon"),
        (RUNS / "TMaze-v0/gru-ppo-seed3", "TMaze-v0/gru-ppo-seed3", "TMaze-v0"),
        ("tries/third", "third", "TMaze-v0"),
    ],
    ids=["in a study", "by default", "of the user's choice"],
)
def test_runs_are_grouped_by_study_or_else_by_environment(folder, name, group, tiny, tmp_path):
    tags = ["gru", "ppo", "TMaze-v0", "seed3"]
    assert labels(tmp_path / folder, tiny(seed=3)) == (name, group, tags)


def test_trackio_knows_the_run_by_name_group_and_configuration(in_one_go, trackio):
    run = trackio_run(in_one_go["folder"], trackio)
    assert run["name"] == "TMaze-v0/gru-ppo-seed0"
    assert run["config"]["_Group"] == "study"
    assert [run["config"][name] for name in ("memory", "algo", "seed")] == ["gru", "ppo", 0]
    assert run["config"]["env"] == "memagents_envs:MemAgents/TMaze-v0"


def test_trackio_stays_on_this_machine_whatever_its_settings_say(in_one_go, trackio):
    assert not in_one_go["asked"]


def test_trackio_keeps_the_times_of_what_was_logged_before(killed_twice, trackio):
    now, before = logged_times(killed_twice["folder"] / "trackio" / DATABASE), killed_twice["trackio times"]
    assert [now[step] == before[step] for step in (32, 64, 96)] == [True, True, False]
    assert sorted(now.values()) == [now[step] for step in sorted(now)]


@pytest.mark.parametrize("installed", [None, "0.42.1"])
def test_trackio_is_asked_for_before_anything_is_built(installed, tiny, tmp_path, monkeypatch, environments_built):
    def version(name):
        if installed is None:
            raise trackio_database.importlib.metadata.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(trackio_database.importlib.metadata, "version", version)
    with pytest.raises(ValueError, match=rf'{installed or "none"} is installed.*pip install "memagents\[trackio\]"'):
        train(tiny(log=("trackio",)))
    assert environments_built == []
    assert list(tmp_path.iterdir()) == []
