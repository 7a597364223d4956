"""Gymnasium's classic control with positions only (`-P`) or velocities only (`-V`): see `masks`.

Ten ids: `MemAgents/CartPole-P-v1`, and so on for MountainCar, MountainCarContinuous, Pendulum and Acrobot.
"""

from memagents_envs.suites import import_suite
from memagents_envs.suites.masks import masked

import_suite("classic_control")

IDS = masked(("CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "Acrobot-v1"))
