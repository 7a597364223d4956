"""Memories by name: `memory="dnc"` anywhere in the package means the class registered here as "dnc"."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from memagents.memories.base import Memory

AnyMemory = TypeVar("AnyMemory", bound=type[Memory[Any]])

_MEMORIES: dict[str, type[Memory[Any]]] = {}


def register_memory(name: str) -> Callable[[AnyMemory], AnyMemory]:
    """Class decorator that makes a memory available under `name`, here and in every command.

    Raises:
        ValueError: if another class already has that name.
    """

    def register(memory_class: AnyMemory) -> AnyMemory:
        known = _MEMORIES.get(name)
        if known is not None and known.__qualname__ != memory_class.__qualname__:
            raise ValueError(f"the memory name {name!r} is taken by {known.__qualname__}; choose another name")
        _MEMORIES[name] = memory_class
        return memory_class

    return register


def list_memories() -> list[str]:
    """The registered names, in alphabetical order."""
    return sorted(_MEMORIES)


def memory_class(name: str) -> type[Memory[Any]]:
    """The class registered under `name`.

    Raises:
        ValueError: if there is none; the message suggests the nearest name.
    """
    if name in _MEMORIES:
        return _MEMORIES[name]
    near = difflib.get_close_matches(name, _MEMORIES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown memory {name!r}: {hint}registered are {', '.join(list_memories())}")


def memory_options(name: str) -> dict[str, inspect.Parameter]:
    """What can be set when the memory `name` is built: its constructor's parameters, less `input_size`."""
    parameters = inspect.signature(memory_class(name)).parameters
    return {option: parameter for option, parameter in parameters.items() if option != "input_size"}


def check_memory_options(name: str, options: dict[str, Any]) -> None:
    """Raises ValueError if the memory `name` is unknown or has no such option; the message lists the valid ones."""
    valid = memory_options(name)
    for option in options:
        if option not in valid:
            known = ", ".join(valid) or "none at all"
            raise ValueError(f"memory {name!r} has no option {option!r}; its options are: {known}")


def make_memory(name: str, *, input_size: int, **options: Any) -> Memory[Any]:
    """Builds the memory registered under `name` for inputs of `input_size` features.

    Raises:
        ValueError: for an unknown name or option, or an option out of its range.
    """
    check_memory_options(name, options)
    return memory_class(name)(input_size=input_size, **options)
