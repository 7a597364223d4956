"""Agents of a given size: the hidden size of the memory at which there are as many parameters as wanted.

Where a memory has no `hidden_size`, the two layers of actor and critic are made wider, which is how an agent without
memory can spend its parameters.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from stable_baselines3.common.vec_env import VecEnv

from memagents.memories.registry import memory_options
from memagents.runs.config import TrainConfig
from memagents.runs.models import build_model

TOLERANCE = 0.1
"""How far from the wanted number of parameters an agent may be."""

MULTIPLE = 4
"""Of which a hidden size is one where that comes near enough, so that the usual numbers of heads divide it."""

LARGEST = 2048
"""Hidden size that is tried."""


def of_wanted_size(config: TrainConfig, env: VecEnv) -> TrainConfig:
    """The run with the hidden size whose agent comes nearest to `match_parameters`, if that is set.

    Among multiples of 4, and only if none of them comes within a tenth among all.

    Raises:
        ValueError: if none comes within a tenth of it.
    """
    wanted = config.match_parameters
    if wanted is None:
        return config
    low, high = 1, LARGEST // MULTIPLE
    while low < high:
        middle = (low + high) // 2
        if parameters(with_size(config, MULTIPLE * middle), env) < wanted:
            low = middle + 1
        else:
            high = middle
    found = {size: parameters(with_size(config, size), env) for size in (MULTIPLE * low, MULTIPLE * max(low - 1, 1))}
    nearest = min(found, key=lambda size: abs(found[size] - wanted))
    if not is_near(found[nearest], wanted):
        found |= sizes_between(config, env, min(found), max(found))
        nearest = min(found, key=lambda size: abs(found[size] - wanted))
    if not is_near(found[nearest], wanted):
        raise ValueError(
            f"an agent with memory={config.memory!r} on {config.env} cannot be made of about {wanted:,} parameters: "
            f"the nearest has {found[nearest]:,}, with a hidden size of {nearest}; set another match_parameters"
        )
    return with_size(config, nearest)


def is_near(number: int, wanted: int) -> bool:
    """Whether an agent of so many parameters will do."""
    return abs(number / wanted - 1) <= TOLERANCE


def sizes_between(config: TrainConfig, env: VecEnv, low: int, high: int) -> dict[int, int]:
    """The parameters of the agents whose hidden sizes lie between two others, as far as the memory allows them."""
    found = {}
    for size in range(low + 1, high):
        with suppress(ValueError):  # heads that do not divide it
            found[size] = parameters(with_size(config, size), env)
    return found


def with_size(config: TrainConfig, size: int) -> TrainConfig:
    """The run with a memory of this hidden size, or with layers of this width where the memory has none."""
    if "hidden_size" in memory_options(config.memory):
        return replace(config, memory_kwargs={**config.memory_kwargs, "hidden_size": size})
    layers: dict[str, Any] = {**(config.algo_kwargs.get("policy_kwargs") or {}), "net_arch": [size, size]}
    return replace(config, algo_kwargs={**config.algo_kwargs, "policy_kwargs": layers})


def parameters(config: TrainConfig, env: VecEnv) -> int:
    """Trained parameters of the agent that a run would have in an environment."""
    model = build_model(config, env)
    return sum(weight.numel() for weight in model.policy.parameters() if weight.requires_grad)
