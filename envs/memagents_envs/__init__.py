"""Environments that need memory, natively batched. Importing this package registers them with gymnasium:

    gymnasium.make("memagents_envs:MemAgents/TMaze-v0", corridor_length=5)
    gymnasium.make_vec("memagents_envs:MemAgents/TMazeHard-v0", num_envs=8, vectorization_mode="vector_entry_point")

Every family has an id of its own, which takes all its knobs, and one for each of its grades: Easy, Medium and Hard.
They are registered without `max_episode_steps`, since every family owns its time limit.
"""

from gymnasium import register

from memagents_envs.batched import BatchedEnv, Snapshot, Transition
from memagents_envs.occluded_cart_pole import OccludedCartPole, SingleOccludedCartPole
from memagents_envs.occluded_pendulum import OccludedPendulum, SingleOccludedPendulum
from memagents_envs.pixel_maze import PixelMaze, SinglePixelMaze
from memagents_envs.repeat_previous import RepeatPrevious, SingleRepeatPrevious
from memagents_envs.single import SingleEnv
from memagents_envs.t_maze import SingleTMaze, TMaze

__all__ = [
    "FAMILIES",
    "BatchedEnv",
    "OccludedCartPole",
    "OccludedPendulum",
    "PixelMaze",
    "RepeatPrevious",
    "SingleEnv",
    "SingleOccludedCartPole",
    "SingleOccludedPendulum",
    "SinglePixelMaze",
    "SingleRepeatPrevious",
    "SingleTMaze",
    "Snapshot",
    "TMaze",
    "Transition",
]

FAMILIES: dict[str, type[SingleEnv]] = {
    "TMaze": SingleTMaze,
    "OccludedCartPole": SingleOccludedCartPole,
    "OccludedPendulum": SingleOccludedPendulum,
    "PixelMaze": SinglePixelMaze,
    "RepeatPrevious": SingleRepeatPrevious,
}
"""The single environment of every family, by the name in its ids; its `family` is the batched one."""

for name, single in FAMILIES.items():
    module = single.__module__
    for grade, knobs in {"": {}, **single.family.grades}.items():
        register(
            f"MemAgents/{name}{grade}-v0",
            entry_point=f"{module}:{single.__name__}",
            vector_entry_point=f"{module}:{single.family.__name__}",
            kwargs=knobs,
        )
