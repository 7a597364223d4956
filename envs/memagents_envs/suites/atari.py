"""Atari games with a flickering screen (Hausknecht and Stone, "Deep recurrent Q-learning for partially observable
MDPs", 2015, whose Pong it is that needs memory only when the screen is blank at random).

One id for every game of the Arcade Learning Environment: `MemAgents/FlickeringPong-v5`. Adapted: gymnasium's
`AtariPreprocessing` (grey, 84×84, four frames a step, up to 30 no-ops at the start), then `Flicker`. Sticky actions
stay as `ALE/...-v5` has them. An untrained agent can stand about for all of an episode's 27,000 steps; the argument
`max_num_frames_per_episode` makes it shorter.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import AtariPreprocessing

from memagents_envs.suites import adapt, import_suite, own_specs


class Flicker(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """An observation that is blank, all at its lowest value, at random.

    It draws from a generator of its own, seeded at reset, so that flickering changes nothing else of an episode.

    Args:
        env: the environment; its observation must be a Box.
        probability: of a blank, at every step alike.

    Raises:
        ValueError: for a probability outside [0, 1], or an observation that is no Box.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], probability: float = 0.5) -> None:
        RecordConstructorArgs.__init__(self, probability=probability)
        super().__init__(env)
        if not 0 <= probability <= 1:
            raise ValueError(f"probability must be from 0 to 1, got {probability!r}")
        if not isinstance(env.observation_space, Box):
            raise ValueError(f"Flicker needs a Box observation, got {env.observation_space}")
        self.probability, self._blank = probability, env.observation_space.low
        self._generator = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts a new episode; a seed seeds the flickering too."""
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        return super().reset(seed=seed, options=options)

    def observation(self, observation: Any) -> Any:
        """The observation or nothing."""
        return self._blank.copy() if self._generator.random() < self.probability else observation


import_suite("atari")

PREPROCESSING = AtariPreprocessing.wrapper_spec(grayscale_newaxis=True)

IDS = tuple(
    adapt(
        spec,
        PREPROCESSING,
        Flicker.wrapper_spec(probability=0.5),
        name=f"Flickering{spec.name}-v{spec.version}",
        kwargs={"frameskip": 1},  # AtariPreprocessing skips frames itself
    )
    for spec in own_specs("ALE/")
)
