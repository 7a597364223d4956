"""Arrays whose owners outlive a kernel, which needs to count none of their uses.

Numba counts how often each array is referred to, also by rows and parts that are cut out of it, and frees it when
nothing is left. It counts in memory that all threads share, which costs more than a short loop over a row.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


def _borrowed(_: Any, array: Any) -> tuple[Any, Callable[..., Any]]:
    """The same array, or arrays with names, of which nobody counts the uses: what they are cut of has to stay with the
    caller meanwhile."""

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        if isinstance(array, types.NamedTuple):
            parts = (builder.extract_value(arguments[0], number) for number in range(len(array.types)))
            each = (lent(context, builder, kind, part) for kind, part in zip(array.types, parts, strict=True))
            return context.make_tuple(builder, array, list(each))
        return lent(context, builder, array, arguments[0])

    return array(array), call


def lent(context: Any, builder: ir.IRBuilder, kind: Any, array: Any) -> Any:
    """An array whose uses are not counted."""
    same = make_array(kind)(context, builder, array)  # type: ignore[no-untyped-call]
    same.meminfo = ir.Constant(same.meminfo.type, None)
    same.parent = ir.Constant(same.parent.type, None)
    return same._getvalue()


borrowed: Any = intrinsic(_borrowed)


def _matrix(_: Any, numbers: Any, rows: Any, columns: Any) -> tuple[Any, Callable[..., Any]] | None:
    """Numbers of a line as so many rows of so many, one after the other; nobody counts their uses either.

    Numba's `reshape` first looks whether that can be, at every call.
    """
    if numbers.ndim != 1 or numbers.layout != "C":
        return None
    kind = types.Array(numbers.dtype, 2, "C")

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        line = make_array(numbers)(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        return rows_from(context, builder, kind, line.data, line.itemsize, arguments[1:])

    return kind(numbers, types.intp, types.intp), call


matrix: Any = intrinsic(_matrix)


def _cube(_: Any, numbers: Any, planes: Any, rows: Any, columns: Any) -> tuple[Any, Callable[..., Any]] | None:
    """Numbers of a line as so many matrices, one after the other."""
    if numbers.ndim != 1 or numbers.layout != "C":
        return None
    kind = types.Array(numbers.dtype, 3, "C")

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        line = make_array(numbers)(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        return rows_from(context, builder, kind, line.data, line.itemsize, arguments[1:])

    return kind(numbers, types.intp, types.intp, types.intp), call


cube: Any = intrinsic(_cube)


def _matrix_at(_: Any, address: Any, rows: Any, columns: Any, like: Any) -> tuple[Any, Callable[..., Any]]:
    """What lies at an address as a matrix of such numbers as another array's: a hundred tensors are told to a kernel
    sooner by their addresses than as arrays."""
    kind = types.Array(like.dtype, 2, "C")

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        pattern = make_array(like)(context, builder, arguments[3])  # type: ignore[no-untyped-call]
        data = builder.inttoptr(arguments[0], pattern.data.type)
        return rows_from(context, builder, kind, data, pattern.itemsize, arguments[1:3])

    return kind(types.intp, types.intp, types.intp, like), call


matrix_at: Any = intrinsic(_matrix_at)


def rows_from(context: Any, builder: ir.IRBuilder, kind: Any, data: Any, itemsize: Any, shape: Sequence[Any]) -> Any:
    """An array whose rows lie one after the other, from there on."""
    out, strides = make_array(kind)(context, builder), [itemsize]  # type: ignore[no-untyped-call]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(length, strides[0]))
    populate_array(out, data, shape, strides, itemsize, meminfo=None)  # type: ignore[no-untyped-call]
    return out._getvalue()
