"""From a configuration to an agent and its environments."""

import inspect
from pathlib import Path
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.utils import LinearSchedule, check_for_correct_spaces
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.algorithms import MemoryA2C, MemoryPPO
from memagents.agents.normalization import load_vec_normalize, normalized
from memagents.agents.rollouts import MemoryMixin
from memagents.agents.vec_envs import make_vec_env
from memagents.encoders import encoder_class
from memagents.encoders.registry import check_encoder_observations
from memagents.errors import EnvironmentFailed, MemagentsError, MissingPartError
from memagents.runs.config import TrainConfig
from memagents.runs.results import RunResult

ALGORITHMS: dict[str, type[MemoryMixin]] = {"ppo": MemoryPPO, "a2c": MemoryA2C}

CONFIGURED = ("policy", "env", "memory", "memory_kwargs", "critic_memory", "sequence_length", "seed", "device")
"""Arguments of an algorithm that are fields of the configuration."""

DEFAULT_PRECISION = TrainConfig.precision
"""That of the policy too, to which it need not be told."""

ENCODER = ("features_extractor_class", "features_extractor_kwargs")
"""What SB3's policies call an encoder and its arguments."""

UNUSED = ("self", "tensorboard_log", "_init_setup_model")
"""Arguments of an algorithm that a run has no use for: it keeps logs of its own."""


def build_env(config: TrainConfig, *, n_envs: int, seed: int) -> VecEnv:
    """The environments that a run trains in."""
    env = build_plain_env(config, n_envs=n_envs, seed=seed)
    # Outside of all else: where the last reward is observed, it is the same one in training and evaluation.
    return normalized(env, gamma=algorithm_arguments(config)["gamma"]) if config.normalize else env


def build_evaluation_env(config: TrainConfig, model_file: Path, *, n_envs: int, seed: int) -> VecEnv:
    """The environments that a run evaluates in: rewards as they are, observations as the model in a file knows them."""
    env = build_plain_env(config, n_envs=n_envs, seed=seed)
    return load_vec_normalize(model_file, env) if config.normalize else env


def build_plain_env(config: TrainConfig, *, n_envs: int, seed: int) -> VecEnv:
    """The environments of a run, not normalised.

    Raises:
        ValueError: for arguments that they refuse.
        EnvironmentFailed: if they cannot be made.
    """
    try:
        return make_vec_env(
            config.env,
            n_envs,
            seed,
            env_kwargs=config.env_kwargs,
            vectorization=config.vectorization,
            last_action_reward=config.last_action_reward,
            step_timeout=config.step_timeout,
            respawn=config.respawn,
            full_observation=config.full_observation,
        )
    except (MemagentsError, ValueError):
        raise
    except Exception as error:
        told = f"{config.env} cannot be made with {config.env_kwargs}: {type(error).__name__}: {error}"
        raise EnvironmentFailed(told) from error


def build_model(config: TrainConfig, env: VecEnv) -> MemoryMixin:
    """The untrained agent of a run.

    Raises:
        ValueError: if the encoder cannot read the observations, or the agent cannot be made as it is configured.
    """
    if config.encoder is not None:
        check_encoder_observations(config.encoder, config.encoder_kwargs, env.observation_space)
    try:
        return ALGORITHMS[config.algo](env=env, **model_arguments(config, env.observation_space) | scheduled(config))
    # What torch, NumPy and SB3 raise depends on which of them meets an option that cannot be, or is too large, first.
    except Exception as error:
        raise ValueError(f"the agent cannot be made as configured: {type(error).__name__}: {error}") from error


def load_model(result: RunResult) -> MemoryMixin:
    """The trained agent of a run.

    Raises:
        CheckpointError: if it is not there, or cannot be read.
    """
    if not result.model_file.exists():
        raise MissingPartError(f"{result.model_file} is not there; train the run again")
    return ALGORITHMS[result.config.algo].load(result.model_file)


def as_seen_by(model: OnPolicyAlgorithm, env: VecEnv) -> VecEnv:
    """The environments as those that a model was trained in: SB3 puts the channels of images first.

    Raises:
        ValueError: if their spaces are others.
    """
    env = model._wrap_env(env, verbose=0)
    check_for_correct_spaces(env, model.observation_space, model.action_space)
    return env


def model_arguments(config: TrainConfig, observations: spaces.Space[Any]) -> dict[str, Any]:
    """What the algorithm is called with, besides the environments."""
    return {
        "policy": config.policy or default_policy(observations),
        "memory": config.memory,
        "memory_kwargs": config.memory_kwargs,
        "sequence_length": config.sequence_length,
        "critic_memory": config.critic_memory,
        "seed": config.seed,
        "device": config.device,
        **config.algo_kwargs,
        **policy_arguments(config),
    }


def scheduled(config: TrainConfig) -> dict[str, Any]:
    """The learning rate as what becomes of it over the run, if that is anything but what it is."""
    if config.lr_schedule == "constant":
        return {}
    return {"learning_rate": LinearSchedule(algorithm_arguments(config)["learning_rate"], end=0.0, end_fraction=1.0)}


def policy_arguments(config: TrainConfig) -> dict[str, Any]:
    """Encoder and precision, in the words of the policy, beside what else `algo_kwargs` says of it."""
    named: dict[str, Any] = {} if config.precision == DEFAULT_PRECISION else {"precision": config.precision}
    if config.encoder is not None:
        named |= dict(zip(ENCODER, (encoder_class(config.encoder), dict(config.encoder_kwargs)), strict=True))
    return {"policy_kwargs": policy_options(config) | named} if named else {}


def policy_options(config: TrainConfig) -> dict[str, Any]:
    """What `algo_kwargs` says of the policy."""
    return config.algo_kwargs.get("policy_kwargs") or {}


def default_policy(observations: spaces.Space[Any]) -> str:
    """The name of the policy that fits an observation space."""
    if isinstance(observations, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(observations) else "MlpPolicy"


def algorithm_arguments(config: TrainConfig) -> dict[str, Any]:
    """The arguments of a run's algorithm that have no setting of their own, with the defaults."""
    return algorithm_options(config.algo) | config.algo_kwargs


def algorithm_options(algo: str) -> dict[str, Any]:
    """What `algo_kwargs` may hold, with the defaults: the arguments of our class and of the one it extends."""
    options: dict[str, Any] = {}
    for cls in ALGORITHMS[algo].__mro__:
        if cls is OnPolicyAlgorithm:
            break
        if "__init__" in vars(cls):
            options = default_arguments(cls) | options
    return {name: default for name, default in options.items() if name not in CONFIGURED + UNUSED}


def default_arguments(cls: type) -> dict[str, Any]:
    """The named arguments of a class's own constructor."""
    parameters = inspect.signature(vars(cls)["__init__"]).parameters.values()
    catch_all = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {parameter.name: parameter.default for parameter in parameters if parameter.kind not in catch_all}
