"""Observations of which some components are left out."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs

from memagents_envs.batched import Array


class HideComponents(gymnasium.ObservationWrapper[Array, Any, Array], RecordConstructorArgs):
    """Leaves components out of a flat observation; those that stay keep their order, bounds and dtype.

    Args:
        env: its observations are a Box of one axis, of D components.
        hidden: which to leave out, from 0 to D - 1; not all of them.

    Raises:
        ValueError: for another observation space, or components that are not there, or if none would be left.
    """

    def __init__(self, env: gymnasium.Env[Array, Any], hidden: Sequence[int]) -> None:
        RecordConstructorArgs.__init__(self, hidden=tuple(hidden))
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, Box) or len(space.shape) != 1:
            raise ValueError(f"components can be hidden of an observation that is a Box of one axis, got {space}")
        size = space.shape[0]
        self.shown = np.setdiff1d(np.arange(size), np.array(hidden, np.int64))
        if not set(hidden) <= set(range(size)):
            raise ValueError(f"hidden must be components from 0 to {size - 1}, got {hidden!r}")
        if not self.shown.size:
            raise ValueError(f"hidden must leave at least one of {size} components, got {hidden!r}")
        self.observation_space = Box(space.low[self.shown], space.high[self.shown], dtype=space.dtype)

    def observation(self, observation: Array) -> Array:
        """The components that are shown, in a fresh array."""
        return observation[self.shown]
