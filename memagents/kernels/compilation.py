"""Compiling a function when it is first called, and keeping the result on disk."""

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

Array: TypeAlias = np.ndarray

Number: TypeAlias = Any
"""One of an array's numbers, of 32 or 64 bits."""

REORDERED = {"reassoc", "contract", "nsz"}
"""What may be done to be faster: sums in another order, products and sums at once. Nothing else is assumed."""

HOW: Any = {"fastmath": REORDERED, "error_model": "numpy", "forceinline": True, "nogil": True}
"""All functions are compiled alike."""

INSIDE: Any = HOW | {"no_cfunc_wrapper": True}
"""And those that are not called by their address."""

CompiledT = TypeVar("CompiledT")


def compiled(function: FunctionT) -> FunctionT:
    """The function as machine code, for each kind of arguments that it is called with.

    It is put into every function that calls it. Of one that stands alone there would be two copies, optimised
    differently, of which a process that compiles takes one, and one that reads what was compiled before the other: sums
    would differ by rounding, and a run that is taken up again would leave its way.
    """
    function = inspect.unwrap(function)  # from checks of shapes, which cannot be compiled
    machine_code: FunctionT = _kept(lambda cache: numba.njit(function, cache=cache, **INSIDE))
    return machine_code


def compiled_apart(function: FunctionT) -> FunctionT:
    """As `compiled`, for a function that begins with `stand_apart()`: others call it, and do not hold it themselves. It
    must not compute sums of its own, for then the two copies might tell each other apart."""
    how = INSIDE | {"forceinline": False}
    machine_code: FunctionT = _kept(lambda cache: numba.njit(inspect.unwrap(function), cache=cache, **how))
    return machine_code


def _stand_apart(_: Any) -> tuple[Any, Callable[..., Any]]:
    def call(context: Any, builder: Any, _: Any, __: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), call


stand_apart: Any = intrinsic(_stand_apart)


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
