"""Environments that fail are made anew, as often as they may be, and nothing is made up about the episode."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chaos import ChaosEnv
from test_guarded_vec_envs import is_running

from memagents import make_vec_env
from memagents.agents.guarded_vec_envs import GuardedDummyVecEnv, GuardedSubprocVecEnv
from memagents.errors import EnvironmentFailed, EnvironmentTimeout, EnvironmentWorkerDied, ObservationOutsideSpace

Chaotic = Callable[..., Any]

FAULTS = {
    ("dummy", "error"): EnvironmentFailed,
    ("subproc", "error"): EnvironmentFailed,
    ("subproc", "hang"): EnvironmentTimeout,
    ("subproc", "death"): EnvironmentWorkerDied,
}
VECTORIZATIONS = ["dummy", "subproc"]
ACTIONS = np.zeros(3, np.int64)
STEP = 5


@pytest.fixture
def chaotic() -> Iterator[Chaotic]:
    """Makes three environments, of which the second fails at its fifth step."""
    made = []

    def make(vectorization: str, respawn: int = 1, step_timeout: float | None = None, **options: Any) -> Any:
        options = {"at": STEP, **options}
        made.append(
            make_vec_env(
                "chaos:Chaos-v0",
                3,
                0,
                env_kwargs=options,
                vectorization=vectorization,
                step_timeout=step_timeout,
                respawn=respawn,
            )
        )
        return made[-1]

    yield make
    for venv in made:
        venv.close()


def played(venv: Any, count: int = STEP + 5) -> list[Any]:
    """The first observations, and what every step gave."""
    return [venv.reset(), *(venv.step(ACTIONS[: venv.num_envs]) for _ in range(count))]


@pytest.mark.slow
@pytest.mark.parametrize(("vectorization", "fault"), FAULTS)
def test_an_interrupted_episode_is_truncated_at_its_last_observation(vectorization, fault, chaotic: Chaotic):
    healthy = played(chaotic(vectorization, fault="none"))
    venv = chaotic(vectorization, fault=fault, step_timeout=2.0 if fault == "hang" else None)
    with pytest.warns(UserWarning, match=rf"environment 1 .*step {STEP}.* made anew \(1 of respawn=1 times\)"):
        steps = played(venv)

    observations, rewards, dones, infos = steps[STEP]
    (event,) = venv.respawns.events
    assert dones[1]
    assert rewards[1] == 0.0
    assert infos[1]["TimeLimit.truncated"]
    assert "episode" not in infos[1]
    assert infos[1]["respawned"] == event
    assert np.array_equal(infos[1]["terminal_observation"], steps[STEP - 1][0][1])
    assert (event["environment"], event["step"], event["error"]) == (1, STEP, FAULTS[vectorization, fault].__name__)

    replacement = ChaosEnv()
    assert np.array_equal(observations[1], replacement.reset(seed=event["seed"])[0])
    assert np.array_equal(steps[STEP + 1][0][1], replacement.step(0)[0])
    for ours, theirs in zip(steps[1:], healthy[1:], strict=True):
        for one, other in zip(ours[:3], theirs[:3], strict=True):
            assert np.array_equal(one[[0, 2]], other[[0, 2]])


def test_seeds_are_those_of_run_environment_and_count_in_every_backend(chaotic: Chaotic):
    seeds = {}
    for vectorization in VECTORIZATIONS:
        venv = chaotic(vectorization, respawn=6, fault="error", where=None)
        with pytest.warns(UserWarning, match="made anew"):
            played(venv, 2 * STEP)
        seeds[vectorization] = [(event["environment"], event["seed"]) for event in venv.respawns.events]
    assert [environment for environment, _ in seeds["dummy"]] == [0, 1, 2, 0, 1, 2]
    assert len({seed for _, seed in seeds["dummy"]}) == 6
    assert seeds["dummy"] == seeds["subproc"]
    other = chaotic("dummy", respawn=3, fault="error", where=None)
    other.seed(1)
    with pytest.warns(UserWarning, match="made anew"):
        played(other, STEP)
    assert not {event["seed"] for event in other.respawns.events} & {seed for _, seed in seeds["dummy"]}


@pytest.mark.parametrize("vectorization", VECTORIZATIONS)
def test_the_limit_is_kept_over_all_environments(vectorization, chaotic: Chaotic):
    venv = chaotic(vectorization, respawn=4, fault="error", where=None)
    with (
        pytest.warns(UserWarning, match=r"made anew \([1-4] of respawn=4 times\)"),
        pytest.raises(EnvironmentFailed, match=rf"environment 1 failed in step\(\) at step {2 * STEP}") as caught,
    ):
        played(venv, 100)
    assert caught.value.__notes__ == ["Environments were made anew before, as often as respawn=4 allows."]
    assert len(venv.respawns.events) == 4


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["error", "hang", "death"])
def test_only_the_process_that_failed_is_ended_and_none_is_left(fault, chaotic: Chaotic):
    venv = chaotic("subproc", fault=fault, step_timeout=2.0 if fault == "hang" else None)
    before = [process.pid for process in venv.processes]
    with pytest.warns(UserWarning, match="made anew"):
        played(venv)
    after = [process.pid for process in venv.processes]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]
    # A zombie would still have a process id.
    assert [is_running(process) for process in (*before, *after)] == [True, False, True, True, True, True]
    venv.close()
    assert not any(map(is_running, after))


@pytest.mark.parametrize("vectorization", VECTORIZATIONS)
def test_an_episode_that_ended_before_its_environment_failed_keeps_its_end(vectorization, chaotic: Chaotic):
    healthy, venv = chaotic(vectorization, fault="none"), chaotic(vectorization, fault="error in reset", at=1)
    with pytest.warns(UserWarning, match=r"environment 1 failed in reset\(\)"):
        steps = played(venv, 40)
    first_end = next(i for i, step in enumerate(steps[1:]) if step[2][1])
    (_, reward, done, info), expected = (
        tuple(part[1] for part in s[first_end + 1]) for s in (steps, played(healthy, 40))
    )
    assert (reward, done, info["TimeLimit.truncated"]) == (expected[1], expected[2], False)
    assert info["episode"]["l"] == expected[3]["episode"]["l"]
    assert np.array_equal(info["terminal_observation"], expected[3]["terminal_observation"])


@pytest.mark.parametrize("vectorization", VECTORIZATIONS)
def test_an_environment_that_fails_in_its_first_reset_gets_another_seed(vectorization, chaotic: Chaotic):
    venv = chaotic(vectorization, fault="error", at=0)
    with pytest.warns(UserWarning, match=r"failed in reset\(\) at step 0"):
        first = venv.reset()
    assert np.array_equal(first[1], ChaosEnv().reset(seed=venv.respawns.events[0]["seed"])[0])


class Fragile(ChaosEnv):
    """Fails at its fifth step, and then in its next two constructions."""

    def __init__(self, notes: Path) -> None:
        with notes.open("a+") as file:
            file.write("made\n")
        if len(notes.read_text().splitlines()) in (2, 3):
            raise RuntimeError("the port is still in use")
        super().__init__("error", where=0)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [GuardedDummyVecEnv, GuardedSubprocVecEnv])
@pytest.mark.filterwarnings("ignore:.*made anew")
def test_an_environment_that_cannot_be_made_at_once_is_tried_again(cls, tmp_path):
    venvs = [cls([partial(Fragile, tmp_path / str(limit))], respawn=limit) for limit in (3, 2)]
    for venv in venvs:
        venv.seed(0)
    with closing(venvs[0]) as enough, closing(venvs[1]) as too_few:
        assert len(played(enough, 9)) == 10
        assert [event["step"] for event in enough.respawns.events] == [STEP] * 3
        with pytest.raises((EnvironmentFailed, EnvironmentWorkerDied)):
            played(too_few, 9)


def test_an_array_that_is_changed_in_place_is_kept_as_it_was(monkeypatch):
    def step(env: ChaosEnv, _: Any) -> Any:
        env.values += 1.0
        if env.values[0] == 3.0:
            raise ValueError("half done")
        return env.values, 0.0, False, False, {}

    def reset(env: ChaosEnv, **_: Any) -> Any:
        env.values = np.zeros(3, np.float32)
        return env.values, {}

    monkeypatch.setattr(ChaosEnv, "step", step)
    monkeypatch.setattr(ChaosEnv, "reset", reset)
    venv = GuardedDummyVecEnv([ChaosEnv], respawn=1)
    with pytest.warns(UserWarning, match="half done"):
        *_, (_, _, _, infos) = played(venv, 3)
    assert np.array_equal(infos[0]["terminal_observation"], [2.0, 2.0, 2.0])


@pytest.mark.parametrize("vectorization", VECTORIZATIONS)
def test_observations_that_do_not_fit_are_no_reason_to_begin_again(vectorization, chaotic: Chaotic):
    with pytest.raises(ObservationOutsideSpace):
        played(chaotic(vectorization, fault="wrong shape"))


def test_signals_that_ask_a_run_to_stop_are_no_failure_of_its_environments(chaotic: Chaotic):
    venv = chaotic("subproc", fault="none")
    venv.reset()
    for process in venv.processes:
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGTERM)
    assert len(played(venv)) == STEP + 6
    assert venv.respawns.events == []


def test_what_cannot_be_made_anew_is_refused():
    with pytest.raises(ValueError, match="respawn must be at least 0, got -1"):
        make_vec_env("CartPole-v1", respawn=-1)
    with pytest.raises(ValueError, match="respawn=2 needs vectorization='subproc' or 'dummy'"):
        make_vec_env("memagents_envs:MemAgents/TMaze-v0", 2, respawn=2)
