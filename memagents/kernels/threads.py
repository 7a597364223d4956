"""Rows of a batch in several threads.

Rows know nothing of each other, so a thread can take some of them from the first step to the last, and need not wait
for the others in between. Kernels and matrix products release Python's lock; what is left of a step in Python is short.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")

FEWEST_ROWS, FEWEST_STEPS = 8, 8
"""With less to do for a thread, starting it takes longer than it saves."""


def parts_of(num_rows: int, num_steps: int) -> list[slice]:
    """The rows, divided evenly among as many threads as torch may use."""
    most = num_rows // FEWEST_ROWS if num_steps >= FEWEST_STEPS else 1
    number = max(1, min(torch.get_num_threads(), most))
    return [slice(num_rows * part // number, num_rows * (part + 1) // number) for part in range(number)]


def in_threads(work: Callable[[PartT], ResultT], parts: Sequence[PartT]) -> list[ResultT]:
    """`work` of every part, each in a thread of its own, without gradients; in this one if there is one part."""
    if len(parts) == 1:
        return [work(parts[0])]
    number, inferring = torch.get_num_threads(), torch.is_inference_mode_enabled()

    def alone(part: PartT) -> ResultT:
        with torch.inference_mode(inferring), torch.no_grad():  # which torch keeps for every thread apart
            return work(part)

    try:
        with ThreadPoolExecutor(len(parts), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(alone, parts))
    finally:
        torch.set_num_threads(number)  # also that of threads that torch has yet to start
