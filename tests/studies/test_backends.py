"""Where runs take place; Ray by a stand-in. (`scripts/study_kill_test.py` has a cluster of it, and many more kills.)"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import forked
import pytest
import tyro

from memagents.cli import main
from memagents.errors import MissingExtraError, RunInUseError
from memagents.files import read_json
from memagents.runs.config import TrainConfig
from memagents.runs.signals import StoppedError
from memagents.studies.backends import cells, choose, local, ray
from memagents.studies.backends.printing import command
from memagents.studies.comparison import CompareConfig, compare
from memagents.studies.findings import Findings
from memagents.studies.report import COLUMNS

GRID = {
    "env": ("memagents_envs:MemAgents/TMaze-v0",),
    "env_kwargs": {"corridor_length": 2},
    "memory": ("none", "gru"),
    "seeds": 1,
    "n_envs": 2,
    "algo_kwargs": {"n_steps": 16},
    "eval_episodes": 4,
    "threads": 1,
}
RUNS = [TrainConfig(env="CartPole-v1", memory=memory, seed=seed) for memory in ("none", "gru") for seed in (0, 1)]


class FakeRay:
    """Runs a task when it is asked whether it has ended; one whose seed is 1 is lost."""

    exceptions = SimpleNamespace(RayError=LookupError)

    def __init__(self) -> None:
        self.started, self.options, self.cancelled = {}, [], []

    def init(self, **options):
        self.started = options

    def remote(self, **_):
        return lambda function: SimpleNamespace(options=lambda **options: self._task(function, options))

    def _task(self, function, options):
        self.options.append(options)
        return SimpleNamespace(remote=lambda *arguments: partial(function, *arguments))

    def wait(self, tasks, **_):
        return tasks[-1:], tasks[:-1]

    def get(self, task):
        said = task()
        if said and "lose me" in said:
            raise LookupError("\nThe worker died.\n")
        return said

    def cancel(self, task):
        self.cancelled.append(task)

    def shutdown(self):
        self.started = None


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(sys, "argv", ["memagents", "compare"])
    return fake


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[TrainConfig]:
    """What was asked to be trained, which takes no time; with a GRU it fails."""
    asked = []

    def train(config, bar):
        asked.append(config)
        if config.memory == "gru":
            raise RuntimeError("lose me" if config.seed else "out of order")

    monkeypatch.setattr(cells, "train", train)
    return asked


def test_every_cell_comes_back_once_with_why_it_did_not_finish(trained, fake_ray):
    here = list(local(1)(RUNS))
    assert here == [
        (RUNS[0], None),
        (RUNS[1], None),
        (RUNS[2], "failed, RuntimeError: out of order"),
        (RUNS[3], "failed, RuntimeError: lose me"),
    ]
    there = list(ray.on_ray(None, jobs=2)(RUNS))  # where the last one ends first
    assert there == [(RUNS[3], "was lost, LookupError: The worker died."), *here[2::-1]]


def test_tasks_have_the_cores_they_compute_with_and_folders_that_are_the_same_everywhere(trained, fake_ray):
    cell = TrainConfig(env="CartPole-v1", threads=3, folder=Path("some/where"))
    assert list(ray.on_ray(None, jobs=2)([RUNS[0], cell])) == [(cell, None), (RUNS[0], None)]
    assert [options["num_cpus"] for options in fake_ray.options] == [1, 3]
    assert {config.folder.is_absolute() for config in trained} == {True}
    assert [config.threads for config in trained] == [3, 1]


def test_tasks_that_nobody_waits_for_any_more_are_cancelled(trained, fake_ray):
    outcomes = ray.on_ray("somewhere:6379", jobs=1)(RUNS)
    next(outcomes)
    assert fake_ray.started == {"address": "somewhere:6379"}
    outcomes.close()
    assert len(fake_ray.cancelled) == 3
    assert fake_ray.started is None


def test_a_worker_that_is_asked_to_end_counts_as_lost_and_a_cancelled_task_does_not(monkeypatch):
    def stopped_by(number):
        def train(*_, **__):
            raise StoppedError(number)

        return train

    def leave(code):
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(cells, "train", stopped_by(signal.SIGINT))
    with pytest.raises(StoppedError):
        ray.train_as_task(RUNS[0], [])
    monkeypatch.setattr(cells, "train", stopped_by(signal.SIGTERM))
    with pytest.raises(SystemExit, match="143"):
        ray.train_as_task(RUNS[0], [])


def test_a_run_that_a_dying_process_still_holds_is_waited_for_but_not_for_ever(monkeypatch, capsys):
    attempts = []

    def train(config, bar):
        attempts.append(config)
        if len(attempts) != 3:
            raise RunInUseError("runs/one is in use by process 7 on here")

    monkeypatch.setattr(cells, "train", train)
    monkeypatch.setattr(cells, "SECONDS_BETWEEN_LOOKS", 0.01)
    assert cells.attempt(RUNS[0]) is None
    assert len(attempts) == 3
    assert capsys.readouterr().err.count("is in use by process 7 on here. Waits up to 20 seconds") == 1
    assert cells.attempt(RUNS[0], patience=0.02).startswith("failed, RunInUseError: runs/one is in use")


MISTAKES = {
    "an address without Ray": ({"ray_address": "auto"}, "ray_address is for the backend ray, not local"),
    "parameters without Slurm": ({"slurm": {"partition": "long"}}, "slurm is for the backend slurm, not local"),
}


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_settings_of_another_backend_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        choose(CompareConfig(**GRID, folder=tmp_path, **changes))


@pytest.mark.parametrize(("backend", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_backend_that_is_not_installed_says_how_to_install_it(backend, package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "memagents\[{backend}\]"'):
        compare(CompareConfig(**GRID, folder=tmp_path / "study", backend=backend))
    assert not (tmp_path / "study").exists()


CONFIGS = {
    "little": TrainConfig(env="CartPole-v1"),
    "numbers": TrainConfig(env="CartPole-v1", timesteps=7, step_timeout=0.5, sequence_length=3, normalize=True),
    "arguments": TrainConfig(
        env="a:B/C-v0",
        env_kwargs={"goal": (1, -2), "names": ["x y", "it's"], "text": "64", "deep": {"a": {"b": None}}, "rate": 1e-05},
        algo_kwargs={"n_steps": 16, "policy_kwargs": {"net_arch": {"pi": [8], "vf": []}}, "use_sde": False},
        memory_kwargs={"mode": "fast = $HOME", "empty": ""},
        encoder="rbf",
        encoder_kwargs={"features_dim": 5},
        log=("tensorboard", "wandb"),
        critic_memory="separate",
        last_action_reward=True,
        folder=Path("a folder/TMaze-v0"),
    ),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_printed_command_asks_for_the_same_run(config):
    program, verb, *arguments = shlex.split(command(config))
    assert (program, verb) == ("memagents", "train")
    parsed = tyro.cli(TrainConfig, args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
    assert parsed == config


def test_what_no_command_line_can_say_is_refused():
    config = TrainConfig(env="CartPole-v1", algo_kwargs={"policy_kwargs": {"optimizer_class": dict}})
    with pytest.raises(ValueError, match="cannot be written on a command line"):
        command(config)


def test_compare_prints_the_commands_of_what_is_not_finished_and_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grid = ["--env", "CartPole-v1", "--memory", "none", "gru", "--seeds", "2", "--folder", "study"]
    assert main(["compare", *grid, "--print"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0] == ("memagents train --env CartPole-v1 --memory none --folder study/CartPole-v1/none-ppo-seed0")
    assert list(tmp_path.iterdir()) == []


def locks(folder: Path) -> dict[int, Path]:
    """The processes that are at a run with a checkpoint, and its folder."""
    found = [path for path in folder.rglob("run.lock") if list(path.parent.glob("checkpoints/*.zip"))]
    return {read_json(path)["pid"]: path.parent for path in found}


def end(processes: Iterable[int], seconds: float = 30.0) -> bool:
    """Whether all of these processes end in time: one that has given back a run's folder still has to leave Python."""
    deadline = time.monotonic() + seconds
    while any(map(is_alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_study_that_is_killed_leaves_no_workers_and_ends_with_the_same_table_when_started_again(tmp_path):
    asked = {**GRID, "timesteps": 640, "checkpoint_every": 128, "algo_kwargs": {"n_steps": 16, "n_epochs": 1}}
    config = CompareConfig(**asked, folder=tmp_path / "killed")
    driver = forked.start(tmp_path / "said", os.environ, compare, replace(config, jobs=2))
    deadline = time.monotonic() + 120
    while not (workers := locks(config.folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.kill()
    driver.join()
    again = compare(config)  # at once, while the worker is still dying
    assert workers
    assert end(workers)
    assert any(run.record.get("resumed") for run in again.runs)
    whole = compare(CompareConfig(**asked, folder=tmp_path / "whole"))
    assert table(again.runs) == table(whole.runs)
    assert [run.evaluation for run in again.runs] == [run.evaluation for run in whole.runs]
    assert [run.curve() for run in again.runs] == [run.curve() for run in whole.runs]


def table(runs):
    names = [name for name in COLUMNS if name != "steps/s"]
    return [[COLUMNS[name](cell) for name in names] for cell in Findings.of(runs, {}).cells]
