"""The twin of an environment in which nothing is hidden, to measure what hiding costs.

How much worse an agent does without what is hidden, than the same agent with it, is the observability gap (Wang et al.,
"POPGym Arcade: Parallel Pixelated POMDPs", arXiv 2503.01450).
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import DelayObservation, FilterObservation

from memagents_envs.single import SingleEnv
from memagents_envs.wrappers.drop_text import DropText
from memagents_envs.wrappers.flicker import Flicker
from memagents_envs.wrappers.hide_components import HideComponents
from memagents_envs.wrappers.noise import Noise

HIDING = (DelayObservation, DropText, FilterObservation, Flicker, HideComponents, Noise)


class HiddenState(gymnasium.ObservationWrapper[dict[str, Any], Any, Any], RecordConstructorArgs):
    """Shows the hidden state of one of our environments beside what it shows anyway, as `BatchedEnv.reveal` does.

    Observation: Dict of `observation`, what the environment shows, and `state`.

    Args:
        env: one of the environments of this package, wrapped or not.

    Raises:
        ValueError: for another environment.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        if not isinstance(env.unwrapped, SingleEnv):
            raise ValueError(f"the hidden state is that of environments of memagents_envs, got {env}")
        self.hidden = env.unwrapped.batch
        state = Box(-np.inf, np.inf, self.hidden.flat_state().shape[1:], np.float32)
        self.observation_space = Dict({"observation": env.observation_space, "state": state})

    def observation(self, observation: Any) -> dict[str, Any]:
        """What the environment shows, and its state."""
        return {"observation": observation, "state": self.hidden.flat_state()[0]}


def full_observation_twin(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """The environment with the same rules that shows all there is, in this order:

    If wrappers hide something (those of this package, and gymnasium's DelayObservation and FilterObservation), what
    is under the innermost of them, which shows the observation they start from; wrappers further out are gone too, so
    wrap again what is not for hiding. If it is one of our environments, which hide their state themselves, that in
    `HiddenState`.

    Args:
        env: an environment that hides something. The twin is no copy: it steps the same environment.

    Raises:
        ValueError: if nothing is hidden, as far as can be known.
    """
    layers = [env]
    while isinstance(layers[-1], gymnasium.Wrapper):
        layers.append(layers[-1].env)
    hiding = [layer for layer in layers if isinstance(layer, HIDING)]
    inner = hiding[-1].env if hiding else env
    if isinstance(env.unwrapped, SingleEnv):
        return HiddenState(inner)
    if not hiding:
        raise ValueError(
            f"{env} hides nothing: expected one of the wrappers {', '.join(cls.__name__ for cls in HIDING)}, or one of "
            "the environments of memagents_envs"
        )
    return inner
