"""Reinforcement-learning agents that remember: every memory architecture behind one word, for PPO and A2C."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memagents.agents.algorithms import MemoryA2C, MemoryPPO
    from memagents.agents.normalization import load_vec_normalize
    from memagents.agents.vec_envs import make_vec_env
    from memagents.memories import Memory, list_memories, make_memory, register_memory

__version__ = version("memagents")

__all__ = [
    "Memory",
    "MemoryA2C",
    "MemoryPPO",
    "list_memories",
    "load_vec_normalize",
    "make_memory",
    "make_vec_env",
    "register_memory",
]

_HOMES = {
    "MemoryA2C": "memagents.agents.algorithms",
    "MemoryPPO": "memagents.agents.algorithms",
    "load_vec_normalize": "memagents.agents.normalization",
    "make_vec_env": "memagents.agents.vec_envs",
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for when it is asked for: `memagents --help` need not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "memagents.memories")), name)
