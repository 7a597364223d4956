"""Being stopped, a full disk, and two processes at one run."""

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import forked
import pytest
from test_resume import assert_same_run

from memagents import MemoryPPO
from memagents.cli import main
from memagents.errors import CheckpointWriteError, RunInUseError
from memagents.files import make_last
from memagents.runs import checkpoints, signals
from memagents.runs.checkpoints import Checkpoints, Session, newest_checkpoint, note_latest, write_checkpoint
from memagents.runs.config import TrainConfig
from memagents.runs.folder import RunFolder
from memagents.runs.lock import locked
from memagents.runs.models import build_env, build_model
from memagents.runs.signals import StoppedError, StopRequest
from memagents.runs.training import train

Tiny = Callable[..., TrainConfig]
SIGNALS = {"SIGINT": 130, "SIGTERM": 143}


def signalled_at(monkeypatch, name, steps):
    """A signal reaches the process in the middle of a rollout, after so many steps."""
    original = Checkpoints._on_step

    def step(self):
        if self.model.num_timesteps == steps:
            signal.raise_signal(getattr(signal, name))
        return original(self)

    monkeypatch.setattr(Checkpoints, "_on_step", step)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_run_that_is_asked_to_stop_saves_what_it_has_and_goes_on_later(name, tiny: Tiny, tmp_path, monkeypatch):
    whole = train(tiny(folder=tmp_path / "whole"))
    before = signal.getsignal(getattr(signal, name))
    with monkeypatch.context() as patch:
        signalled_at(patch, name, 40)
        with pytest.raises(StoppedError, match=f"stopped by {name}") as stopped:
            train(tiny())
    assert stopped.value.exit_code == SIGNALS[name]
    assert signal.getsignal(getattr(signal, name)) is before
    record = RunFolder(tiny().run_folder).record()
    assert (record["status"], record["config"]["checkpoint_every"]) == ("interrupted", None)
    assert newest_checkpoint(RunFolder(tiny().run_folder)).path.name == "step-000000064.zip"
    assert_same_run(whole, train(tiny()))


def test_a_rollout_that_takes_too_long_is_dropped_and_the_last_checkpoint_kept(tiny: Tiny, tmp_path, monkeypatch):
    whole = train(tiny(folder=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(signals, "SECONDS_TO_BOUNDARY", 0.0)
        signalled_at(patch, "SIGTERM", 40)
        with pytest.raises(StoppedError):
            train(tiny(checkpoint_every=32))
    assert newest_checkpoint(RunFolder(tiny().run_folder)).path.name == "step-000000032.zip"
    assert_same_run(whole, train(tiny(checkpoint_every=32)))


def test_the_command_tells_by_its_exit_code_that_it_was_stopped(monkeypatch, tmp_path, capsys):
    signalled_at(monkeypatch, "SIGTERM", 128)
    options = ["--env", "CartPole-v1", "--timesteps", "512", "--n-envs", "2", "--algo-kwargs", "n_steps=64"]
    assert main(["train", *options, "--folder", str(tmp_path / "run")]) == 143
    assert "memagents: stopped by SIGTERM" in capsys.readouterr().err


def test_train_resume_goes_on_with_a_folder(tiny: Tiny, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        signalled_at(patch, "SIGINT", 40)
        with pytest.raises(StoppedError):
            train(tiny())
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert "goes on from step-000000064.zip, 64 of 96 steps" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err


def test_an_echo_of_a_signal_is_one_signal_and_a_second_one_ends_the_process_at_once(monkeypatch):
    ended = []
    with StopRequest() as stop:
        assert not stop.made
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.made
        assert not stop.overdue
        monkeypatch.setattr(signals, "SECONDS_OF_ECHO", 0.0)
        monkeypatch.setattr(signal, "raise_signal", lambda number: ended.append((number, signal.getsignal(number))))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        with pytest.raises(StoppedError):
            stop.obey()
    assert ended == [(signal.SIGTERM, signal.SIG_DFL)]


def train_for_ever(folder: Path) -> None:
    config = TrainConfig(env="CartPole-v1", memory="rnn", n_envs=2, timesteps=10_000_000, folder=folder)
    train(replace(config, algo_kwargs={"n_steps": 16}, checkpoint_every=32))


@pytest.fixture
def child(tmp_path):
    """Another process that trains for ever, with a first checkpoint written."""
    process = forked.start(tmp_path / "said", os.environ, train_for_ever, tmp_path / "run")
    deadline = time.monotonic() + 100
    while not (tmp_path / "run" / "checkpoints" / "LATEST").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process
    process.kill()
    process.join()


@pytest.mark.slow
def test_another_process_is_kept_out_of_a_run_until_it_has_ended_however_it_ended(child, tmp_path):
    config = TrainConfig(env="CartPole-v1", memory="rnn", n_envs=2, timesteps=10_000_000, folder=tmp_path / "run")
    told = json.loads((tmp_path / "run" / "run.lock").read_text())
    assert told["pid"] == child.pid
    with (
        pytest.raises(RunInUseError, match=rf"is in use by process {child.pid} on {told['host']}"),
        locked(config.folder),
    ):
        pass
    child.kill()
    child.join()
    with locked(config.folder):
        assert json.loads((tmp_path / "run" / "run.lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "run" / "run.lock").exists()
    assert newest_checkpoint(RunFolder(tmp_path / "run")) is not None


def command_line(arguments: list[str]) -> None:
    sys.exit(main(arguments))


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_to_all_processes_of_a_run_is_for_the_one_that_trains(name, tmp_path):
    options = ["--env", "CartPole-v1", "--vectorization", "subproc", "--n-envs", "2", "--timesteps", "30000"]
    options += ["--algo-kwargs", "n_steps=64", "n_epochs=1"]
    command = ["train", *options, "--folder", str(tmp_path / "run")]
    process = forked.start(tmp_path / "said", os.environ, command_line, command)
    metrics, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 100
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, getattr(signal, name))
    process.join(100)
    assert process.exitcode == SIGNALS[name], (tmp_path / "said").read_text()
    assert newest_checkpoint(RunFolder(tmp_path / "run")) is not None


def test_two_trainings_of_one_folder_do_not_mix(tiny: Tiny):
    with locked(tiny().run_folder), pytest.raises(RunInUseError):
        train(tiny())


class Fault:
    """Lets operations through until the one with a number, which fails as on a full disk."""

    def __init__(self, fails_at: int | None) -> None:
        self.count, self.fails_at = 0, fails_at

    def __call__(self, function):
        def wrapped(*arguments, **options):
            self.count += 1
            if self.count - 1 == self.fails_at:
                raise OSError(28, "No space left on device")
            return function(*arguments, **options)

        return wrapped


class FaultyFile(io.FileIO):
    fault: Fault

    def write(self, contents):
        half = self.fault(lambda: len(contents))
        super().write(contents[: len(contents) // 2])
        half()
        return super().write(contents[len(contents) // 2 :])


def saving_with_fault(model, folder, name, fails_at, monkeypatch):
    """Saves while one operation on the disk fails; tells how many there were."""
    fault = Fault(fails_at)
    FaultyFile.fault = fault
    with monkeypatch.context() as patch:
        for function in ("fsync", "replace", "open"):
            patch.setattr(os, function, fault(getattr(os, function)))
        opened = Path.open
        patch.setattr(
            Path,
            "open",
            lambda path, mode="r", *args, **options: (
                FaultyFile(path, "x") if mode == "xb" else opened(path, mode, *args, **options)
            ),
        )
        write_checkpoint(model, folder.checkpoints / name, folder.metrics_file, Session(True, 0.0, 0.0))
        note_latest(folder.checkpoints / name, folder.metrics_file)
    return fault.count


def test_whatever_fails_while_saving_the_checkpoint_before_can_be_loaded(tiny: Tiny, monkeypatch):
    config, folder = tiny(), RunFolder(tiny().run_folder)
    folder.checkpoints.mkdir(parents=True)
    model = build_model(config, build_env(config, n_envs=2, seed=0)).learn(32)
    operations = saving_with_fault(model, folder, "step-000000032.zip", None, monkeypatch)
    assert operations >= 7
    for number in range(operations):
        with pytest.raises(CheckpointWriteError, match=r"cannot write .*: No space left on device"):
            saving_with_fault(model, folder, "step-000000064.zip", number, monkeypatch)
        newest = newest_checkpoint(folder)
        assert MemoryPPO.load(newest.path).num_timesteps == 32
        assert {path.name for path in folder.checkpoints.iterdir()} <= {
            "LATEST",
            "step-000000032.zip",
            "step-000000064.zip",
        }
        (folder.checkpoints / "step-000000064.zip").unlink(missing_ok=True)


def test_a_disk_that_fails_behind_a_checkpoint_ends_the_run_with_a_reason(tiny: Tiny, tmp_path, monkeypatch):
    whole, folder = train(tiny(folder=tmp_path / "whole")), RunFolder(tiny().run_folder)

    def fail(path):
        if path.stem == "step-000000032":
            raise CheckpointWriteError(f"cannot write {path}: Input/output error")
        make_last(path)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "make_last", fail)
        with pytest.raises(CheckpointWriteError, match=r"step-000000032\.zip: Input/output error"):
            train(tiny(checkpoint_every=32))
    assert not (folder.checkpoints / "LATEST").exists()
    assert folder.record()["failure"]["timesteps"] == 64  # at the checkpoint after it, at the latest
    assert_same_run(whole, train(tiny(checkpoint_every=32)))


def test_training_does_not_wait_for_the_disk_and_its_end_does(tiny: Tiny, monkeypatch):
    released, seen, folder, step = threading.Event(), [], RunFolder(tiny().run_folder).checkpoints, Checkpoints._on_step

    def slow(path):
        assert path.parent != folder or released.wait(30)
        make_last(path)

    def look(self):
        if self.model.num_timesteps == 48:
            seen.extend(path.name for path in folder.iterdir())
            released.set()
        return step(self)

    monkeypatch.setattr(checkpoints, "make_last", slow)
    monkeypatch.setattr(Checkpoints, "_on_step", look)
    train(tiny(checkpoint_every=32))
    assert seen == ["step-000000032.zip"]
    assert (folder / "LATEST").read_text() == "final.zip\n"


def test_a_full_disk_ends_the_run_with_a_reason_and_the_last_checkpoint_is_there(
    tiny: Tiny, tmp_path, monkeypatch, capsys
):
    whole, replace = train(tiny(folder=tmp_path / "whole")), os.replace
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda old, new: full() if "step-000000064" in str(new) else replace(old, new))
        with pytest.raises(CheckpointWriteError, match=r"step-000000064\.zip: No space left on device"):
            train(tiny(checkpoint_every=32))
    record = RunFolder(tiny().run_folder).record()
    assert record["status"] == "failed"
    assert "No space left on device" in record["error"]
    assert newest_checkpoint(RunFolder(tiny().run_folder)).steps == 32
    assert_same_run(whole, train(tiny(checkpoint_every=32)))


def full():
    raise OSError(28, "No space left on device")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch, capsys):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert main(["train", "--env", "CartPole-v1", "--folder", str(tmp_path / "run")]) == 1
    assert "run: Permission denied" in capsys.readouterr().err
