"""Memory architectures, one file each, found by name.

Every module of this folder is imported here, so a new architecture needs its own file and nothing else.
"""

import importlib
import pkgutil

from memagents.memories.base import Memory, State, map_state
from memagents.memories.registry import list_memories, make_memory, register_memory

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["Memory", "State", "list_memories", "make_memory", "map_state", "register_memory"]
