"""Observations that are blank now and then.

Source: Hausknecht and Stone, "Deep Recurrent Q-Learning for Partially Observable MDPs" (arXiv 1507.06527).
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs

from memagents_envs.batched import Array
from memagents_envs.knobs import number
from memagents_envs.wrappers.randomised import RandomisedObservation


class Flicker(RandomisedObservation, RecordConstructorArgs):
    """Blanks the whole observation with probability p, at every step anew, the first included: all zeros.

    Args:
        env: its observations are a Box, of numbers or an image; the bounds are widened to hold 0 where they do not.
        probability: p, from 0 to 1; the paper's is 0.5.

    Raises:
        ValueError: for another observation space, or a probability out of its range.
    """

    def __init__(self, env: gymnasium.Env[Array, Any], probability: float = 0.5) -> None:
        RecordConstructorArgs.__init__(self, probability=probability)
        super().__init__(env)
        self.probability = number("probability", probability, low=0.0, high=1.0)
        low, high = np.minimum(self.box.low, 0), np.maximum(self.box.high, 0)
        self.observation_space = Box(low, high, dtype=self.box.dtype)

    def observation(self, observation: Array) -> Array:
        """The observation, or zeros."""
        return np.zeros_like(observation) if self.generator.random() < self.probability else observation
