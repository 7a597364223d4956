"""What wrappers that draw random numbers share."""

import zlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from memagents_envs.batched import Array


class RandomisedObservation(gymnasium.ObservationWrapper[Array, Any, Array]):
    """An observation wrapper with a random generator of its own, so that the environment's episodes stay the same.

    `reset(seed=s)` seeds it with s and the name of the class: other numbers than the environment draws from s, and
    other ones than another wrapper does.

    Args:
        env: its observations are a Box, of any shape.

    Raises:
        ValueError: for another observation space.
    """

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        super().__init__(env)
        if not isinstance(env.observation_space, Box):
            raise ValueError(f"{type(self).__name__} is for observations that are a Box, got {env.observation_space}")
        self.box = env.observation_space
        self.generator = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts an episode: from `seed`, or from where the random streams stand."""
        if seed is not None:
            name = zlib.crc32(type(self).__name__.encode())
            self.generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(name,)))
        return super().reset(seed=seed, options=options)
