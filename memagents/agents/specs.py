"""What is registered under an environment's id, and what can be done with it; nothing is built."""

import difflib
import importlib
from typing import Any, Literal, TypeAlias, get_args

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode

Vectorization: TypeAlias = Literal["auto", "batched", "dummy", "subproc"]

REVEAL = "reveal"
"""The method of an environment that makes it show its hidden state too."""


def find_spec(env_id: str) -> EnvSpec:
    """The registered environment of this name, after importing the module it may name.

    Raises:
        ValueError: if the module cannot be imported, or no such id is registered (it names the nearest).
    """
    module, _, name = env_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except Exception as error:  # a module can fail in any way, and so can a name that is none
            raise ValueError(f"cannot import {module!r}, the module that {env_id!r} names: {error}") from error
    if name in gym.registry:
        return gym.registry[name]
    by_lower_case = {registered.lower(): registered for registered in gym.registry}
    nearest = [by_lower_case[match] for match in difflib.get_close_matches(name.lower(), by_lower_case)]
    hint = f"Did you mean {' or '.join(map(repr, nearest))}?" if nearest else "No registered id is near it."
    raise ValueError(
        f"no environment is registered as {name!r}. {hint} If a package registers it, name that too: 'package:{name}'"
    )


def choose_vectorization(vectorization: Vectorization, spec: EnvSpec) -> Vectorization:
    """What "auto" means for this environment; any other choice is checked against what there is."""
    choices = get_args(Vectorization)
    if vectorization not in choices:
        raise ValueError(f"vectorization must be one of {choices}, got {vectorization!r}")
    if vectorization == "batched" and not has_batched(spec):
        raise ValueError(
            f"{spec.id} has no natively batched environment with autoreset SAME_STEP; use vectorization='dummy' or "
            "'subproc'"
        )
    if vectorization == "auto":
        return "batched" if has_batched(spec) else "dummy"
    return vectorization


def check_step_timeout(step_timeout: float | None, vectorization: Vectorization) -> None:
    """Raises ValueError for a timeout that is none, or that cannot be kept."""
    if step_timeout is not None and not step_timeout > 0:
        raise ValueError(f"step_timeout must be above 0 seconds, got {step_timeout}")
    if step_timeout is not None and vectorization != "subproc":
        raise ValueError(
            f"step_timeout={step_timeout} needs vectorization='subproc', got {vectorization!r}: only an environment in "
            "a process of its own can be left behind when it hangs"
        )


def check_full_observation(full_observation: bool, spec: EnvSpec) -> None:
    """Raises ValueError if the hidden state is asked for where it cannot be shown; nothing is built."""
    if full_observation and not can_reveal(spec):
        raise ValueError(
            f"full_observation needs an environment with a method {REVEAL!r} that shows its hidden state too, as those "
            f"of memagents_envs have; {spec.id} has none"
        )


def can_reveal(spec: EnvSpec) -> bool:
    """Whether the class registered as `entry_point` can show its hidden state."""
    entry_point = spec.entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return hasattr(creator, REVEAL) and not spec.additional_wrappers  # which would not know of it


def has_batched(spec: EnvSpec) -> bool:
    """Whether the class registered as `vector_entry_point` declares autoreset SAME_STEP; nothing is built."""
    entry_point = spec.vector_entry_point
    if entry_point is None or spec.additional_wrappers:  # those wrap single environments only
        return False
    creator: Any = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return getattr(creator, "metadata", {}).get("autoreset_mode") is AutoresetMode.SAME_STEP
