"""Arrays whose owners outlive a kernel, which needs to count none of their uses.

Numba counts how often each array is referred to, also by rows and parts that are cut out of it, and frees it when
nothing is left. It counts in memory that all threads share, which costs more than a short loop over a row.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


def _borrowed(_: Any, array: Any) -> tuple[Any, Callable[..., Any]]:
    """The same array, of which nobody counts the uses: what it is cut of has to stay with the caller meanwhile."""

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        same = make_array(array)(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        same.meminfo = ir.Constant(same.meminfo.type, None)
        same.parent = ir.Constant(same.parent.type, None)
        return same._getvalue()

    return array(array), call


borrowed: Any = intrinsic(_borrowed)


def _matrix(_: Any, numbers: Any, rows: Any, columns: Any) -> tuple[Any, Callable[..., Any]] | None:
    """Numbers of a line as so many rows of so many, one after the other; nobody counts their uses either.

    Numba's `reshape` first looks whether that can be, at every call.
    """
    if numbers.ndim != 1 or numbers.layout != "C":
        return None
    kind = types.Array(numbers.dtype, 2, "C")

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        line, out = make_array(numbers)(context, builder, arguments[0]), make_array(kind)(context, builder)  # type: ignore[no-untyped-call]
        row = builder.mul(arguments[2], line.itemsize)
        populate_array(out, line.data, arguments[1:], (row, line.itemsize), line.itemsize, meminfo=None)  # type: ignore[no-untyped-call]
        return out._getvalue()

    return kind(numbers, types.intp, types.intp), call


matrix: Any = intrinsic(_matrix)
