"""Wrappers that hide part of what any gymnasium environment shows, or put it into a form that agents take.

What gymnasium has is not repeated: what showed some steps ago is shown by `gymnasium.wrappers.DelayObservation`, and
before that zeros, or what is nearest to zero in the space. (Its `AddWhiteNoise` and `ObstructView` change rendered
frames, not observations, and `FilterObservation`, which keeps entries of a Dict by name, cannot be pickled.) The last
action and reward are appended by the agents' side, for every environment: `make_vec_env(..., last_action_reward=True)`.
"""

from memagents_envs.wrappers.drop_text import DropText
from memagents_envs.wrappers.entry import Entry
from memagents_envs.wrappers.flicker import Flicker
from memagents_envs.wrappers.full_observation import HiddenState, full_observation_twin
from memagents_envs.wrappers.hide_components import HideComponents
from memagents_envs.wrappers.hide_motion import HidePositions, HideVelocities
from memagents_envs.wrappers.noise import Noise
from memagents_envs.wrappers.tuple_to_dict import TupleToDict

__all__ = [
    "DropText",
    "Entry",
    "Flicker",
    "HiddenState",
    "HideComponents",
    "HidePositions",
    "HideVelocities",
    "Noise",
    "TupleToDict",
    "full_observation_twin",
]
