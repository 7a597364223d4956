"""bsuite's two experiments about memory (Osband et al., "Behaviour suite for reinforcement learning", ICLR 2020).

A context of bits shows at the first step only, a query at the last one: answer with the bit that it asks for. In
`memory_len` one bit is kept for 1 to 100 steps (23 settings), in `memory_size` 1 to 40 bits for two steps (17).
Adapted: dm_env's interface becomes gymnasium's, and an observation [1, bits + 2] is flat. The ids are those of bsuite,
with a hyphen for its slash: `memory_len/7` is `MemAgents/bsuite-memory_len-7-v0`.
"""

import importlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from memagents_envs.suites import NAMESPACE, import_suite

import_suite("bsuite")

EXPERIMENTS = ("memory_len", "memory_size")


class Bsuite(gymnasium.Env[NDArray[np.float32], np.int64]):
    """A setting of one of bsuite's experiments.

    Args:
        experiment: its name, such as "memory_len".
        setting: the number behind the slash of a bsuite id.
    """

    def __init__(self, experiment: str, setting: int) -> None:
        self._load: Any = importlib.import_module(f"bsuite.experiments.{experiment}.{experiment}").load
        self._setting = settings(experiment)[setting]
        self._env = self._load(**self._setting)
        size = int(np.prod(self._env.observation_spec().shape))
        self.observation_space = Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = Discrete(int(self._env.action_spec().num_values))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Starts a new episode; with a seed in an environment made anew, for bsuite takes seeds nowhere else."""
        super().reset(seed=seed)
        if seed is not None:
            self._env = self._load(**self._setting, seed=int(self.np_random.integers(2**32)))
        return self._flat(self._env.reset()), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Takes one action; an episode that dm_env ends with a discount of 0 is terminated, any other truncated."""
        step = self._env.step(int(action))
        terminated = bool(step.last() and step.discount == 0)
        return self._flat(step), float(step.reward), terminated, bool(step.last() and not terminated), {}

    def _flat(self, step: Any) -> NDArray[np.float32]:
        return np.array(step.observation, np.float32).ravel()


def settings(experiment: str) -> tuple[dict[str, Any], ...]:
    """The arguments of all settings of an experiment."""
    found: tuple[dict[str, Any], ...] = importlib.import_module(f"bsuite.experiments.{experiment}.sweep").SETTINGS
    return found


IDS = tuple(f"{NAMESPACE}bsuite-{name}-{number}-v0" for name in EXPERIMENTS for number in range(len(settings(name))))

for env_id in IDS:
    _, experiment, number, _ = env_id.split("-")
    gymnasium.register(
        env_id, f"{__name__}:{Bsuite.__name__}", kwargs={"experiment": experiment, "setting": int(number)}
    )
