"""Memories made small, so that the tests are fast."""

from typing import Any

from memagents.memories.registry import memory_options

SMALL = {
    "hidden_size": 6,
    "num_heads": 2,
    "window": 3,
    "kernel_size": 2,
    "chunk_size": 3,
    "num_chunks": 2,
    "memory_size": 5,
    "word_size": 4,
    "num_reads": 2,
    "num_frames": 3,
}
"""Sizes by the name of the option."""


def small(memory: str) -> dict[str, Any]:
    """Options that make a memory small."""
    known = memory_options(memory)
    return {option: size for option, size in SMALL.items() if option in known}
