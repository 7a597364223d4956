"""Matrix products inside of kernels, by the library with which torch makes its own.

A step of a recurrent network needs a product, and its gradient another. Called from Python, each would stop at Python's
lock, for which threads would wait in turn; called here, a thread walks from the first step to the last without it.

The library is BLAS (Lawson, Hanson, Kincaid, Krogh: Basic Linear Algebra Subprograms for Fortran Usage, 1979; `sgemm`
for 32 bits, `dgemm` for 64), of which torch's builds for x86 processors hold Intel's. Where torch holds none that can
be called, `can_multiply` is false, and a product is computed row by row.
"""

import ctypes
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import llvmlite.binding as llvm
import numba
import numpy as np
import torch
from jaxtyping import Float
from numba import types
from numba.extending import overload

from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array, dot

AS_IT_IS, TRANSPOSED = ord("N"), ord("T")

PRODUCTS = {types.float32: "sgemm_", types.float64: "dgemm_"}
"""Fortran's names, as linkers see them."""

SET_THREADS = "MKL_Set_Num_Threads_Local"
"""How many threads a product in the calling thread may take; gives the number before, which is 0 if none was set."""


def _find() -> bool:
    """Makes the functions known to compiled code, by their names."""
    for path in Path(torch.__file__).parent.glob("lib/*torch_cpu.*"):
        library = ctypes.CDLL(str(path))
        if all(hasattr(library, name) for name in (*PRODUCTS.values(), SET_THREADS)):
            for name in (*PRODUCTS.values(), SET_THREADS):
                llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
            return True
    return False


can_multiply = _find()
"""Whether kernels can call a library for products."""

set_threads: Any = types.ExternalFunction(SET_THREADS, types.int32(types.int32))
if not can_multiply:
    set_threads = numba.njit(lambda number: number)


FEW_ROWS = 4
"""Up to here rows are multiplied one by one, for the library would first put all of b into another order."""


@compiled
def multiply_few(out: Array, a: Array, b: Array, transposed: bool, first: int, stop: int, kept: int) -> None:
    """`multiply` for few rows: b is read once, row by row."""
    if kept == 0:
        for row in out:
            row[first:stop] = 0
    if transposed:
        for n in range(first, stop):
            for m in range(len(a)):
                out[m, n] += dot(b[n], a[m])
    else:
        for k in range(len(b)):
            for m in range(len(a)):
                factor, row, added = a[m, k], b[k, first:stop], out[m, first:stop]
                for n in range(len(row)):
                    added[n] += factor * row[n]


def multiply(
    out: Float[Array, "M N"], a: Float[Array, "M K"], b: Array, transposed: bool, first: int, stop: int, kept: int
) -> None:
    """out = kept out + a b, or a bᵀ, in columns `first` to `stop`; of what out held, all is kept (1) or nothing (0).

    The numbers of each array stand row after row.
    """
    before = out[:, first:stop] if kept else 0
    out[:, first:stop] = before + (a @ (b.T if transposed else b))[:, first:stop]


@overload(multiply)
def _in_machine_code(
    out: Any, a: Any, b: Any, transposed: Any, first: Any, stop: Any, kept: Any
) -> Callable[..., None]:
    machine_code = _by_the_library(out.dtype) if can_multiply else _row_by_row
    return cast(Callable[..., None], inspect.unwrap(machine_code))  # from checks of shapes, which cannot be compiled


def _row_by_row(out: Any, a: Any, b: Any, transposed: Any, first: Any, stop: Any, kept: Any) -> None:
    multiply_few(out, a, b, transposed, first, stop, kept)


def _by_the_library(number: Any) -> Callable[..., None]:
    letter, size, one = (types.CPointer(kind) for kind in (types.uint8, types.int32, number))  # type: ignore[no-untyped-call]
    matrix = (one, size)  # its first number, and how many stand between rows
    gemm: Any = types.ExternalFunction(
        PRODUCTS[number], types.void(letter, letter, size, size, size, one, *matrix, *matrix, one, *matrix)
    )

    def product(out: Any, a: Any, b: Any, transposed: Any, first: Any, stop: Any, kept: Any) -> None:
        if len(a) <= FEW_ROWS or a.shape[1] == 0:
            multiply_few(out, a, b, transposed, first, stop, kept)
            return
        letters, lengths, factors = np.empty(2, np.uint8), np.empty(5, np.int32), np.empty(2, out.dtype)
        letters[0], letters[1] = TRANSPOSED if transposed else AS_IT_IS, AS_IT_IS
        factors[0], factors[1] = 1, kept
        lengths[0], lengths[1], lengths[2] = stop - first, out.shape[0], a.shape[1]
        lengths[3], lengths[4] = b.shape[1], out.shape[1]
        n, m, k = lengths.ctypes, lengths[1:].ctypes, lengths[2:].ctypes
        b_row, out_row = lengths[3:].ctypes, lengths[4:].ctypes
        of_b, of_a, out_part = letters.ctypes, letters[1:].ctypes, out[:, first:].ctypes
        one, before = factors.ctypes, factors[1:].ctypes
        # A matrix of Fortran's is one of ours transposed: outᵀ = bᵀ aᵀ.
        if transposed:
            gemm(of_b, of_a, n, m, k, one, b[first:].ctypes, b_row, a.ctypes, k, before, out_part, out_row)
        else:
            gemm(of_b, of_a, n, m, k, one, b[:, first:].ctypes, b_row, a.ctypes, k, before, out_part, out_row)

    return product
