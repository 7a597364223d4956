"""Memories by name: `memory="dnc"` anywhere in the package means the class registered here as "dnc"."""

from typing import Any

from memagents.memories.base import Memory
from memagents.registry import Registry

_MEMORIES: Registry[Memory[Any]] = Registry("memory", "input_size")

register_memory = _MEMORIES.register
list_memories = _MEMORIES.names
memory_class = _MEMORIES.find
memory_options = _MEMORIES.options
check_memory_options = _MEMORIES.check


def make_memory(name: str, *, input_size: int, **options: Any) -> Memory[Any]:
    """Builds the memory registered under `name` for inputs of `input_size` features.

    Raises:
        ValueError: for an unknown name or option, or an option out of its range.
    """
    check_memory_options(name, options)
    return memory_class(name)(input_size=input_size, **options)
