"""One kernel in several threads at once, of which each takes a share of the work.

The threads are those that torch computes with. After an operation of torch's they stay awake for a while and wait for
the next, and a thread of another kind would have to share a core with one of them until it falls asleep. They belong to
the library that runs OpenMP, which is asked for them as a compiler would (`GOMP_parallel`, GNU libgomp).
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import torch
from numba import types

from memagents.kernels.compilation import compiled

FEWEST_OPERATIONS = 2_000_000
"""For each thread of a team. With less to do, waking it takes longer than it saves."""

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

wait_for_all: Any
this_thread: Any
all_threads: Any
wait_for_all, this_thread, all_threads = (types.ExternalFunction(name, kind()) for name, kind in TEAM.items())
if OPENMP is None:
    wait_for_all, this_thread, all_threads = map(numba.njit, (lambda: None, lambda: 0, lambda: 1))
else:
    for name in TEAM:
        llvm.add_symbol(name, ctypes.cast(getattr(OPENMP, name), ctypes.c_void_p).value)


@compiled
def wait(team: int) -> None:
    """Until all threads have come here."""
    if team > 1:
        wait_for_all()


@compiled
def share(number: int, thread: int, team: int) -> tuple[int, int]:
    """Of so many things, the first that is this thread's, and the first that is not any more."""
    return number * thread // team, number * (thread + 1) // team


def in_team(kernel: Callable[..., None], arguments: Sequence[Any], operations: int) -> None:
    """A kernel in all threads at once, which share its work and wait for each other; in this one if that is little.

    Args:
        kernel: takes one more argument than those given, which means nothing.
        arguments: the same for all.
        operations: about how many it comes to.
    """
    number = min(torch.get_num_threads(), operations // FEWEST_OPERATIONS)
    kinds = kernel, *(getattr(each, "dtype", None) for each in flat(arguments))
    if number < 2 or OPENMP is None or kinds not in _begun:
        kernel(*arguments, None)
        _begun.add(kinds)
    else:
        # No line of Python is run in the threads, which to compile would take many: one that was interrupted would
        # never come to where others wait.
        OPENMP.GOMP_parallel(Outlined(partial(kernel, *arguments)), None, number, 0)


def flat(arguments: Iterable[Any]) -> Iterator[Any]:
    """Arguments, of which some are several in a tuple."""
    for each in arguments:
        yield from each if isinstance(each, tuple) else (each,)
