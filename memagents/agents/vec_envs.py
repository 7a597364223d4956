"""Environments as stable-baselines3 (SB3) wants them: `make_vec_env`, and the adapter for natively batched ones.

Axes: B environments (`num_envs`).
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from jaxtyping import Bool
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from memagents.agents.guarded_vec_envs import GuardedDummyVecEnv, GuardedSubprocVecEnv, forgetful
from memagents.agents.last_action_reward import AppendLastActionReward
from memagents.agents.respawns import check_respawn
from memagents.agents.specs import (
    REVEAL,
    Vectorization,
    check_full_observation,
    check_step_timeout,
    choose_vectorization,
    find_spec,
)

__all__ = ["AppendLastActionReward", "BatchedVecEnv", "make_vec_env"]

Info: TypeAlias = dict[str, Any]


def make_vec_env(
    env_id: str,
    n_envs: int = 1,
    seed: int | None = None,
    *,
    env_kwargs: dict[str, Any] | None = None,
    vectorization: Vectorization = "auto",
    last_action_reward: bool = False,
    step_timeout: float | None = None,
    respawn: int = 0,
    full_observation: bool = False,
) -> VecEnv:
    """Makes `n_envs` environments of one kind, whose episodes are counted as SB3's Monitor counts them.

    Args:
        env_id: a registered id; `module:id` imports the module that registers it, in worker processes too.
        n_envs: how many, at least 1.
        seed: environment i is seeded with `seed + i` at the next reset, in every vectorization alike; None draws a seed
            from NumPy's global generator, as SB3 does.
        env_kwargs: keyword arguments of the environment.
        vectorization: "batched" steps one natively batched environment, where the id registers one with autoreset
            SAME_STEP; "dummy" steps single environments one after the other, "subproc" each in a process of its own;
            "auto" is "batched" where there is one, else "dummy".
        last_action_reward: whether to append the last action and reward to the observation (`AppendLastActionReward`).
        step_timeout: seconds that an environment in a process of its own may take to answer, before the process is
            ended and EnvironmentTimeout raised; None waits for ever.
        respawn: how often, over all environments, one that raises an error, is too late, or loses its process is made
            anew before its error is raised. Its episode counts as truncated at the observation before the failure;
            the info of that step has `respawned`, and `venv.unwrapped.respawns` keeps them all. What was set by
            `set_attr` is lost.
        full_observation: whether environments that can, those with a method `reveal`, are asked to show their hidden
            state too. The method changes `observation_space`.

    Raises:
        ValueError: for an unknown id or vectorization, a module that cannot be imported, fewer than one environment,
            "batched" where there is no such environment, a timeout that cannot be kept, environments that cannot be
            made anew one by one, or that cannot show their hidden state. Nothing is built then.
    """
    if n_envs < 1:
        raise ValueError(f"n_envs must be at least 1, got {n_envs}")
    spec, env_kwargs = find_spec(env_id), env_kwargs or {}
    venv: VecEnv
    chosen = choose_vectorization(vectorization, spec)
    check_step_timeout(step_timeout, vectorization)
    check_respawn(respawn, chosen)
    check_full_observation(full_observation, spec)
    if chosen == "batched":
        batched = gym.make_vec(spec, num_envs=n_envs, vectorization_mode="vector_entry_point", **env_kwargs)
        if full_observation:
            getattr(batched.unwrapped, REVEAL)()
        venv = BatchedVecEnv(batched)
        venv.seed(seed)
    else:
        # A callable, because SB3 asks for render_mode="rgb_array" when it is given an id, whether there is one or not.
        make_one = partial(make_revealed if full_observation else gym.make, env_id)
        cls: Any = partial(GuardedSubprocVecEnv, step_timeout=step_timeout, respawn=respawn)
        if chosen == "dummy":
            cls = partial(GuardedDummyVecEnv, respawn=respawn)
        options: Any = {"wrapper_class": forgetful, "env_kwargs": env_kwargs, "vec_env_cls": cls}
        venv = make_sb3_vec_env(make_one, n_envs, seed, **options)
    return AppendLastActionReward(venv) if last_action_reward else venv


def make_revealed(env_id: str, **env_kwargs: Any) -> gym.Env[Any, Any]:
    """`gymnasium.make`, with the hidden state shown."""
    env: gym.Env[Any, Any] = gym.make(env_id, **env_kwargs)
    getattr(env.unwrapped, REVEAL)()
    return env


class BatchedVecEnv(VecEnv):
    """An SB3 `VecEnv` over one gymnasium `VectorEnv`, without a Python call per environment and step.

    It gives what `DummyVecEnv` over environments in a `Monitor` gives: `terminal_observation`,
    `TimeLimit.truncated`, `episode` and the environment's own final infos in the info of an environment whose episode
    ends. Infos of running environments hold what the environment reports, which is mostly nothing. Observations,
    rewards and dones are fresh arrays at every step, because SB3 stores an observation only after the next step.

    Args:
        env: a vector environment with autoreset SAME_STEP. (NEXT_STEP inserts a transition between two episodes in
            which the action is ignored, and DISABLED leaves it to the caller to reset.)

    Raises:
        ValueError: for another autoreset mode.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                f"the autoreset mode of {env} must be AutoresetMode.SAME_STEP, got {mode}. Make it with "
                "autoreset_mode=AutoresetMode.SAME_STEP, or use make_vec_env(..., vectorization='dummy')"
            )
        self.env = env
        self._actions: Any = None
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, np.int64)
        self._start_time = time.time()
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        """Starts new episodes, with the seeds and options set before. Options hold for the whole batch.

        Raises:
            ValueError: if options were set for each environment that are not all the same.
        """
        options = self._options[0]
        if any(other is not options and other != options for other in self._options):
            raise ValueError(f"a batched environment takes one dict of options for all rows, got {self._options}")
        # The vector environment counts on from the first seed, as `VecEnv.seed` did.
        observations, infos = self.env.reset(seed=self._seeds[0], options=options or None)
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self.reset_infos = info_of_each_env(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return self._copied(observations)

    def step_async(self, actions: np.ndarray) -> None:
        """Keeps the actions for `step_wait`, as they are."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Observations [B, ...], float32 rewards [B], boolean dones [B], and one info dict per environment."""
        observations, rewards, terminated, truncated, batch_infos = self.env.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        dones = np.asarray(terminated | truncated, np.bool_)
        infos = info_of_each_env(batch_infos, self.num_envs)
        if dones.any():
            self._report_ends(infos, batch_infos, dones, terminated)
        return self._copied(observations), np.array(rewards, np.float32), dones, infos

    def _report_ends(
        self, infos: list[Info], batch_infos: Info, dones: Bool[np.ndarray, " B"], terminated: Bool[np.ndarray, " B"]
    ) -> None:
        """Turns the infos of ended episodes from what the reset said to what the last step said, as SB3 has it."""
        final_infos = info_of_each_env(batch_infos.get("final_info", {}), self.num_envs)
        elapsed = round(time.time() - self._start_time, 6)
        for i in np.flatnonzero(dones):
            self.reset_infos[i] = infos[i]
            episode = {"r": round(float(self._returns[i]), 6), "l": int(self._lengths[i]), "t": elapsed}
            infos[i] = final_infos[i] | {
                "episode": episode,
                "TimeLimit.truncated": not terminated[i],
                "terminal_observation": batch_infos["final_obs"][i],
            }
        self._returns[dones] = 0.0
        self._lengths[dones] = 0

    def _copied(self, observations: Any) -> VecEnvObs:
        if isinstance(self.observation_space, spaces.Dict):
            return {
                key: np.array(observations[key], space.dtype) for key, space in self.observation_space.spaces.items()
            }
        return np.array(observations, self.observation_space.dtype)

    def close(self) -> None:
        """Closes the vector environment."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A frame of every environment, if they were made with render_mode="rgb_array"."""
        frames: Any = self.env.render() if self.render_mode == "rgb_array" else None
        return list(frames) if frames is not None else [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of the one vector environment, once for every index."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets the attribute of the one vector environment, and so for all indices.

        Raises:
            ValueError: for some of the indices only.
        """
        if set(self._get_indices(indices)) != set(range(self.num_envs)):
            raise ValueError(f"{attr_name} can only be set for all {self.num_envs} rows of a batch, got {indices}")
        setattr(self.env.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Calls the method of the one vector environment, once.

        Returns:
            For every index its element, if the result is an array, list or tuple with one for each environment; else
            the result itself.
        """
        result = getattr(self.env, method_name)(*method_args, **kwargs)
        is_row = isinstance(result, list | tuple) or (isinstance(result, np.ndarray) and result.ndim > 0)
        one_each = is_row and len(result) == self.num_envs
        return [result[i] if one_each else result for i in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """True for `Monitor`, whose work is done here; there are no wrappers around single environments."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]


def info_of_each_env(batch_infos: Info, num_envs: int) -> list[Info]:
    """Gymnasium's infos, arrays with masks by name, as SB3's: a dict for every environment.

    `final_obs` and `final_info` are left out, and so are masks: an environment has the names its masks mark.
    """
    infos: list[Info] = [{} for _ in range(num_envs)]
    for name, values in batch_infos.items():
        is_mask = name.startswith("_") and name[1:] in batch_infos
        if is_mask or name in ("final_obs", "final_info"):
            continue
        mask = batch_infos.get(f"_{name}", np.ones(num_envs, np.bool_))
        each: Any = info_of_each_env(values, num_envs) if isinstance(values, dict) else values
        for i in np.flatnonzero(mask):
            infos[i][name] = each[i].item() if isinstance(each[i], np.generic) else each[i]
    return infos
