"""Environments that raise, die or hang are named, and can be closed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from chaos import ChaosEnv, DoorError

from memagents import make_vec_env
from memagents.agents.guarded_vec_envs import GuardedDummyVecEnv, GuardedSubprocVecEnv
from memagents.agents.named_envs import Failure
from memagents.errors import EnvironmentFailed, EnvironmentTimeout, EnvironmentWorkerDied, ObservationOutsideSpace

VECTORIZATIONS = ["dummy", "subproc"]
ACTIONS = np.zeros(3, np.int64)


@pytest.fixture
def chaotic() -> Iterator[Any]:
    """Makes three environments, of which the second has a fault."""
    made = []

    def make(vectorization: str, step_timeout: float | None = None, **options: Any) -> Any:
        made.append(
            make_vec_env(
                "chaos:Chaos-v0", 3, 0, env_kwargs=options, vectorization=vectorization, step_timeout=step_timeout
            )
        )
        return made[-1]

    yield make
    for venv in made:
        venv.close()


def steps(venv: Any, count: int) -> None:
    venv.reset()
    for _ in range(count):
        venv.step(ACTIONS)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("vectorization", VECTORIZATIONS)
@pytest.mark.parametrize(("at", "doing"), [(5, "step"), (0, "reset")])
def test_an_environment_that_raises_is_named_with_its_step_and_error(vectorization, at, doing, chaotic):
    message = rf"environment 1 failed in {doing}\(\) at step {at} with ValueError: no such door"
    with pytest.raises(EnvironmentFailed, match=message) as caught:
        steps(chaotic(vectorization, fault="error", at=at), 10)
    assert (caught.value.environment, caught.value.step) == (1, at)
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(caught.value.__cause__) == "no such door"


def test_the_cause_tells_where_in_the_worker_it_was(chaotic):
    with pytest.raises(EnvironmentFailed) as caught:
        steps(chaotic("subproc", fault="error"), 10)
    (note,) = caught.value.__cause__.__notes__
    assert "In the worker process:" in note
    assert 'raise ValueError("no such door")' in note


def test_an_error_that_cannot_be_pickled_is_described():
    for error in (DoorError("green", 3), ValueError(lambda: None)):
        cause = Failure.of("step", error).cause()
        assert isinstance(cause, RuntimeError)
        assert type(error).__name__ in str(cause)


@pytest.mark.parametrize("vectorization", VECTORIZATIONS)
def test_an_observation_of_another_shape_is_named(vectorization, chaotic):
    message = r"observation of environment 1 at step 5 has shape \(2,\), its space \(3,\)"
    with pytest.raises(ObservationOutsideSpace, match=message) as caught:
        steps(chaotic(vectorization, fault="wrong shape"), 10)
    assert (caught.value.environment, caught.value.step) == (1, 5)


def test_an_entry_that_is_missing_is_named():
    venv = GuardedDummyVecEnv([lambda: ChaosEnv(dict_space=True)])
    venv.envs[0].unwrapped._observation = lambda *_: {"eye": np.zeros(3, np.float32)}
    with pytest.raises(ObservationOutsideSpace, match="observation 'ear' of environment 0 at step 0 is not there"):
        venv.reset()


def test_another_type_is_reported_once_before_it_is_converted(chaotic):
    venv = chaotic("dummy", fault="wrong type")
    with pytest.warns(UserWarning, match="observation of environment 1 has type float64, its space float32"):
        steps(venv, 10)
    venv.envs[1].unwrapped.steps = 0
    steps(venv, 10)


def test_a_worker_that_was_killed_is_named_with_its_signal(chaotic):
    venv = chaotic("subproc", fault="death")
    with pytest.raises(EnvironmentWorkerDied, match=r"process of environment 1 was ended by signal 9 \(Killed\)") as e:
        steps(venv, 10)
    assert (e.value.environment, e.value.step, e.value.exit_code) == (1, 5, -signal.SIGKILL)
    with pytest.raises(EnvironmentWorkerDied, match=r"environment 1 .*at step 6"):
        venv.step(ACTIONS)
    with pytest.raises(EnvironmentWorkerDied, match="environment 1"):
        venv.get_attr("spec")
    assert_closes(venv)


def test_a_worker_that_is_killed_between_two_steps_is_named(chaotic):
    venv = chaotic("subproc")
    steps(venv, 2)
    venv.processes[2].kill()
    venv.processes[2].join()
    with pytest.raises(EnvironmentWorkerDied, match="process of environment 2 was ended by signal 9"):
        venv.step(ACTIONS)
    assert_closes(venv)


def assert_closes(venv: GuardedSubprocVecEnv, within: float = 4.0) -> None:
    processes = [process.pid for process in venv.processes]
    started = time.monotonic()
    venv.close()
    venv.close()
    assert time.monotonic() - started < within
    assert not any(map(is_running, processes))


def test_a_worker_that_hangs_is_named_and_ended(chaotic):
    venv = chaotic("subproc", step_timeout=1.0, fault="hang")
    started = time.monotonic()
    with pytest.raises(
        EnvironmentTimeout, match="environment 1 did not answer within step_timeout=1 seconds at step 5"
    ):
        steps(venv, 10)
    assert time.monotonic() - started < 5
    assert_closes(venv)


def test_environments_that_hang_are_closed_without_a_timeout_too(chaotic, monkeypatch):
    monkeypatch.setattr("memagents.agents.workers.SECONDS_TO_CLOSE", 0.5)
    venv = chaotic("subproc", fault="hang", at=1)
    venv.reset()
    venv.step_async(ACTIONS)
    assert_closes(venv)


def test_a_close_in_the_middle_of_a_step_waits_for_its_end(chaotic):
    venv = chaotic("subproc")
    venv.reset()
    venv.step_async(ACTIONS)
    assert_closes(venv)
    assert [process.exitcode for process in venv.processes] == [0, 0, 0]


FORGETFUL = """
import numpy as np
from memagents import make_vec_env

venv = make_vec_env("CartPole-v1", 2, 0, vectorization="subproc")
venv.reset()
venv.step_async(np.zeros(2, np.int64))
print(*(process.pid for process in venv.processes))
"""


@pytest.mark.slow
def test_environments_that_nobody_closed_end_with_their_program():
    ended = subprocess.run([sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=100, check=True)
    workers = [int(process) for process in ended.stdout.split()]
    assert len(workers) == 2
    assert not any(map(is_running, workers))


def test_answers_that_are_no_observations_are_not_looked_at(chaotic):
    venv = chaotic("subproc", step_timeout=60.0)
    assert venv.get_attr("at") == [5, 5, 5]
    assert venv.env_method("get_wrapper_attr", "metadata") == venv.get_attr("metadata")
    assert venv.has_attr("fault")


def test_an_environment_that_cannot_be_made_is_named():
    def fail() -> Any:
        raise ValueError("no such corridor")

    with pytest.raises(EnvironmentWorkerDied, match="process of environment 0 ended with exit code 1; its own error"):
        GuardedSubprocVecEnv([fail, ChaosEnv])
    with pytest.raises(EnvironmentWorkerDied, match="process of environment 1 ended with exit code 1"):
        GuardedSubprocVecEnv([ChaosEnv, fail])


def test_a_timeout_that_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match=r"step_timeout must be above 0 seconds, got 0.0"):
        make_vec_env("chaos:Chaos-v0", 2, vectorization="subproc", step_timeout=0.0)
    with pytest.raises(ValueError, match=r"step_timeout=2.0 needs vectorization='subproc', got 'auto'"):
        make_vec_env("chaos:Chaos-v0", 2, step_timeout=2.0)


def test_observations_that_are_no_arrays_pass_unseen():
    env = make_vec_env("popgym:popgym-AutoencodeEasy-v0", 2, seed=0, vectorization="dummy")
    env.reset()
    observations, *_ = env.step(np.zeros(2, int))
    assert isinstance(observations, tuple)
    env.close()
