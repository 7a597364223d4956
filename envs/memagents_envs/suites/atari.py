"""Atari games with a flickering screen (Hausknecht and Stone, "Deep recurrent Q-learning for partially observable
MDPs", 2015, whose Pong it is that needs memory only when the screen is blank at random).

One id for every game of the Arcade Learning Environment: `MemAgents/FlickeringPong-v5`. Adapted: gymnasium's
`AtariPreprocessing` (grey, 84×84, four frames a step, up to 30 no-ops at the start), then `Flicker`. Sticky actions
stay as `ALE/...-v5` has them. An untrained agent can stand about for all of an episode's 27,000 steps; the argument
`max_num_frames_per_episode` makes it shorter.
"""

from gymnasium.wrappers import AtariPreprocessing

from memagents_envs.suites import adapt, import_suite, own_specs
from memagents_envs.wrappers import Flicker

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
