"""One entry of an observation that has several."""

from typing import Any

import gymnasium
from gymnasium.spaces import Dict
from gymnasium.utils import RecordConstructorArgs


class Entry(gymnasium.ObservationWrapper[Any, Any, dict[str, Any]], RecordConstructorArgs):
    """Shows one entry of a Dict observation, and nothing else.

    Args:
        env: its observations are a Dict.
        name: of the entry.

    Raises:
        ValueError: for an observation that has no such entry.
    """

    def __init__(self, env: gymnasium.Env[dict[str, Any], Any], name: str) -> None:
        RecordConstructorArgs.__init__(self, name=name)
        super().__init__(env)
        entries, self.name = env.observation_space, name
        if not isinstance(entries, Dict) or name not in entries.spaces:
            raise ValueError(f"expected a Dict observation with the entry {name!r}, got {entries}")
        self.observation_space = entries[name]

    def observation(self, observation: dict[str, Any]) -> Any:
        """The entry."""
        return observation[self.name]
