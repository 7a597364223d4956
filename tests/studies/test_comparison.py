"""A grid of runs, some of which fail."""

import json
from pathlib import Path

import pytest

from memagents.runs import models
from memagents.runs.config import TrainConfig
from memagents.studies.backends.local import in_processes
from memagents.studies.comparison import CompareConfig, Study, cells, compare

TINY = {
    "env": ("memagents_envs:MemAgents/TMaze-v0",),
    "env_kwargs": {"corridor_length": 2},
    "memory": ("none", "gru"),
    "seeds": 1,
    "n_envs": 2,
    "timesteps": 64,
    "algo_kwargs": {"n_steps": 16},
    "eval_episodes": 4,
    "controls": False,
}

OUT_OF_ORDER = "failed, EnvironmentFailed: environment 0 failed in reset() at step 0 with RuntimeError: out of order. "

ILL_FATED = """
import os, signal
import gymnasium
from memagents_envs import SingleTMaze

class Failing(SingleTMaze):
    def reset(self, *, seed=None, options=None):
        raise RuntimeError("out of order")

class Dying(SingleTMaze):
    def reset(self, *, seed=None, options=None):
        os.kill(os.getpid(), signal.SIGKILL)

gymnasium.register("IllFated/Failing-v0", Failing)
gymnasium.register("IllFated/Dying-v0", Dying)
"""

TELLING = """
import os
import gymnasium
from memagents_envs import SingleTMaze

class Telling(SingleTMaze):
    def reset(self, *, seed=None, options=None):
        raise RuntimeError(f"said {os.environ['SAID']}")

gymnasium.register("Telling-v0", Telling)
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "study"


@pytest.fixture
def ill_fated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module, also for worker processes, that registers environments which fail."""
    (tmp_path / "ill_fated.py").write_text(ILL_FATED)
    monkeypatch.syspath_prepend(tmp_path)
    return "ill_fated"


def test_the_grid_is_every_combination_each_in_its_own_folder(study):
    config = CompareConfig(**TINY | {"seeds": 3, "algo": ("ppo", "a2c"), "folder": study})
    grid = cells(config)
    assert len(grid) == len({cell.run_folder for cell in grid}) == 2 * 2 * 3
    assert [cell.seed for cell in grid[:3]] == [0, 1, 2]
    assert grid[0].run_folder == study / "TMaze-v0" / "none-ppo-seed0"


def test_a_memory_gets_the_arguments_that_it_has(study):
    grid = cells(CompareConfig(**TINY, folder=study, memory_kwargs={"hidden_size": 4}))
    assert {cell.memory: cell.memory_kwargs for cell in grid} == {"none": {}, "gru": {"hidden_size": 4}}


def test_a_study_is_a_folder_with_all_runs_and_a_report(study):
    done = compare(CompareConfig(**TINY, folder=study))
    assert [run.config.memory for run in done.runs] == ["none", "gru"]
    assert done.failures == {}
    assert {path.name for path in study.iterdir()} == {
        "TMaze-v0",
        "report.html",
        "table.md",
        "runs.csv",
        "curves.png",
        "curves.svg",
    }


def test_finished_runs_are_not_trained_again(study, monkeypatch, capsys):
    first = compare(CompareConfig(**TINY, folder=study))
    monkeypatch.setattr(models, "make_vec_env", None)
    assert compare(CompareConfig(**TINY, folder=study)).runs == first.runs
    assert "2 of 2 runs are finished already" in capsys.readouterr().err


MISTAKES = {
    "unknown memory": ({"memory": ("gru", "lsmt")}, "unknown memory 'lsmt'"),
    "option that no memory has": (
        {"memory_kwargs": {"size": 1}},
        "none of the memories none, gru has an option 'size'",
    ),
    "unknown environment": ({"env": (*TINY["env"], "memagents_envs:MemAgents/TMaz-v0")}, "TMaze-v0"),
    "unknown argument": ({"algo_kwargs": {"n_stepz": 1}}, "did you mean 'n_steps'"),
    "no seeds": ({"seeds": 0}, "seeds must be at least 1, got 0"),
    "no jobs": ({"jobs": 0}, "jobs must be at least 1, got 0"),
    "the same twice": ({"memory": ("gru", "gru")}, "memory needs one or more different values, got gru, gru"),
    "nothing": ({"memory": ()}, "memory needs one or more different values, got none"),
}


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_every_cell_is_checked_before_the_first_one_starts(changes, message, study):
    with pytest.raises(ValueError, match=message):
        compare(CompareConfig(**TINY | changes, folder=study))
    assert not study.exists()


def test_a_run_that_fails_does_not_stop_the_others(study, ill_fated, capsys):
    config = CompareConfig(**TINY | {"env": (f"{ill_fated}:IllFated/Failing-v0", *TINY["env"])}, folder=study)
    done = compare(config)
    assert [run.config.env for run in done.runs] == [*TINY["env"]] * 2
    assert len(done.failures) == 2
    assert all(failure.startswith(OUT_OF_ORDER) for failure in done.failures.values())
    assert "[1/4]" in capsys.readouterr().err
    for folder in done.failures:
        assert json.loads((folder / "run.json").read_text())["status"] == "failed"


@pytest.fixture(scope="module")
def done_by_workers(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study in worker processes, of which one dies and one fails."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "ill_fated.py").write_text(ILL_FATED)
    envs = ("ill_fated:IllFated/Dying-v0", "ill_fated:IllFated/Failing-v0", *TINY["env"])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        changes = {"env": envs, "memory": ("gru",), "jobs": 2, "threads": 1, "folder": folder / "study"}
        return compare(CompareConfig(**TINY | changes))


@pytest.mark.slow
def test_a_worker_process_that_dies_does_not_take_others_along(done_by_workers):
    assert [run.config.env for run in done_by_workers.runs] == [*TINY["env"]]
    failed, died = sorted(done_by_workers.failures.values())
    assert failed.startswith(OUT_OF_ORDER)
    assert died == "its process died with exit code -9"


@pytest.mark.slow
def test_runs_in_worker_processes_give_the_same_results(done_by_workers, study):
    (there,) = done_by_workers.runs
    (here,) = compare(CompareConfig(**TINY | {"memory": ("gru",), "threads": 1, "folder": study})).runs
    assert here.evaluation == there.evaluation
    assert here.curve() == there.curve()


def test_worker_processes_have_the_environment_variables_of_now_not_of_when_the_first_one_was_started(
    tmp_path, monkeypatch
):
    """They are copies of one process, which is kept."""
    (tmp_path / "telling.py").write_text(TELLING)
    monkeypatch.syspath_prepend(tmp_path)
    asked = {"env": "telling:Telling-v0", "n_envs": 1, "timesteps": 16}
    for said in ("once", "twice"):
        monkeypatch.setenv("SAID", said)
        ((_, failure),) = in_processes([TrainConfig(**asked, folder=tmp_path / said)], jobs=1)
        assert f"RuntimeError: said {said}" in failure
