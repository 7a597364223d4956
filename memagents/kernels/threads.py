"""Rows of a batch in several threads.

Rows know nothing of each other, so a thread can take some of them from the first step to the last, and need not wait
for the others in between.

The threads are those that torch computes with. After an operation of torch's they stay awake for a while and wait for
the next, and a thread of another kind would have to share a core with one of them until it falls asleep. They belong to
the library that runs OpenMP, which is asked for them as a compiler would (`GOMP_parallel`, GNU libgomp).
"""

import ctypes
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")

FEWEST_ROWS, FEWEST_STEPS = 8, 8
"""With less to do for a thread, waking it takes longer than it saves."""

Outlined = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""What a thread is told to do."""


def _find() -> ctypes.CDLL | None:
    for path in Path(torch.__file__).parent.glob("lib/libgomp*"):
        return ctypes.CDLL(str(path))
    return None


OPENMP = _find()
"""Torch's. Without it, one thread takes all rows."""


def parts_of(sizes: Sequence[int]) -> list[slice]:
    """The rows, divided among as many threads as torch may use, so that all have about as many steps to take.

    Args:
        sizes: rows that have a first step, a second one, and so on; they are in order of length, the longest first.
    """
    num_rows = sizes[0]
    most = num_rows // FEWEST_ROWS if len(sizes) >= FEWEST_STEPS and OPENMP else 1
    number = max(1, min(torch.get_num_threads(), most))
    if number == 1:
        return [slice(0, num_rows)]
    steps = (np.array(sizes) > np.arange(num_rows)[:, None]).sum(1).cumsum()  # of a row and those above it
    cuts = np.searchsorted(steps, [sum(sizes) * part / number for part in range(1, number)], "right").tolist()
    return [slice(first, stop) for first, stop in pairwise([0, *cuts, num_rows])]


def in_threads(work: Callable[[PartT], ResultT], parts: Sequence[PartT]) -> list[ResultT]:
    """`work` of every part, each in a thread of its own, without gradients; in this one if there is one part.

    Operations of torch's inside of it are computed by the thread that asks for them alone.
    """
    if len(parts) == 1 or OPENMP is None:
        return [work(part) for part in parts]
    results: dict[int, ResultT] = {}
    errors: list[BaseException] = []
    inferring = torch.is_inference_mode_enabled()

    def share(_: int | None) -> None:
        first, together = OPENMP.omp_get_thread_num(), OPENMP.omp_get_num_threads()
        try:
            with torch.inference_mode(inferring), torch.no_grad():  # which torch keeps for every thread apart
                for part in range(first, len(parts), together):
                    results[part] = work(parts[part])
        except BaseException as error:  # which a thread that Python has not started would drop
            errors.append(error)

    OPENMP.GOMP_parallel(Outlined(share), None, len(parts), 0)
    if errors:
        raise errors[0]
    return [results[part] for part in range(len(parts))]
