"""Observations that stable-baselines3 cannot read, made into ones that it can."""

from typing import Any

import gymnasium
from gymnasium.spaces import Dict, Space, Text, Tuple
from gymnasium.utils import RecordConstructorArgs


class TupleToDict(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """A Tuple observation as a Dict with the entries "0", "1" and so on, in their order.

    Raises:
        ValueError: for an observation that is no Tuple.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        parts = env.observation_space
        if not isinstance(parts, Tuple):
            raise ValueError(f"TupleToDict needs a Tuple observation, got {parts}")
        self.observation_space = Dict({str(i): part for i, part in enumerate(parts.spaces)})

    def observation(self, observation: Any) -> dict[str, Any]:
        """The entries by their number."""
        return {str(i): part for i, part in enumerate(observation)}


class DropText(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """A Dict observation without its texts. For tasks that say the same in every episode, so that nothing is lost.

    Raises:
        ValueError: for an observation that is no Dict, or holds no text.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        entries = env.observation_space
        if not isinstance(entries, Dict) or not any(map(is_text, entries.values())):
            raise ValueError(f"DropText needs a Dict observation with a text in it, got {entries}")
        self.kept = {name: space for name, space in entries.items() if not is_text(space)}
        self.observation_space = Dict(self.kept)

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """All but the texts."""
        return {name: value for name, value in observation.items() if name in self.kept}


def is_text(space: Space[Any]) -> bool:
    """Whether the elements of a space are strings; MiniGrid's own MissionSpace is no gymnasium Text."""
    return isinstance(space, Text) or (space.dtype is not None and space.dtype.kind == "U")


class Entry(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """One entry of a Dict observation.

    Raises:
        ValueError: for an observation that has no such entry.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], name: str) -> None:
        RecordConstructorArgs.__init__(self, name=name)
        super().__init__(env)
        entries, self.name = env.observation_space, name
        if not isinstance(entries, Dict) or name not in entries.spaces:
            raise ValueError(f"Entry needs a Dict observation with the entry {name!r}, got {entries}")
        self.observation_space = entries[name]

    def observation(self, observation: dict[str, Any]) -> Any:
        """The entry."""
        return observation[self.name]
