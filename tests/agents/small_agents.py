"""An environment with any spaces, whose episodes end at random; and small agents to put into it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from memagents import MemoryA2C, MemoryPPO, list_memories

ALGORITHMS = {"ppo": MemoryPPO, "a2c": MemoryA2C}

memories = pytest.mark.parametrize("memory", list_memories())
algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)


class RandomEnv(gym.Env[Any, Any]):
    """Observations are noise, rewards depend on the action, episodes end or are cut off with a chance of 1 in 5."""

    def __init__(self, observation_space: spaces.Space[Any] | None = None, action_space: Any = None) -> None:
        self.observation_space = observation_space or spaces.Box(-1, 1, (3,))
        self.action_space = action_space or spaces.Discrete(3)
        self.received: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.received.append(action)
        end = self.np_random.random()
        return self.observation_space.sample(), float(np.mean(action)), end < 0.1, 0.1 <= end < 0.2, {}


def random_vec_env(num_envs: int = 4, **spaces_of_env: Any) -> VecMonitor:
    return VecMonitor(DummyVecEnv([lambda: RandomEnv(**spaces_of_env) for _ in range(num_envs)]))


def collect(model: Any) -> Any:
    """Fills the model's buffer with its first rollout, without an update."""
    _, callback = model._setup_learn(1, None)
    callback.on_training_start(locals(), globals())
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    return model.rollout_buffer
