"""Observations and rewards near 1: SB3's `VecNormalize`, and its statistics in model files instead of pickles."""

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from memagents.agents.boundaries import Boundary, check_finite
from memagents.agents.observation_parts import as_batch
from memagents.agents.serialization import ModelFile, open_archive
from memagents.errors import NonFiniteReward
from memagents.files import reading
from memagents.kinds import check_kinds

SECTION = "normalization"
"""Where model files keep it."""

SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("norm_obs", "norm_reward"), bool),
    **dict.fromkeys(("clip_obs", "clip_reward", "gamma", "epsilon"), float),
    "norm_obs_keys": list[str] | None,
}
"""Arguments of `VecNormalize`, which are attributes too, and their kinds."""


class CheckedVecEnv(VecEnvWrapper):
    """Checks what environments give before `VecNormalize` takes it, whose statistics a single NaN would undo.

    What is normalised afterwards could not be told from it either: every environment would seem to have given NaN.

    Args:
        venv: the environments to wrap.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.boundary, self.steps = Boundary(venv.observation_space), 0

    def reset(self) -> VecEnvObs:
        """The first observations; see `Boundary.check_observations` for what is raised."""
        observations = self.venv.reset()
        self.boundary.check_observations(observations, self.steps, self)
        return observations

    def step_wait(self) -> VecEnvStepReturn:
        """A step of the environments.

        Raises:
            BoundaryError: for observations, last ones of a truncated episode too, and rewards that cannot be used.
        """
        observations, rewards, dones, infos = self.venv.step_wait()
        self.steps += 1
        self.boundary.check_observations(observations, self.steps, self)
        check_finite(NonFiniteReward, "reward", rewards, self.steps)
        for i in np.flatnonzero(dones):
            if infos[i].get("TimeLimit.truncated"):
                self.boundary.check_terminal(as_batch(infos[i]["terminal_observation"]), self.steps, np.array([i]))
        return observations, rewards, dones, infos


def normalized(venv: VecEnv, *, gamma: float) -> VecNormalize:
    """Normalises rewards, and observations that are real numbers: float Boxes, alone or as entries of a Dict.

    Images and categories stay as they are, for the networks that read them know their range.

    Args:
        venv: the environments to wrap.
        gamma: the algorithm's discount; rewards are divided by the standard deviation of their discounted sum.
    """
    space = venv.observation_space
    if not isinstance(space, spaces.Dict):
        return VecNormalize(CheckedVecEnv(venv), norm_obs=is_real(space), gamma=gamma)
    keys = [key for key, part in space.spaces.items() if is_real(part)]
    return VecNormalize(CheckedVecEnv(venv), norm_obs=bool(keys), norm_obs_keys=keys, gamma=gamma)


def is_real(space: spaces.Space[Any]) -> bool:
    """Whether observations are real numbers."""
    return isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating)


def normalization_of(env: VecNormalize) -> dict[str, Any]:
    """How environments are normalised, as plain values."""
    return {
        "observation_space": env.venv.observation_space,
        "settings": {name: getattr(env, name) for name in SETTINGS},
        "observations": moments_of(vars(env).get("obs_rms", {})),
        "rewards": moments_of(env.ret_rms),
    }


def set_normalization(env: VecNormalize, saved: dict[str, Any]) -> None:
    """Makes `env` normalise with the statistics of another one.

    Raises:
        ValueError: for statistics of other observations, or that nothing can be divided by.
    """
    env.obs_rms = with_moments(saved["observations"], vars(env).get("obs_rms", {}))
    env.ret_rms = with_moments(saved["rewards"], env.ret_rms)


def moments_of(statistics: Any) -> Any:
    """Mean, variance and count; of a dict of statistics, by key."""
    if isinstance(statistics, dict):
        return {key: moments_of(part) for key, part in statistics.items()}
    return [statistics.mean, statistics.var, statistics.count]


def with_moments(moments: Any, alike: Any) -> Any:
    """The statistics that have these moments; `alike` are some of the same shapes."""
    if isinstance(alike, dict):
        return {key: with_moments(moments[key], part) for key, part in alike.items()}
    statistics = RunningMeanStd()
    statistics.mean, statistics.var, statistics.count = moments
    for name in ("mean", "var", "count"):
        value, shape = np.asarray(getattr(statistics, name), float), np.shape(getattr(alike, name))
        if value.shape != shape or not np.isfinite(value).all() or (name != "mean" and (value < 0).any()):
            raise ValueError(f"expected a {name} of shape {shape}, finite and not negative, got {value}")
    return statistics


def load_vec_normalize(path: ModelFile, venv: VecEnv, *, training: bool = False) -> VecNormalize:
    """Normalises environments as those were that a saved model was trained in; `VecNormalize.load` without a pickle.

    Args:
        path: the model file, with or without the suffix .zip, or a binary stream.
        venv: environments, not normalised.
        training: whether to gather more statistics and to normalise rewards too, as one does to train on. By default
            the statistics stay and rewards are what the environments say, as one evaluates.

    Raises:
        MissingPartError: if the model was trained in environments that were not normalised.
        CheckpointError: of the kind that says what is wrong with the file.
        ValueError: for environments with other observations.
    """
    archive = open_archive(path, suffix="zip")
    saved = archive.section(SECTION)
    with reading(f"{archive.name}: section {SECTION!r}"):
        expected, settings = saved["observation_space"], saved["settings"]
        check_kinds(settings, SETTINGS)
        if venv.observation_space == expected:
            settings = settings | {"norm_reward": settings["norm_reward"] and training}
            env = VecNormalize(CheckedVecEnv(venv), training=training, **settings)
            set_normalization(env, saved)
            return env
    raise ValueError(f"{archive.name} normalises observations of {expected}, got those of {venv.observation_space}")
