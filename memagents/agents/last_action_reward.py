"""Observations that tell what was done last, and what it gave.

Axes: B environments (`num_envs`), D features of an observation, A features of an action.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from jaxtyping import Float32
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from memagents.agents.observation_parts import as_batch


class AppendLastActionReward(VecEnvWrapper):
    """Appends the last action and the last reward to the observation; both are zero at the start of an episode.

    Discrete actions are one-hot, MultiDiscrete ones one-hot for each component, MultiBinary and Box are flat. A flat
    observation (Box of one axis, Discrete one-hot, and so on) becomes a float32 Box [D + A + 1]: observation, action,
    reward. A Dict observation gets the entries `last_action` [A] and `last_reward` [1]. `terminal_observation` is
    extended as well, with the action and the reward that led to it.

    Args:
        venv: the environments to wrap.

    Raises:
        ValueError: for an observation that is neither flat nor a Dict (as images), or a Dict that has these entries.
    """

    def __init__(self, venv: VecEnv) -> None:
        self.action_box = flat_box(venv.action_space)
        super().__init__(venv, observation_space=extended_space(venv.observation_space, self.action_box))
        self._actions = self._no_actions()

    def reset(self) -> VecEnvObs:
        """The first observations, with no action and no reward."""
        return self._extended(self.venv.reset(), self._no_actions(), np.zeros(self.num_envs, np.float32))

    def step_async(self, actions: np.ndarray) -> None:
        """Keeps the actions for the observations to come, and passes them on."""
        self._actions = flatten(self.venv.action_space, actions)
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """A step of the wrapped environments, with extended observations."""
        observations, rewards, dones, infos = self.venv.step_wait()
        last_rewards = np.array(rewards, np.float32)
        for i in np.flatnonzero(dones):
            last = self._actions[i : i + 1], rewards[i : i + 1].astype(np.float32)
            infos[i]["terminal_observation"] = only_row(
                self._extended(as_batch(infos[i]["terminal_observation"]), *last)
            )
        actions = np.where(dones[:, None], np.float32(0), self._actions)
        last_rewards[dones] = 0.0
        return self._extended(observations, actions, last_rewards), rewards, dones, infos

    def _no_actions(self) -> Float32[np.ndarray, "B A"]:
        return np.zeros((self.venv.num_envs, *self.action_box.shape), np.float32)

    def _extended(
        self, observations: Any, actions: Float32[np.ndarray, "B A"], rewards: Float32[np.ndarray, " B"]
    ) -> VecEnvObs:
        if isinstance(observations, dict):
            return observations | {"last_action": actions, "last_reward": rewards[:, None]}
        flat = flatten(self.venv.observation_space, observations)
        return np.concatenate([flat, actions, rewards[:, None]], axis=1)


def extended_space(observation: spaces.Space[Any], action: spaces.Box) -> spaces.Space[Any]:
    """The space of observations with a flat last action and a last reward appended."""
    reward = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    # No action is all zeros, which need not be an action.
    action = spaces.Box(np.minimum(action.low, 0), np.maximum(action.high, 0), dtype=np.float32)
    if isinstance(observation, spaces.Dict):
        if taken := {"last_action", "last_reward"} & observation.spaces.keys():
            raise ValueError(
                f"the observation already has {sorted(taken)}: rename them, or leave last_action_reward out"
            )
        return spaces.Dict({**observation.spaces, "last_action": action, "last_reward": reward})
    if isinstance(observation, spaces.Box) and len(observation.shape) != 1:
        raise ValueError(
            f"an action and a reward can be appended to a flat observation, got one of shape {observation.shape}: make "
            "it an entry of a Dict observation, and they become entries beside it"
        )
    parts = [flat_box(observation), action, reward]
    low, high = np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts])
    return spaces.Box(low, high, dtype=np.float32)


def flat_box(space: spaces.Space[Any]) -> spaces.Box:
    """The space of what `flatten` makes of one element of `space`."""
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return spaces.Box(0.0, 1.0, (int(categories(space).sum()),), np.float32)
    if isinstance(space, spaces.MultiBinary):
        return spaces.Box(0.0, 1.0, (int(np.prod(space.shape)),), np.float32)
    if isinstance(space, spaces.Box):
        low, high = space.low.ravel().astype(np.float32), space.high.ravel().astype(np.float32)
        return spaces.Box(low, high, dtype=np.float32)
    raise ValueError(f"expected a Box, Discrete, MultiDiscrete or MultiBinary space, got {space}")


def flatten(space: spaces.Space[Any], values: Any) -> Float32[np.ndarray, "B D"]:
    """Elements of `space`, one in each row of `values`, as rows of numbers; categories become one-hot."""
    rows = np.array(values).reshape(len(values), -1)
    if not isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return rows.astype(np.float32)
    sizes = categories(space)
    flat = np.zeros((len(rows), int(sizes.sum())), np.float32)
    first_of_each_component = np.cumsum(sizes) - sizes
    np.put_along_axis(flat, rows - np.ravel(space.start) + first_of_each_component, 1.0, axis=1)
    return flat


def categories(space: spaces.Discrete | spaces.MultiDiscrete) -> np.ndarray:
    """The number of categories of every component."""
    return np.array([space.n]) if isinstance(space, spaces.Discrete) else space.nvec.ravel()


def only_row(observations: Any) -> Any:
    """The observation in a batch of one."""
    return {key: value[0] for key, value in observations.items()} if isinstance(observations, dict) else observations[0]
