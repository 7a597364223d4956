"""Kernels of all memories, compiled before they are needed."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from memagents.kernels.recurrence import ENOUGH
from memagents.memories.registry import list_memories, make_memory
from memagents.ops import tanh


def compile_kernels(dtype: torch.dtype) -> None:
    """Trains every memory for two steps, each an episode, and acts for one; then what else a policy's heads compute.

    What is on the disk is read there.
    """
    for name in list_memories():
        memory = make_memory(name, input_size=3).to(dtype)
        inputs = torch.zeros(2, ENOUGH, 3, dtype=dtype, requires_grad=True)
        outputs, state = memory(inputs, torch.ones(2, ENOUGH, dtype=torch.bool), memory.initial_state(ENOUGH))
        outputs.sum().backward()
        with torch.no_grad():
            memory.fast_step(inputs[0], state)
    tanh.tanh(torch.zeros(tanh.ENOUGH, dtype=dtype))


def compile_in_processes(dtypes: Sequence[torch.dtype]) -> None:
    """`compile_kernels` for each kind of numbers, all at the same time.

    Raises:
        ValueError: for none.
    """
    if not dtypes:
        raise ValueError("no kinds of numbers to compile for: expected float32, float64 or both")
    with ProcessPoolExecutor(len(dtypes), get_context("spawn")) as processes:
        list(processes.map(compile_kernels, dtypes))
