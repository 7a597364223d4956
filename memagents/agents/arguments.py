"""What the algorithms are called with: checked before an environment is built, and chosen where nothing is said."""

import inspect
import math
import warnings
from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

from memagents.agents.policies import CriticMemory, MemoryActorCriticPolicy
from memagents.kinds import check_kinds
from memagents.memories.registry import check_memory_options

PolicyArgument: TypeAlias = str | type[MemoryActorCriticPolicy]

COUNTS = (
    *("n_steps", "n_envs", "batch_size", "n_epochs", "sequence_length"),
    *("stats_window_size", "_stats_window_size", "_derived_batch_size"),
)
"""Arguments and attributes that are at least 1."""


def argument_kinds(cls: type) -> dict[str, Any]:
    """The annotations of all arguments that a class can be made with, those it hands on to its parents too."""
    makers = [vars(parent)["__init__"] for parent in reversed(cls.__mro__[:-1]) if "__init__" in vars(parent)]
    parameters = (parameter for maker in makers for parameter in inspect.signature(maker).parameters.values())
    return {parameter.name: parameter.annotation for parameter in parameters}


def check_options(cls: type, options: Mapping[str, Any]) -> None:
    """Raises ValueError for an argument of a kind that `cls` does not take, and for counts below 1."""
    check_kinds(options, argument_kinds(cls))
    for name in COUNTS:
        if (count := options.get(name)) is not None and count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def default_batch_size(sequence_length: int, rollout_size: int) -> int:
    """Whole sequences in equal minibatches, as near to four of them as their number allows."""
    num_sequences = rollout_size // sequence_length
    # One is a divisor of every number, so the nearest to four is seven at most.
    divisors = (count for count in range(1, min(num_sequences, 7) + 1) if num_sequences % count == 0)
    return rollout_size // min(divisors, key=lambda count: abs(count - 4))


def longest_sequence_length(n_steps: int, n_envs: int, batch_size: int) -> int:
    """All of `n_steps` where minibatches can hold it; else the longest length that divides both, with a warning."""
    if batch_size >= n_steps * n_envs or batch_size % n_steps == 0:
        return n_steps
    length = math.gcd(n_steps, batch_size)
    warnings.warn(
        f"gradients flow back {length} steps in time, not all n_steps={n_steps}: minibatches of "
        f"batch_size={batch_size} hold whole sequences, whose length must divide both. Choose a batch_size that is a "
        f"multiple of {n_steps} to learn from longer memories, or pass sequence_length={length} if that is wanted",
        stacklevel=2,
    )
    return length


def check_arguments(
    policy: PolicyArgument, memory: str, memory_kwargs: dict[str, Any] | None, critic_memory: CriticMemory | None
) -> None:
    """Raises ValueError for a policy without memory, an unknown memory, option or kind of critic memory."""
    if not isinstance(policy, str):
        check_subclass("policy", policy, MemoryActorCriticPolicy)
    check_memory_options(memory, memory_kwargs or {})
    kinds = get_args(CriticMemory)
    if critic_memory is not None and critic_memory not in kinds:
        raise ValueError(f"critic_memory must be one of {', '.join(kinds)} or None, got {critic_memory!r}")


def check_subclass(name: str, given: Any, parent: type) -> None:
    """Raises ValueError if the argument called `name` is not a subclass of `parent`."""
    if not (isinstance(given, type) and issubclass(given, parent)):
        raise ValueError(f"{name} must be {parent.__name__} or a subclass of it, got {given!r}")


def check_lengths(sequence_length: int | None, n_steps: int, batch_size: int | None) -> None:
    """Raises ValueError for a length below 1, or a sequence length that does not divide the others."""
    for name, value in (("n_steps", n_steps), ("batch_size", batch_size), ("sequence_length", sequence_length)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name, whole in (("n_steps", n_steps), ("batch_size", batch_size)):
        if sequence_length is not None and whole is not None and whole % sequence_length:
            raise ValueError(
                f"sequence_length must divide {name}, got sequence_length={sequence_length} and {name}={whole}; "
                f"the longest that would is {math.gcd(sequence_length, whole)}"
            )


def own_policy_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    """`kwargs` with a copy of the user's `policy_kwargs`, into which A2C writes its optimizer.

    Raises:
        ValueError: if they hold what has an argument of its own.
    """
    policy_kwargs = dict(kwargs.get("policy_kwargs") or {})
    for name in ("memory", "memory_kwargs", "critic_memory"):
        if name in policy_kwargs:
            raise ValueError(f"pass {name} to the algorithm itself, not in policy_kwargs")
    return {**kwargs, "policy_kwargs": policy_kwargs}
