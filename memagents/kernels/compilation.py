"""Compiling a function when it is first called, and keeping the result on disk."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numba

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

REORDERED = {"reassoc", "contract", "nsz"}
"""What may be done to be faster: sums in another order, products and sums at once. Nothing else is assumed."""


def compiled(function: FunctionT) -> FunctionT:
    """The function as machine code, for each kind of arguments that it is called with.

    It is put into every function that calls it. Of one that stands alone there would be two copies, optimised
    differently, of which a process that compiles takes one, and one that reads what was compiled before the other: sums
    would differ by rounding, and a run that is taken up again would leave its way.
    """
    function = inspect.unwrap(function)  # from checks of shapes, which cannot be compiled
    compile_it: Any = partial(numba.njit, fastmath=REORDERED, error_model="numpy", forceinline=True, nogil=True)
    try:
        machine_code: FunctionT = compile_it(function, cache=True)
    except RuntimeError:  # there is no folder to keep it in: it is compiled in every process
        machine_code = compile_it(function)
    return machine_code
