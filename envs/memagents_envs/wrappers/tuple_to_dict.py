"""Tuple observations as Dict ones, which stable-baselines3 takes."""

from typing import Any

import gymnasium
from gymnasium.spaces import Dict, Tuple
from gymnasium.utils import RecordConstructorArgs


class TupleToDict(
    gymnasium.ObservationWrapper[dict[str, Any], Any, tuple[Any, ...]],
    RecordConstructorArgs,
):
    """Names the entries of a Tuple observation "0", "1" and so on. Entries that are Tuples stay as they are.

    Args:
        env: its observations are a Tuple.

    Raises:
        ValueError: for another observation space.
    """

    def __init__(self, env: gymnasium.Env[tuple[Any, ...], Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        if not isinstance(env.observation_space, Tuple):
            raise ValueError(f"expected observations that are a Tuple, got {env.observation_space}")
        self.observation_space = Dict(named(env.observation_space.spaces))

    def observation(self, observation: tuple[Any, ...]) -> dict[str, Any]:
        """The entries by name."""
        return named(observation)


def named(entries: Any) -> dict[str, Any]:
    """Entries by the number of their place."""
    return {str(place): entry for place, entry in enumerate(entries)}
