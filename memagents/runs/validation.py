"""What can be wrong with a configuration, found before anything is built.

Every check raises ValueError with what was given, what would be right, and where possible the nearest right name.
"""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

import torch
from gymnasium.envs.registration import load_env_creator

from memagents.agents.arguments import check_lengths, check_options
from memagents.agents.respawns import check_respawn
from memagents.agents.specs import check_full_observation, check_step_timeout, choose_vectorization, find_spec
from memagents.encoders.registry import check_encoder_options
from memagents.kinds import check_kinds
from memagents.memories.registry import check_memory_options
from memagents.runs.config import TrainConfig
from memagents.runs.models import (
    ALGORITHMS,
    CONFIGURED,
    DEFAULT_PRECISION,
    ENCODER,
    algorithm_arguments,
    algorithm_options,
    policy_options,
)
from memagents.runs.sinks import check_sinks

COUNTS = ("timesteps", "n_envs", "eval_episodes", "checkpoint_every", "threads", "match_parameters")

LARGEST_SEED = 2**32 - 1
"""Of NumPy's global generator, which is seeded too."""


def check_config(config: TrainConfig) -> None:
    """Raises ValueError for the first thing that is wrong."""
    check_kinds(vars(config), get_type_hints(TrainConfig))
    check_memory_options(config.memory, config.memory_kwargs)
    check_env(config.env, config.env_kwargs)
    spec = find_spec(config.env)
    vectorization = choose_vectorization(config.vectorization, spec)
    check_step_timeout(config.step_timeout, config.vectorization)
    check_respawn(config.respawn, vectorization)
    check_full_observation(config.full_observation, spec)
    check_algorithm(config.algo, config.algo_kwargs)
    check_encoder(config)
    check_device(config.device)
    check_precision(config)
    arguments = algorithm_arguments(config)
    check_lengths(config.sequence_length, arguments["n_steps"], arguments.get("batch_size"))
    check_normalize(config.normalize, arguments["gamma"])
    check_policy(config.algo, config.policy)
    check_sinks(config.log)
    for name in COUNTS:
        count = getattr(config, name)
        if count is not None and count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if not 0 <= config.seed <= LARGEST_SEED:
        raise ValueError(f"seed must be from 0 to {LARGEST_SEED}, got {config.seed}")


def check_env(env: str, arguments: Iterable[str]) -> None:
    """Raises ValueError if no environment of that id is registered, or it has no argument of a given name."""
    spec = find_spec(env)
    entry_point = spec.vector_entry_point or spec.entry_point
    constructor: Any = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    parameters = inspect.signature(constructor).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    options = [name for name in parameters if name != "num_envs"]
    for name in arguments:
        if name not in options:
            hint = did_you_mean(name, options)
            raise ValueError(
                f"environment {env!r} has no argument {name!r}{hint}; it takes {', '.join(options) or 'none'}"
            )


def check_algorithm(algo: str, arguments: Mapping[str, Any]) -> None:
    """Raises ValueError for an unknown algorithm, or one that has no such argument, or not of that kind."""
    if algo not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {algo!r}; choose from {', '.join(ALGORITHMS)}")
    options = algorithm_options(algo)
    for name in arguments:
        if name in CONFIGURED:
            raise ValueError(f"algo_kwargs may not hold {name!r}: it has a setting of its own")
        if name not in options:
            hint = did_you_mean(name, options)
            raise ValueError(f"algorithm {algo!r} has no argument {name!r}{hint}; it takes {', '.join(options)}")
    check_options(ALGORITHMS[algo], arguments)


def check_encoder(config: TrainConfig) -> None:
    """Raises ValueError for an unknown encoder, an option it has not, and an encoder that is set twice.

    Whether it can read the observations is known when there are environments; see `build_model`.
    """
    if config.encoder is None:
        if config.encoder_kwargs:
            raise ValueError(f"encoder_kwargs ({', '.join(config.encoder_kwargs)}) need an encoder: set encoder too")
        return
    check_encoder_options(config.encoder, config.encoder_kwargs)
    for name in ENCODER:
        if name in policy_options(config):
            raise ValueError(f"the encoder is set twice, by encoder={config.encoder!r} and by {name} in policy_kwargs")


def check_device(device: str) -> None:
    """Raises ValueError for a device that is not there."""
    if device == "auto":
        return
    try:
        torch.empty(0, device=device)
    # What torch raises depends on what it was built for.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"torch cannot compute on device {device!r} here: {reason}; try cpu") from error


def check_precision(config: TrainConfig) -> None:
    """Raises ValueError for a precision that is set twice."""
    if config.precision != DEFAULT_PRECISION and "precision" in policy_options(config):
        raise ValueError(f"precision is set twice, by precision={config.precision!r} and in policy_kwargs")


def check_normalize(normalize: bool, gamma: float) -> None:
    """Raises ValueError if rewards cannot be normalised, which takes their discounted sum."""
    if normalize and not 0 <= gamma <= 1:
        raise ValueError(f"normalize needs a gamma from 0 to 1, the discount of rewards, got {gamma!r} in algo_kwargs")


def check_policy(algo: str, policy: str | None) -> None:
    """Raises ValueError for a policy that the algorithm does not know by that name."""
    known = ALGORITHMS[algo].policy_aliases
    if policy is not None and policy not in known:
        raise ValueError(f"unknown policy {policy!r}{did_you_mean(policy, known)}; choose from {', '.join(known)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'lstm'?`, or nothing if no name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {near[0]!r}?" if near else ""
