"""Environments that need memory, natively batched. Importing this package registers them with gymnasium:

    gymnasium.make("memagents_envs:MemAgents/TMaze-v0", corridor_length=5)
    gymnasium.make_vec("memagents_envs:MemAgents/TMaze-v0", num_envs=8, vectorization_mode="vector_entry_point")

They are registered without `max_episode_steps`, since every family owns its time limit.
"""

from gymnasium import register

from memagents_envs.batched import BatchedEnv, Transition
from memagents_envs.repeat_previous import RepeatPrevious, SingleRepeatPrevious
from memagents_envs.single import SingleEnv
from memagents_envs.t_maze import SingleTMaze, TMaze

__all__ = [
    "BatchedEnv",
    "RepeatPrevious",
    "SingleEnv",
    "SingleRepeatPrevious",
    "SingleTMaze",
    "TMaze",
    "Transition",
]

register(
    "MemAgents/TMaze-v0",
    entry_point="memagents_envs.t_maze:SingleTMaze",
    vector_entry_point="memagents_envs.t_maze:TMaze",
)
register(
    "MemAgents/RepeatPrevious-v0",
    entry_point="memagents_envs.repeat_previous:SingleRepeatPrevious",
    vector_entry_point="memagents_envs.repeat_previous:RepeatPrevious",
)
