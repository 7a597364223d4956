"""MiniGrid's memory corridors (Chevalier-Boisvert et al., "Minigrid & Miniworld", 2023).

An object stands in a small room; at the far end of a corridor stand two, and the episode is won by going to the one of
the same kind. Six ids by size, S7 to S17Random. Adapted: the mission, the same sentence in every episode, is dropped,
and what the agent sees, 7×7 cells of three category numbers each, comes in two forms.

* `MemAgents/MiniGrid-MemoryS7-v0`: `image`, one-hot [7, 7, 20], and `direction`, for the policy of Dicts.
* `MemAgents/MiniGrid-MemoryS7-RGB-v0`: the same view as a picture [56, 56, 3], for CNNs.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from memagents_envs.suites import adapt, import_suite, own_specs
from memagents_envs.wrappers import DropText, Entry

import_suite("minigrid")

from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX  # noqa: E402
from minigrid.wrappers import RGBImgPartialObsWrapper  # noqa: E402

CATEGORIES = (len(OBJECT_TO_IDX), len(COLOR_TO_IDX), len(STATE_TO_IDX))
"""How many kinds of object, colours and states there are."""


class OneHotView(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """The entry `image` [height, width, 3] of category numbers as one-hot [height, width, 20]."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        entries = env.observation_space
        assert isinstance(entries, Dict)
        assert entries["image"].shape is not None
        height, width, _ = entries["image"].shape
        image = Box(0, 1, (height, width, sum(CATEGORIES)), np.uint8)
        self.observation_space = Dict({**entries.spaces, "image": image})

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The observation with its image one-hot."""
        return {**observation, "image": one_hot(observation["image"])}


def one_hot(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Object, colour and state of every cell, one-hot one after the other."""
    parts = [np.eye(size, dtype=np.uint8)[image[..., i]] for i, size in enumerate(CATEGORIES)]
    return np.concatenate(parts, axis=-1)


SYMBOLS = (DropText.wrapper_spec(), OneHotView.wrapper_spec())
PICTURE = (RGBImgPartialObsWrapper.wrapper_spec(tile_size=8), Entry.wrapper_spec(name="image"))

IDS = tuple(
    env_id
    for spec in own_specs("MiniGrid-Memory")
    for env_id in (adapt(spec, *SYMBOLS), adapt(spec, *PICTURE, name=f"{spec.name}-RGB-v{spec.version}"))
)
