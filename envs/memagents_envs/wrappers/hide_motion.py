"""Observations without the velocities, or without the positions, of whatever moves in an environment."""

from typing import Any, NamedTuple

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from memagents_envs.batched import Array
from memagents_envs.wrappers.hide_components import HideComponents


class Motion(NamedTuple):
    """Which components of an observation are what."""

    positions: tuple[int, ...]
    velocities: tuple[int, ...]
    size: int
    """Components in all; some may be neither."""


KNOWN = {
    "CartPoleEnv": Motion((0, 2), (1, 3), 4),
    "MountainCarEnv": Motion((0,), (1,), 2),
    "Continuous_MountainCarEnv": Motion((0,), (1,), 2),
    "PendulumEnv": Motion((0, 1), (2,), 3),
    "AcrobotEnv": Motion((0, 1, 2, 3), (4, 5), 6),
    "LunarLander": Motion((0, 1, 4), (2, 3, 5), 8),  # 6 and 7 tell which leg touches the ground
}
"""gymnasium's environments by the name of their class."""

MUJOCO_POSITIONS, MUJOCO_VELOCITIES = ("qpos", "ten_length"), ("qvel", "cvel", "ten_velocity")
"""Parts of what MuJoCo environments from v5 on say of their observations in `observation_structure`."""


class HideVelocities(HideComponents):
    """Leaves the velocities out. Of MuJoCo environments these are `qvel`, and Humanoid's `cvel`.

    Args:
        env: CartPole, MountainCar (discrete or continuous), Pendulum, Acrobot, LunarLander, or a MuJoCo environment
            that has an `observation_structure`: Ant, HalfCheetah, Hopper, Humanoid, HumanoidStandup,
            InvertedPendulum, Swimmer and Walker2d from v5 on.

    Raises:
        ValueError: for an environment that is not known.
    """

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env, motion_of(env).velocities)


class HidePositions(HideComponents):
    """Leaves the positions and angles out; what is neither position nor velocity, as contacts, stays.

    Args:
        env: as for `HideVelocities`.

    Raises:
        ValueError: for an environment that is not known.
    """

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env, motion_of(env).positions)


def motion_of(env: gymnasium.Env[Array, Any]) -> Motion:
    """Which components of the observation are positions, and which are velocities."""
    structure = getattr(env.unwrapped, "observation_structure", None)
    names = [cls.__name__ for cls in type(env.unwrapped).__mro__]
    found = [KNOWN[name] for name in names if name in KNOWN] if structure is None else [laid_out(structure)]
    if not found or env.observation_space.shape != (found[0].size,):
        raise ValueError(
            f"which components of {env.observation_space} are positions or velocities is not known for {env}; known "
            f"are {', '.join(KNOWN)}, as they are, and MuJoCo environments with an observation_structure. For any "
            "other, name the components: HideComponents(env, hidden=...)"
        )
    return found[0]


def laid_out(structure: dict[str, int]) -> Motion:
    """The parts of a MuJoCo observation one after the other; `skipped_qpos` counts what is not in it."""
    components: dict[str, range] = {}
    start = 0
    for name, size in structure.items():
        if name != "skipped_qpos":
            components[name] = range(start, start + int(size))
            start += int(size)
    positions, velocities = (
        tuple(index for name in names if name in components for index in components[name])
        for names in (MUJOCO_POSITIONS, MUJOCO_VELOCITIES)
    )
    return Motion(positions, velocities, start)
