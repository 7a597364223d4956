"""Gymnasium's MuJoCo tasks with positions only (`-P`) or velocities only (`-V`): see `masks`.

Sixteen ids: `MemAgents/HalfCheetah-P-v5`, and so on. They cannot be copied or pickled in the middle of an episode.
"""

from memagents_envs.suites import import_suite
from memagents_envs.suites.masks import masked

import_suite("mujoco")

IDS = masked(
    (
        "Ant-v5",
        "HalfCheetah-v5",
        "Hopper-v5",
        "Humanoid-v5",
        "HumanoidStandup-v5",
        "InvertedPendulum-v5",
        "Swimmer-v5",
        "Walker2d-v5",
    )
)
