"""Memories by name: `memory="dnc"` anywhere in the package means the class registered here as "dnc"."""

import difflib
import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args, get_origin

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
    """Raises ValueError if the memory `name` is unknown, has no such option, or the option is of another kind.

    The message lists the valid names, or what the value can be.
    """
    valid = memory_options(name)
    for option, value in options.items():
        if option not in valid:
            known = ", ".join(valid) or "none at all"
            raise ValueError(f"memory {name!r} has no option {option!r}; its options are: {known}")
        kind = valid[option].annotation
        if not fits(value, kind):
            choices = get_args(kind) or {bool: (True, False)}.get(kind)
            expected = f"one of {', '.join(map(str, choices))}" if choices else f"of type {kind.__name__}"
            raise ValueError(f"memory {name!r}: {option} must be {expected}, got {value!r}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind an option is annotated with; kinds that are not known here are let through."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind in (int, float):
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in (bool, str) else True


def make_memory(name: str, *, input_size: int, **options: Any) -> Memory[Any]:
    """Builds the memory registered under `name` for inputs of `input_size` features.

    Raises:
        ValueError: for an unknown name or option, or an option out of its range.
    """
    check_memory_options(name, options)
    return memory_class(name)(input_size=input_size, **options)
