"""Run folders and checkpoints that hold what no run wrote: each is named, and nothing outside is touched."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from bad_files import with_json
from test_resume import assert_same_run

from memagents import make_vec_env
from memagents.errors import (
    CheckpointWriteError,
    DamagedFileError,
    EnvironmentFailed,
    MissingPartError,
)
from memagents.runs.checkpoints import newest_checkpoint
from memagents.runs.config import TrainConfig
from memagents.runs.env_states import CannotRestoreError, capture, restore
from memagents.runs.folder import RunFolder
from memagents.runs.generators import generator_states, set_generator_states
from memagents.runs.metrics import JsonlWriter, read_metrics
from memagents.runs.models import build_env, build_model
from memagents.runs.results import RunResult
from memagents.runs.training import evaluate_run, resume, train

Tiny = Callable[..., TrainConfig]


@pytest.fixture
def done(trained: RunResult, tmp_path: Path) -> Path:
    """The folder of a finished run, to spoil."""
    return shutil.copytree(trained.folder, tmp_path / "done")


@pytest.fixture
def cut(done: Path) -> Path:
    """The folder of a run that was cut off after 64 of 96 steps."""
    folder = RunFolder(done)
    folder.model_file.unlink()
    folder.evaluation_file.unlink()
    change(folder.record_file, status="interrupted")
    return done


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


RECORDS = {
    "no JSON": ("{", "JSONDecodeError"),
    "no object": ("[]", "holds a list, not an object"),
    "too deep": ("[" * 100_000, "RecursionError"),
    "no status": ('{"config": {}}', "status must be of type str, got None"),
    "no configuration": ('{"status": "interrupted"}', "config must be of type dict, got None"),
    "no resumptions": ('{"status": "interrupted", "config": {}, "resumed": 3}', "resumed must be of type list, got 3"),
}


@pytest.mark.parametrize("case", RECORDS)
def test_a_record_that_is_none_is_named(case, cut):
    text, message = RECORDS[case]
    (cut / "run.json").write_text(text)
    with pytest.raises(DamagedFileError, match=rf"run\.json .*{message}"):
        resume(cut)


@pytest.mark.parametrize(
    ("values", "message"), [({"unknown": 3}, "unknown"), ({"n_envs": "x"}, "n_envs must be"), ({"log": 3}, "")]
)
def test_a_configuration_of_other_kinds_is_named(values, message, cut, unchecked):
    record = json.loads((cut / "run.json").read_text())
    change(cut / "run.json", config=record["config"] | values)
    with pytest.raises(DamagedFileError, match=rf"run\.json cannot be read: .*{message}"):
        resume(cut)


EVALUATIONS = {
    "returns of texts": ({"returns": ["x"]}, "returns must be of type list, got"),
    "no episodes": ({"returns": []}, "there are no episodes"),
    "no seed": ({"seed": None}, "seed must be of type int, got None"),
}


@pytest.mark.parametrize("case", EVALUATIONS)
def test_an_evaluation_that_is_none_is_named(case, done, unchecked):
    values, message = EVALUATIONS[case]
    change(done / "evaluation.json", **values)
    with pytest.raises(DamagedFileError, match=rf"evaluation\.json cannot be read: ValueError: {message}"):
        RunResult.load(done)


@pytest.mark.parametrize(
    "line", [b"{", b"3", b'{"step": 3}', b'{"timesteps": "x"}', b'{"timesteps": 3, "a": []}', b"\xff"]
)
def test_rows_of_metrics_that_are_none_are_named(line, done):
    (done / "metrics.jsonl").write_bytes(line + b"\n")
    with pytest.raises(DamagedFileError, match=r"metrics\.jsonl cannot be read"):
        RunResult.load(done).metrics()


def test_files_that_are_missing_are_named(done):
    (done / "metrics.jsonl").unlink()
    with pytest.raises(MissingPartError, match=r"metrics\.jsonl cannot be found"):
        RunResult.load(done).metrics()
    (done / "checkpoints" / "final.zip").unlink()
    with pytest.raises(MissingPartError, match=r"final\.zip is not there"):
        evaluate_run(RunResult.load(done), episodes=1)
    (done / "evaluation.json").unlink()
    with pytest.raises(MissingPartError, match=r"evaluation\.json cannot be found"):
        RunResult.load(done)


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["folder", "pipe", "link"]
)
@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl"])
def test_what_is_no_ordinary_file_is_not_opened(make, name, cut):
    (cut / name).unlink()
    make(cut / name)
    with pytest.raises(DamagedFileError, match="is no ordinary file but a folder, a link, a pipe or a device"):
        resume(cut)


def test_a_file_in_the_place_of_the_checkpoints_is_named(cut):
    shutil.rmtree(cut / "checkpoints")
    (cut / "checkpoints").write_text("")
    with pytest.raises(DamagedFileError, match="checkpoints is no folder"):
        resume(cut)


@pytest.mark.parametrize(
    "name", ["run.lock", ".run.json.partial", "checkpoints/.final.zip.partial", "checkpoints/LATEST"]
)
def test_nothing_is_written_through_a_link(name, cut, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    (cut / name).unlink(missing_ok=True)
    (cut / name).symlink_to(victim)
    if name == "run.lock":
        with pytest.raises(CheckpointWriteError, match="done: Too many levels of symbolic links"):
            resume(cut)
    else:
        resume(cut)
    assert victim.read_text() == "as it was"


# Checkpoints whose hashes are right.


def generator(training):
    training["generators"]["numpy"]["state"]["pos"] = 10**6


def shadowed(training):
    training["environments"]["state"]["close"] = {"kind": "value", "value": 3}


def taken_away(training):
    training["environments"]["state"]["env"] = {"kind": "value", "value": None}


def odd_logger(training):
    training["logger"]["name_to_excluded"] = {"train/loss": 3}


CHECKPOINTS = {
    "a generator beyond its end": (generator, "NumPy's generator must stand from 0 to 624, got 1000000"),
    "a method of the environments": (shadowed, "BatchedVecEnv has no such attribute close"),
    "no environment": (taken_away, "BatchedVecEnv has no such attribute env"),
    "an odd logger": (odd_logger, "name_to_excluded: train/loss must be of type tuple, got 3"),
    "no logger": (lambda training: training["logger"].clear(), "KeyError: 'name_to_value'"),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_checkpoint_that_says_what_none_says_is_named(case, cut):
    spoil, message = CHECKPOINTS[case]
    file = newest_checkpoint(RunFolder(cut)).path
    file.write_bytes(with_json(file.read_bytes(), "training", spoil).getvalue())
    with pytest.raises(DamagedFileError, match=rf"{file.name} cannot be read: .*{message}"):
        resume(cut)


UNREADABLE = {
    "no training": ("training", lambda training: []),
    "training of other kinds": ("training", lambda training: training | {"metrics_size": "x"}),
    "no steps": ("model", lambda model: model | {"attributes": {}}),
    "metrics of a negative size": ("training", lambda training: training | {"metrics_size": -1}),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_earlier_checkpoint_is_taken_where_the_newest_is_none(case, cut, trained, capsys):
    file = newest_checkpoint(RunFolder(cut)).path
    file.write_bytes(with_json(file.read_bytes(), *UNREADABLE[case]).getvalue())
    resumed = resume(cut)
    assert "an earlier checkpoint is looked for" in capsys.readouterr().err
    assert [entry["at_step"] for entry in resumed.record["resumed"]] == [32]
    assert_same_run(resumed, trained)


def test_how_many_environments_there_are_is_not_for_a_checkpoint_to_say():
    env = make_vec_env("CartPole-v1", 2, 0)
    env.reset()
    captured = capture(env)
    captured["state"]["num_envs"] = {"kind": "value", "value": "x"}
    restore(env, captured)
    assert env.num_envs == 2
    captured["state"]["buf_obs"] = {"kind": "value", "value": 3}
    captured["state"]["envs"] = {"kind": "value", "value": None}
    with pytest.raises(CannotRestoreError, match="has no such attribute envs"):
        restore(env, captured)


def test_a_generator_goes_on_where_it_stood_up_to_its_end():
    states = generator_states()
    for place in (-1, 625):
        with pytest.raises(ValueError, match=f"must stand from 0 to 624, got {place}"):
            set_generator_states(
                states | {"numpy": {**states["numpy"], "state": states["numpy"]["state"] | {"pos": place}}}
            )
    set_generator_states(states)


# What cannot be made, and what cannot be written.


def test_an_agent_that_cannot_be_made_is_named(tiny: Tiny):
    config = tiny(algo_kwargs={"n_steps": 16, "policy_kwargs": {"net_arch": "x"}})
    with pytest.raises(ValueError, match="the agent cannot be made as configured: "):
        build_model(config, build_env(config, n_envs=2, seed=0))


def test_environments_that_cannot_be_made_are_named(tiny: Tiny):
    config = tiny(env="CartPole-v1", env_kwargs={"render_mode": 3})
    with pytest.raises(EnvironmentFailed, match=r"CartPole-v1 cannot be made with \{'render_mode': 3\}: "):
        build_env(config, n_envs=2, seed=0)


def test_a_model_of_other_environments_is_not_evaluated(done):
    record = json.loads((done / "run.json").read_text())
    change(done / "run.json", config=record["config"] | {"env": "CartPole-v1", "env_kwargs": {}})
    with pytest.raises(ValueError, match="Observation spaces do not match"):
        evaluate_run(RunResult.load(done), episodes=1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_row_of_metrics_that_cannot_be_written_is_an_error_of_ours():
    writer = JsonlWriter(Path("/dev/full"))
    with pytest.raises(CheckpointWriteError, match=r"cannot write /dev/full: No space left on device; .* Make room"):
        writer.add(32, {"loss": 1.0})
    writer.close()


def test_half_a_row_of_metrics_is_taken_back(tmp_path, monkeypatch):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.add(32, {"loss": 1.0})
    file = writer._file
    full = SimpleNamespace(name=file.name, tell=file.tell, truncate=file.truncate, write=lambda x: file.write(x[:9]))
    monkeypatch.setattr(writer, "_file", full)
    with pytest.raises(CheckpointWriteError, match="No space left on device"):
        writer.add(64, {"loss": 1.0})
    file.close()
    assert [row["timesteps"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [32]


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_error_is_not_hidden_by_a_record_that_cannot_be_written(tiny: Tiny, monkeypatch):
    def fail():
        with RunFolder(tiny().run_folder).recording(tiny()):
            monkeypatch.setattr(os, "replace", full_disk)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as error:
        fail()
    assert "Nor could that be recorded: cannot write" in error.value.__notes__[0]


@pytest.mark.parametrize("name", ["\0", "\ud800", "a" * 300])
def test_a_folder_that_cannot_be_is_named(name, tmp_path, tiny: Tiny):
    with pytest.raises(CheckpointWriteError, match=r"cannot write .*Choose another folder"):
        train(tiny(folder=tmp_path / name))
