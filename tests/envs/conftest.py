"""What the tests of all families share."""

from collections.abc import Callable

import numpy as np
import pytest
from memagents_envs import BatchedEnv
from numpy.typing import NDArray

Play = Callable[[BatchedEnv, Callable[[NDArray], NDArray]], tuple[NDArray, NDArray]]


@pytest.fixture
def play_one_episode_each() -> Play:
    """Plays the first episode of every row: returns and successes [B]. (A fixed number of steps favours short ones.)"""

    def play(env: BatchedEnv, policy: Callable[[NDArray], NDArray]) -> tuple[NDArray, NDArray]:
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
