"""Work in several threads.

Rows of a batch know nothing of each other, so a thread can take some of them from the first step to the last, and need
not wait for the others in between (`in_threads`). Where all rows share the products of a step, threads can take some
columns of each, and wait (`in_team`).

The threads are those that torch computes with. After an operation of torch's they stay awake for a while and wait for
the next, and a thread of another kind would have to share a core with one of them until it falls asleep. They belong to
the library that runs OpenMP, which is asked for them as a compiler would (`GOMP_parallel`, GNU libgomp).
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm
import torch
from numba import types

from memagents.kernels.compilation import compiled

PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")

FEWEST_ROWS, FEWEST_STEPS = 8, 8
"""With less to do for a thread, waking it takes longer than it saves."""

FEWEST_OPERATIONS = 2_000_000
"""For each thread of a team."""

_begun: set[tuple[Any, ...]] = set()
"""Kernels that are compiled, and for which kinds of numbers."""

Outlined = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""What a thread is told to do."""


def _find() -> ctypes.CDLL | None:
    for path in Path(torch.__file__).parent.glob("lib/libgomp*"):
        return ctypes.CDLL(str(path))
    return None


OPENMP = _find()
"""Torch's. Without it, one thread does everything."""

TEAM = {"GOMP_barrier": types.void, "omp_get_thread_num": types.int32, "omp_get_num_threads": types.int32}
"""What kernels call of it: to wait for all others, which thread this is, and of how many. (0 of 1, if it is alone.)"""

if OPENMP is not None:
    for name in TEAM:
        llvm.add_symbol(name, ctypes.cast(getattr(OPENMP, name), ctypes.c_void_p).value)

wait_for_all: Any
this_thread: Any
all_threads: Any
wait_for_all, this_thread, all_threads = (types.ExternalFunction(name, kind()) for name, kind in TEAM.items())


@compiled
def wait(team: int) -> None:
    """Until all threads have come here."""
    if team > 1:
        wait_for_all()


@compiled
def share(number: int, thread: int, team: int) -> tuple[int, int]:
    """Of so many things, the first that is this thread's, and the first that is not any more."""
    return number * thread // team, number * (thread + 1) // team


def parts_of(num_rows: int, num_steps: int) -> list[slice]:
    """The rows, divided evenly among as many threads as torch may use."""
    most = num_rows // FEWEST_ROWS if num_steps >= FEWEST_STEPS and OPENMP else 1
    number = max(1, min(torch.get_num_threads(), most))
    return [slice(num_rows * part // number, num_rows * (part + 1) // number) for part in range(number)]


def in_team(kernel: Callable[..., None], arguments: Sequence[Any], operations: int) -> None:
    """A kernel in all threads at once, which share its work and wait for each other; in this one if that is little.

    Args:
        kernel: takes one more argument than those given, which means nothing.
        arguments: the same for all.
        operations: about how many it comes to.
    """
    number = min(torch.get_num_threads(), operations // FEWEST_OPERATIONS)
    kinds = kernel, *(getattr(each, "dtype", None) for each in arguments)
    if number < 2 or OPENMP is None or kinds not in _begun:
        kernel(*arguments, None)
        _begun.add(kinds)
    else:
        # No line of Python is run in the threads, which to compile would take many: one that was interrupted would
        # never come to where others wait.
        OPENMP.GOMP_parallel(Outlined(partial(kernel, *arguments)), None, number, 0)


def in_threads(work: Callable[[PartT], ResultT], parts: Sequence[PartT]) -> list[ResultT]:
    """`work` of every part, each in a thread of its own, without gradients; in this one if there is one part.

    Operations of torch's inside of it are computed by the thread that asks for them alone.
    """
    if len(parts) == 1 or OPENMP is None:
        return [work(part) for part in parts]
    results: dict[int, ResultT] = {}
    errors: list[BaseException] = []
    inferring = torch.is_inference_mode_enabled()

    def some(_: int | None) -> None:
        first, together = OPENMP.omp_get_thread_num(), OPENMP.omp_get_num_threads()
        try:
            with torch.inference_mode(inferring), torch.no_grad():  # which torch keeps for every thread apart
                for part in range(first, len(parts), together):
                    results[part] = work(parts[part])
        except BaseException as error:  # which a thread that Python has not started would drop
            errors.append(error)

    OPENMP.GOMP_parallel(Outlined(some), None, len(parts), 0)
    if errors:
        raise errors[0]
    return [results[part] for part in range(len(parts))]
