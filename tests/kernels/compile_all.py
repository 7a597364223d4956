"""Compiles every kernel for numbers of one kind, `float32` or `float64`, and keeps it where other processes find it."""

import sys

import torch

from memagents.memories import make_memory

WITH_CONTROLLERS = ("dnc", "ntm", "mann")


def compile_all(dtype: torch.dtype) -> None:
    """Trains each memory that has kernels for a step."""
    torch.set_num_threads(1)
    slots = {"memory_size": 4, "word_size": 3}
    memories = [make_memory("lstm", input_size=2, hidden_size=4)]
    for name in WITH_CONTROLLERS:
        memories += [
            make_memory(name, input_size=2, hidden_size=4, controller=controller, **slots)
            for controller in ("lstm", "feedforward")
        ]
    for memory in memories:
        memory.to(dtype)
        outputs, _ = memory(
            torch.zeros(2, 1, 2, dtype=dtype), torch.zeros(2, 1, dtype=torch.bool), memory.initial_state(1)
        )
        outputs.sum().backward()


if __name__ == "__main__":
    compile_all(getattr(torch, sys.argv[1]))
