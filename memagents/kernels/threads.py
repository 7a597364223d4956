"""One kernel in several threads at once, of which each takes a share of the work.

The threads are those that torch computes with. After an operation of torch's they stay awake for a while and wait for
the next, and a thread of another kind would have to share a core with one of them until it falls asleep. They belong to
the library that runs OpenMP, which is asked for them as a compiler would (`GOMP_parallel`, GNU libgomp).
"""

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import llvmlite.binding as llvm
import numba
import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from memagents.kernels.compilation import compiled

FEWEST_OPERATIONS = 2_000_000
"""For each thread of a team. With less to do, waking it takes longer than it saves."""


def _find() -> ctypes.CDLL | None:
    for path in Path(torch.__file__).parent.glob("lib/libgomp*"):
        return ctypes.CDLL(str(path))
    return None


OPENMP = _find()
"""Torch's. Without it, one thread does everything."""

POINTER: Final = ir.IntType(8).as_pointer()

THREAD: Final = ir.FunctionType(ir.VoidType(), [POINTER])
"""What a thread is told to do."""

BEGIN_TEAM: Final = ir.FunctionType(ir.VoidType(), [THREAD.as_pointer(), POINTER, ir.IntType(32), ir.IntType(32)])
"""Takes that, with its pointer, and the number of threads; and flags, of which there are none."""

TEAM = {"GOMP_barrier": types.void, "omp_get_thread_num": types.int32, "omp_get_num_threads": types.int32}
"""What kernels call of it: to wait for all others, which thread this is, and of how many. (0 of 1, if it is alone.)"""

wait_for_all: Any
this_thread: Any
all_threads: Any
wait_for_all, this_thread, all_threads = (types.ExternalFunction(name, kind()) for name, kind in TEAM.items())
if OPENMP is None:
    wait_for_all, this_thread, all_threads = map(numba.njit, (lambda: None, lambda: 0, lambda: 1))
else:
    for name in (*TEAM, "GOMP_parallel"):
        llvm.add_symbol(name, ctypes.cast(getattr(OPENMP, name), ctypes.c_void_p).value)


def _in_threads(_: Any, team: Any) -> tuple[Any, Callable[..., Any]]:
    """Runs the function that asks in so many threads at once, with the same arguments, but for the first, which is 1
    then; and whether it did. Asked for one thread, or none, the function has to do the work itself.

    A kernel is `compiled_apart`, and begins with `if in_threads(team): return`, of its first argument. No line of
    Python is run in threads: one that was interrupted would never come to where others wait.
    """

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        kernel, number = builder.function, arguments[0]
        # The same machine code computes all sums, however many threads there are.
        kernel.attributes.add("noinline")
        several = builder.icmp_signed(">", number, ir.Constant(number.type, 1))
        if OPENMP is None:
            return ir.Constant(several.type, 0)
        given = kernel.args[2:]  # which come after those for results and errors
        told = ir.LiteralStructType([each.type for each in given])
        room = cgutils.alloca_once(builder, told)  # type: ignore[no-untyped-call]
        with builder.if_then(several):
            for place, each in enumerate([ir.Constant(number.type, 1), *given[1:]]):
                builder.store(each, builder.gep(room, [BEGIN_TEAM.args[2](0), BEGIN_TEAM.args[2](place)]))
            begin = cgutils.get_or_insert_function(builder.module, BEGIN_TEAM, "GOMP_parallel")  # type: ignore[no-untyped-call]
            share_of_thread = outlined(kernel, told)
            number = builder.trunc(number, BEGIN_TEAM.args[2])
            builder.call(begin, [share_of_thread, builder.bitcast(room, POINTER), number, BEGIN_TEAM.args[3](0)])
        return several

    return types.boolean(team), call


in_threads: Any = intrinsic(_in_threads)


def outlined(kernel: ir.Function, told: ir.Type) -> ir.Function:
    """The function of a pointer that calls a kernel with what lies there, as OpenMP wants it."""
    function = ir.Function(kernel.module, THREAD, f"{kernel.name}.in_threads")
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    given = builder.load(builder.bitcast(function.args[0], told.as_pointer()))
    room = [builder.alloca(each.type.pointee) for each in kernel.args[:2]]
    builder.call(kernel, [*room, *(builder.extract_value(given, place) for place in range(len(told.elements)))])
    builder.ret_void()
    return function


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
        kernel: takes the number of threads first; see `in_threads`.
        arguments: its others, the same for all.
        operations: about how many it comes to.
    """
    kernel(min(torch.get_num_threads(), operations // FEWEST_OPERATIONS), *arguments)
