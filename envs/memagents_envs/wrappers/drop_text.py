"""Observations without their texts."""

from typing import Any

import gymnasium
from gymnasium.spaces import Dict, Space
from gymnasium.utils import RecordConstructorArgs

Entries = dict[str, Any]


class DropText(gymnasium.ObservationWrapper[Entries, Any, Entries], RecordConstructorArgs):
    """Leaves the texts out of a Dict observation, as the `mission` of MiniGrid.

    Args:
        env: its observations are a Dict.

    Raises:
        ValueError: for another observation space, or a Dict of nothing but texts.
    """

    def __init__(self, env: gymnasium.Env[Entries, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, Dict):
            raise ValueError(f"texts can be dropped from a Dict observation, got {space}")
        kept = {key: entry for key, entry in space.spaces.items() if not is_text(entry)}
        if not kept:
            raise ValueError(f"there is nothing but text in {space}")
        self.kept = tuple(kept)
        self.observation_space = Dict(kept)

    def observation(self, observation: Entries) -> Entries:
        """The entries that are no text."""
        return {key: observation[key] for key in self.kept}


def is_text(space: Space[Any]) -> bool:
    """Whether the elements are strings: gymnasium's Text, and spaces of other packages as MiniGrid's MissionSpace."""
    return space.dtype is not None and space.dtype.kind == "U"
