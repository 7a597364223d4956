"""An environment that goes wrong in a chosen way, at a chosen step."""

import os
import signal
import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class DoorError(Exception):
    """An error of an environment's own, which no constructor with one argument can make again."""

    def __init__(self, door: str, floor: int) -> None:
        super().__init__(f"{door} door on floor {floor}")
        self.door, self.floor = door, floor


STEP = 37
"""Where runs of rollouts of 16 steps go wrong: the fifth step of the third rollout."""

REWARDS = {"nan reward": np.nan, "infinite reward": np.inf, "huge reward": 1e30}


class ChaosEnv(gym.Env[Any, Any]):
    """Harmless noise for `at` steps, and then a fault; episodes end at random, with a chance of 1 in 8.

    Args:
        fault: what goes wrong; "none" for nothing.
        at: the step, counted over all episodes, at which it does; 0 is the first reset.
        where: which of the environments, told from one another by the seeds of their first reset; None for every one.
        first_seed: of environment 0.
        dict_space: whether observations are a Dict.
    """

    action_space = spaces.Discrete(2)

    def __init__(
        self, fault: str = "none", at: int = 5, where: int | None = 1, first_seed: int = 0, dict_space: bool = False
    ) -> None:
        box = spaces.Box(-1.0, 1.0, (3,), np.float32)
        self.observation_space = spaces.Dict({"eye": box, "ear": box}) if dict_space else box
        self.fault, self.at, self.seed = fault, at, None if where is None else first_seed + where
        self.dict_space, self.index, self.steps = dict_space, -1, 0
        self.is_faulty = False

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.is_faulty = self.seed in (None, seed)
        if self.fault == "error in reset" and self.is_faulty and self.steps >= self.at:
            raise ValueError("no way back")
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        ended = bool(self.np_random.random() < 0.125)
        truncated = False
        reward = REWARDS.get(self.fault, 1.0) if self._now() else 1.0
        if self.fault == "zero-length episodes" and self.is_faulty:
            ended = True
        if self.fault == "nan terminal observation" and self._now():
            ended, truncated = False, True
        return self._observation(truncated), reward, ended, truncated, {}

    def _now(self) -> bool:
        return self.is_faulty and self.steps == self.at

    def _observation(self, terminal: bool = False) -> Any:
        values: Any = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        if self._now():
            values = self._wrong(values, terminal)
        return {"eye": values, "ear": np.zeros(3, np.float32)} if self.dict_space else values

    def _wrong(self, values: np.ndarray, terminal: bool) -> Any:
        if self.fault == "nan observation" or (self.fault == "nan terminal observation" and terminal):
            values[2] = np.nan
        elif self.fault == "infinite observation":
            values[0] = -np.inf
        elif self.fault == "wrong shape":
            return values[:2]
        elif self.fault == "out of range":
            values[1] = 7.0
        elif self.fault == "wrong type":
            return values.astype(np.float64)
        elif self.fault == "error":
            raise ValueError("no such door")
        elif self.fault == "odd error":
            raise DoorError("green", 3)
        elif self.fault == "hang":
            time.sleep(3600)
        elif self.fault == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        return values


gym.register("Chaos-v0", ChaosEnv)
