"""Environments that need memory, natively batched. Importing this package registers them with gymnasium:

    gymnasium.make("memagents_envs:MemAgents/TMaze-v0", corridor_length=5)
    gymnasium.make_vec("memagents_envs:MemAgents/TMazeHard-v0", num_envs=8, vectorization_mode="vector_entry_point")

Every family has an id of its own, which takes all its knobs, and one for each of its grades: Easy, Medium and Hard.
They are registered without `max_episode_steps`, since every family owns its time limit.

`memagents_envs.wrappers` hides part of what any other environment shows, and `memagents_envs.suites` has those of
others, also gymnasium's control tasks without velocities.
"""

from gymnasium import register

from memagents_envs.autoencode import Autoencode, SingleAutoencode
from memagents_envs.bandit import Bandit, SingleBandit
from memagents_envs.batched import BatchedEnv, Snapshot, Transition
from memagents_envs.concentration import Concentration, SingleConcentration
from memagents_envs.copy import Copy, SingleCopy
from memagents_envs.count_recall import CountRecall, SingleCountRecall
from memagents_envs.cue_rewriting import CueRewriting, SingleCueRewriting
from memagents_envs.key_to_door import KeyToDoor, SingleKeyToDoor
from memagents_envs.key_value_recall import KeyValueRecall, SingleKeyValueRecall
from memagents_envs.occluded_cart_pole import OccludedCartPole, SingleOccludedCartPole
from memagents_envs.occluded_pendulum import OccludedPendulum, SingleOccludedPendulum
from memagents_envs.pixel_maze import PixelMaze, SinglePixelMaze
from memagents_envs.repeat_first import RepeatFirst, SingleRepeatFirst
from memagents_envs.repeat_previous import RepeatPrevious, SingleRepeatPrevious
from memagents_envs.single import SingleEnv
from memagents_envs.t_maze import SingleTMaze, TMaze
from memagents_envs.t_maze_active import SingleTMazeActive, TMazeActive

__all__ = [
    "FAMILIES",
    "Autoencode",
    "Bandit",
    "BatchedEnv",
    "Concentration",
    "Copy",
    "CountRecall",
    "CueRewriting",
    "KeyToDoor",
    "KeyValueRecall",
    "OccludedCartPole",
    "OccludedPendulum",
    "PixelMaze",
    "RepeatFirst",
    "RepeatPrevious",
    "SingleAutoencode",
    "SingleBandit",
    "SingleConcentration",
    "SingleCopy",
    "SingleCountRecall",
    "SingleCueRewriting",
    "SingleEnv",
    "SingleKeyToDoor",
    "SingleKeyValueRecall",
    "SingleOccludedCartPole",
    "SingleOccludedPendulum",
    "SinglePixelMaze",
    "SingleRepeatFirst",
    "SingleRepeatPrevious",
    "SingleTMaze",
    "SingleTMazeActive",
    "Snapshot",
    "TMaze",
    "TMazeActive",
    "Transition",
]

FAMILIES: dict[str, type[SingleEnv]] = {
    "TMaze": SingleTMaze,
    "TMazeActive": SingleTMazeActive,
    "RepeatFirst": SingleRepeatFirst,
    "RepeatPrevious": SingleRepeatPrevious,
    "Copy": SingleCopy,
    "Autoencode": SingleAutoencode,
    "KeyValueRecall": SingleKeyValueRecall,
    "CountRecall": SingleCountRecall,
    "Concentration": SingleConcentration,
    "CueRewriting": SingleCueRewriting,
    "KeyToDoor": SingleKeyToDoor,
    "Bandit": SingleBandit,
    "OccludedCartPole": SingleOccludedCartPole,
    "OccludedPendulum": SingleOccludedPendulum,
    "PixelMaze": SinglePixelMaze,
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
