"""Whatever goes wrong in an environment, a run says what it was and keeps what it had."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from chaos import STEP

from memagents import MemoryPPO
from memagents.agents.guarded_vec_envs import GuardedDummyVecEnv, GuardedSubprocVecEnv
from memagents.cli import main
from memagents.errors import (
    EnvironmentFailed,
    EnvironmentTimeout,
    EnvironmentWorkerDied,
    NonFiniteObservation,
    NonFiniteReward,
    NonFiniteUpdate,
    ObservationOutsideSpace,
)
from memagents.runs.config import TrainConfig
from memagents.runs.training import train

Chaotic = Callable[..., TrainConfig]

FATAL = {
    "nan observation": NonFiniteObservation,
    "infinite observation": NonFiniteObservation,
    "nan terminal observation": NonFiniteObservation,
    "nan reward": NonFiniteReward,
    "infinite reward": NonFiniteReward,
    "wrong shape": ObservationOutsideSpace,
    "error": EnvironmentFailed,
    "odd error": EnvironmentFailed,
}
FATAL_TO_PROCESSES = {"hang": EnvironmentTimeout, "death": EnvironmentWorkerDied}
CASES = [(vectorization, *case) for case in FATAL.items() for vectorization in ("dummy", "subproc")]
CASES += [("subproc", *case) for case in FATAL_TO_PROCESSES.items()]


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The vectorised environments that were closed, in order."""
    venvs: list[Any] = []

    def noting(cls: Any) -> None:
        close = cls.close
        monkeypatch.setattr(cls, "close", lambda venv: (venvs.append(venv), close(venv)))

    noting(GuardedDummyVecEnv)
    noting(GuardedSubprocVecEnv)
    return venvs


def record_of(config: TrainConfig) -> dict[str, Any]:
    return json.loads((config.run_folder / "run.json").read_text())


def metrics_of(config: TrainConfig) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (config.run_folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("vectorization", "fault", "error"), CASES, ids=[f"{case[1]}-{case[0]}" for case in CASES])
def test_a_fault_ends_a_run_with_its_name_and_nothing_is_lost(vectorization, fault, error, chaotic: Chaotic, closed):
    config = chaotic(fault, vectorization)
    with pytest.raises(error, match=f"environment 1 .*at step {STEP}") as caught:
        train(config)

    record = record_of(config)
    assert record["status"] == "failed"
    assert error.__name__ in record["error"]
    failure = record["failure"]
    assert (failure["type"], failure["message"]) == (error.__name__, str(caught.value))
    assert (failure["environment"], failure["step"]) == (1, STEP)
    steps_taken = 2 * (STEP if fault == "nan terminal observation" else STEP - 1)
    assert failure["timesteps"] == steps_taken
    # The rows of two whole rollouts, and what was known when the third came to its end.
    assert [row["timesteps"] for row in metrics_of(config)] == [32, 64, steps_taken]
    # Two that showed whether a snapshot goes on exactly, which is not asked of processes, and the run's.
    assert len(closed) == (1 if vectorization == "subproc" else 3)
    assert all(not process.is_alive() for venv in closed for process in getattr(venv, "processes", []))
    assert [path.name for path in (config.run_folder / "checkpoints").iterdir()] == ["failed.zip"]
    assert MemoryPPO.load(config.run_folder / "checkpoints" / "failed.zip").num_timesteps == steps_taken


@pytest.mark.parametrize("vectorization", ["dummy", "subproc"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("out of range", rf"observation of environment 1 at step {STEP} is 7.0 at index \[1\], outside the range"),
        ("wrong type", "observation.* has type float64, its space float32"),
    ],
)
def test_what_can_be_trained_on_is_reported_and_trained_on(vectorization, fault, message, chaotic: Chaotic):
    with pytest.warns(UserWarning, match=message):
        result = train(chaotic(fault, vectorization))
    assert result.record["timesteps"] == 96


@pytest.mark.parametrize("vectorization", ["dummy", "subproc"])
def test_episodes_that_end_at_their_first_step_do_no_harm(vectorization, chaotic: Chaotic):
    result = train(chaotic("zero-length episodes", vectorization))
    assert result.record["timesteps"] == 96
    assert all(row["rollout/ep_len_mean"] >= 1 for row in result.metrics() if "rollout/ep_len_mean" in row)


def test_backends_train_alike(chaotic: Chaotic, tmp_path):
    dummy, subproc = (train(chaotic("none", name, folder=tmp_path / name)) for name in ("dummy", "subproc"))
    assert dummy.evaluation == subproc.evaluation
    assert [row["train/loss"] for row in dummy.metrics()[1:-1]] == [
        row["train/loss"] for row in subproc.metrics()[1:-1]
    ]


def test_a_failed_run_starts_again_when_the_environment_is_repaired(chaotic: Chaotic):
    with pytest.raises(NonFiniteReward):
        train(chaotic("nan reward"))
    with pytest.raises(NonFiniteReward):
        train(chaotic("nan reward"))
    assert [row["timesteps"] for row in metrics_of(chaotic("nan reward"))] == [32, 64, 72]


@pytest.mark.parametrize("vectorization", ["dummy", "subproc"])
def test_a_fault_before_the_first_step_leaves_the_folder_to_the_next_run(vectorization, chaotic: Chaotic):
    config = chaotic("error", vectorization, env_kwargs={"fault": "error", "at": 0})
    with pytest.raises(EnvironmentFailed, match=r"environment 1 failed in reset\(\) at step 0"):
        train(config)
    assert record_of(config)["failure"]["step"] == 0
    assert metrics_of(config) == []
    assert train(chaotic("none", timesteps=32)).record["timesteps"] == 32


def test_an_update_that_fails_leaves_one_row_for_its_step(chaotic: Chaotic, monkeypatch):
    def fail(_: Any) -> None:
        raise NonFiniteUpdate("the update was refused")

    monkeypatch.setattr(MemoryPPO, "train", fail)
    with pytest.raises(NonFiniteUpdate):
        train(chaotic("none"))
    assert [row["timesteps"] for row in metrics_of(chaotic("none"))] == [32]


def test_the_first_error_is_the_one_that_is_raised(chaotic: Chaotic, monkeypatch):
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(MemoryPPO, "save", fail)
    with pytest.raises(EnvironmentFailed) as caught:
        train(chaotic("error"))
    assert caught.value.__notes__ == ["Nor could all be kept that there was: no space left"]


def test_a_loss_that_is_not_finite_ends_a_run_before_the_update(chaotic: Chaotic):
    config = chaotic("huge reward")
    with pytest.raises(NonFiniteUpdate, match="value loss of this rollout is inf"):
        train(config)
    assert record_of(config)["failure"]["type"] == "NonFiniteUpdate"
    assert MemoryPPO.load(config.run_folder / "checkpoints" / "failed.zip")._n_updates == 2


def test_the_command_line_says_it_in_one_line(tmp_path, capsys):
    arguments = ["--env", "chaos:Chaos-v0", "--env-kwargs", "fault=error", "--n-envs", "2", "--timesteps", "64"]
    assert main(["train", *arguments, "--folder", str(tmp_path / "run"), "--vectorization", "dummy"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("memagents: EnvironmentFailed: environment 1 failed in step() at step 5 with ValueError: no")


def test_impossible_backends_are_refused_before_anything_is_built(chaotic: Chaotic, tmp_path):
    with pytest.raises(ValueError, match=r"step_timeout=2.0 needs vectorization='subproc', got 'dummy'"):
        train(chaotic("none", step_timeout=2.0))
    with pytest.raises(ValueError, match="Chaos-v0 has no natively batched environment"):
        train(chaotic("none", vectorization="batched"))
    assert list(tmp_path.iterdir()) == []
