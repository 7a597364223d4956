"""Compiling a function when it is first called, and keeping the result on disk."""

import inspect
from collections.abc import Callable
from typing import TypeVar

import numba

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

REORDERED = {"reassoc", "contract", "nsz"}
"""What may be done to be faster: sums in another order, products and sums at once. Nothing else is assumed."""


def compiled(function: FunctionT) -> FunctionT:
    """The function as machine code, for each kind of arguments that it is called with."""
    function = inspect.unwrap(function)  # from checks of shapes, which cannot be compiled
    try:
        machine_code: FunctionT = numba.njit(function, cache=True, fastmath=REORDERED, error_model="numpy")
    except RuntimeError:  # there is no folder to keep it in: it is compiled in every process
        machine_code = numba.njit(function, fastmath=REORDERED, error_model="numpy")
    return machine_code
