"""What the tests of all families share."""

from collections.abc import Callable

import numpy as np
import pytest
from memagents_envs import BatchedEnv
from numpy.typing import NDArray

Policy = Callable[[NDArray], NDArray]
Play = Callable[[BatchedEnv, Policy], tuple[NDArray, NDArray]]


@pytest.fixture
def play_one_episode_each() -> Play:
    """Plays the first episode of every row: returns and successes [B]. (A fixed number of steps favours short ones.)"""

    def play(env: BatchedEnv, policy: Policy) -> tuple[NDArray, NDArray]:
        returns, successes = np.zeros(env.num_envs), np.zeros(env.num_envs, np.bool_)
        running = np.ones(env.num_envs, np.bool_)
        observations, _ = env.reset(seed=0)
        while running.any():
            observations, rewards, terminated, truncated, infos = env.step(policy(observations))
            returns += rewards * running
            if infos:
                successes |= running & infos["final_info"].get("is_success", False)
            running &= ~(terminated | truncated)
        return returns, successes

    return play


@pytest.fixture
def most_frequent_answers() -> Callable[[BatchedEnv], Policy]:
    """Watches one episode of every row: the policy that gives, at an observation, the answer most often right there.

    Where answers change neither what is seen nor how long an episode takes, no memoryless policy is better, but for
    the chance in what was watched.
    """

    def watch(env: BatchedEnv) -> Policy:
        kinds = getattr(env.single_observation_space, "nvec", None)
        sizes = (env.single_observation_space.n,) if kinds is None else tuple(kinds)
        right = np.zeros((*sizes, env.single_action_space.n), np.int64)
        observations, _ = env.reset(seed=1_000_000)
        ended = False
        while not ended:
            answers = env.oracle()
            seen, (observations, rewards, terminated, _, _) = observations, env.step(answers)
            np.add.at(right, (*cells_of(seen), answers), rewards > 0)
            ended = terminated.all()
        table = right.argmax(axis=-1)
        return lambda observations: table[cells_of(observations)]

    return watch


def cells_of(observations: NDArray) -> tuple[NDArray, ...]:
    return tuple(np.atleast_2d(observations.T))
