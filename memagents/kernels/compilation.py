"""Compiling a function when it is first called, and keeping the result on disk."""

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np
from numba import types

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

Array: TypeAlias = np.ndarray

Number: TypeAlias = Any
"""One of an array's numbers, of 32 or 64 bits."""

REORDERED = {"reassoc", "contract", "nsz"}
"""What may be done to be faster: sums in another order, products and sums at once. Nothing else is assumed."""

HOW: Any = {"fastmath": REORDERED, "error_model": "numpy", "forceinline": True, "nogil": True}
"""All functions are compiled alike."""

CompiledT = TypeVar("CompiledT")


def compiled(function: FunctionT) -> FunctionT:
    """The function as machine code, for each kind of arguments that it is called with.

    It is put into every function that calls it. Of one that stands alone there would be two copies, optimised
    differently, of which a process that compiles takes one, and one that reads what was compiled before the other: sums
    would differ by rounding, and a run that is taken up again would leave its way.
    """
    function = inspect.unwrap(function)  # from checks of shapes, which cannot be compiled
    machine_code: FunctionT = _kept(lambda cache: numba.njit(function, cache=cache, **HOW))
    return machine_code


def compiled_for(function: Callable[..., None], *kinds: types.Type) -> Any:
    """The function as machine code for arguments of these kinds, called by its address.

    Functions of the same kinds are one and the same to a function that takes them as an argument, which is compiled
    once for all.
    """
    function = inspect.unwrap(function)
    return _kept(lambda cache: numba.cfunc(types.void(*kinds), cache=cache, **HOW)(function))


def _kept(compile_it: Callable[[bool], CompiledT]) -> CompiledT:
    """What comes of it with a place on disk, if there is a folder; else it is compiled in every process."""
    try:
        return compile_it(True)
    except RuntimeError:
        return compile_it(False)
