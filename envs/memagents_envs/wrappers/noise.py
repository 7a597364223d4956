"""Observations with noise."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from memagents_envs.batched import Array
from memagents_envs.knobs import number
from memagents_envs.wrappers.randomised import RandomisedObservation


class Noise(RandomisedObservation, RecordConstructorArgs):
    """Adds Gaussian noise to every component of every observation, and clips the sum to the bounds of the space.

    Whole numbers, as of images, are rounded.

    Args:
        env: its observations are a Box.
        standard_deviation: of the noise, at least 0, in units of the observation.

    Raises:
        ValueError: for another observation space, or a standard deviation out of its range.
    """

    def __init__(self, env: gymnasium.Env[Array, Any], standard_deviation: float) -> None:
        RecordConstructorArgs.__init__(self, standard_deviation=standard_deviation)
        super().__init__(env)
        self.standard_deviation = number("standard_deviation", standard_deviation, low=0.0, high=1e6)

    def observation(self, observation: Array) -> Array:
        """The observation and noise, in a fresh array of its dtype."""
        noisy = observation + self.standard_deviation * self.generator.standard_normal(observation.shape)
        if np.issubdtype(self.box.dtype, np.integer):
            noisy = np.rint(noisy)
        return np.clip(noisy, self.box.low, self.box.high).astype(self.box.dtype)
