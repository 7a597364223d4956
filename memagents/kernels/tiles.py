"""A tile of a matrix product, summed up in a processor's registers.

Of out = a b, some rows by as many columns as VECTORS registers hold,

    out[m, n] = Σ_k a[m, k] b[k, n]    for all of the tile at once, k after k

(Goto, van de Geijn: Anatomy of High-Performance Matrix Multiplication. ACM Transactions on Mathematical Software 34(3),
2008, section 4). It is written in LLVM's language, for Python has no words for registers: sums that are written in
Python go to memory and back for every k.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

ROWS: Final = 6
"""Of a tile at most. With VECTORS columns each, and for the factors, these are as many registers as there are (16)."""

VECTORS: Final = 2

REGISTER: Final = 32
"""Bytes of a register. Where a processor's are shorter, two stand for one."""

SIZE: Final = ir.IntType(64)

BYTES: Final = {ir.FloatType(): 4, ir.DoubleType(): 8}


def _tile(_: Any, out: Any, a: Any, panel: Any, rows: Any, kept: Any) -> tuple[Any, Callable[..., Any]]:
    """out = kept out + a b, in so many rows, of which a tile has at most ROWS, and the columns of b in a panel.

    The panel has at least one row, and is as wide as a tile. Kept is all of what out held (1), or nothing (0).
    """

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        given = zip((out, a, panel), arguments, strict=False)
        arrays = [make_array(kind)(context, builder, each) for kind, each in given]  # type: ignore[no-untyped-call]
        begins = [array.data for array in arrays]
        number_size = SIZE(BYTES[begins[0].type.pointee])
        strides = [builder.sdiv(builder.extract_value(array.strides, 0), number_size) for array in arrays[:2]]
        depth, (rows, kept) = builder.extract_value(arrays[2].shape, 0), arguments[3:]
        end = builder.append_basic_block()
        cases = builder.switch(rows, end)
        for number in range(1, ROWS + 1):
            case = builder.append_basic_block()
            cases.add_case(SIZE(number), case)
            with builder.goto_block(case):
                builder.call(function_of(builder.module, begins[0].type, number), [*begins, *strides, depth, kept])
                builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(out, a, panel, types.intp, types.intp), call


tile: Any = intrinsic(_tile)


def function_of(module: ir.Module, pointer: ir.PointerType, rows: int) -> ir.Function:
    """The function for a tile of so many rows.

    It takes where out, a and the panel begin, how many numbers a row of out and a row of a are behind the one before,
    how many rows the panel has, and whether out is kept.
    """
    name = f"tile_of_{rows}_{pointer.pointee}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * 3 + [SIZE] * 4), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    out, a, panel, out_stride, a_stride, depth, kept = function.args
    lanes, aligned = REGISTER // BYTES[pointer.pointee], BYTES[pointer.pointee]
    vector, every = ir.VectorType(pointer.pointee, lanes), ir.VectorType(ir.IntType(32), lanes)
    before, loop, after = (function.append_basic_block() for _ in range(3))

    builder = ir.IRBuilder(before)
    out_rows = [builder.gep(out, [builder.mul(out_stride, SIZE(m))]) for m in range(rows)]
    a_rows = [builder.gep(a, [builder.mul(a_stride, SIZE(m))]) for m in range(rows)]
    places = [vector_at(builder, begin, vector, v) for begin in out_rows for v in range(VECTORS)]
    keeps, zeros = builder.icmp_signed("!=", kept, SIZE(0)), ir.Constant(vector, None)
    firsts = [builder.select(keeps, builder.load(place, align=aligned), zeros) for place in places]
    builder.branch(loop)

    builder.position_at_end(loop)
    k, sums = builder.phi(SIZE), [builder.phi(vector) for _ in places]
    b_row = builder.gep(panel, [builder.mul(k, SIZE(VECTORS * lanes))])
    columns = [builder.load(vector_at(builder, b_row, vector, v), align=aligned) for v in range(VECTORS)]
    nexts = []
    for m, a_row in enumerate(a_rows):
        number = builder.insert_element(zeros, builder.load(builder.gep(a_row, [k])), SIZE(0))
        factor = builder.shuffle_vector(number, zeros, ir.Constant(every, None))
        for v, column in enumerate(columns):
            nexts.append(multiply_add(builder, factor, column, sums[m * VECTORS + v]))
    next_k = builder.add(k, SIZE(1))
    for now, first, following in zip((k, *sums), (SIZE(0), *firsts), (next_k, *nexts), strict=True):
        now.add_incoming(first, before)
        now.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", next_k, depth), loop, after)

    builder.position_at_end(after)
    for place, total in zip(places, nexts, strict=True):
        builder.store(total, place, align=aligned)
    builder.ret_void()
    return function


def vector_at(builder: ir.IRBuilder, begin: Any, vector: ir.VectorType, number: int) -> Any:
    """Where the vector of this number lies, of those side by side from here on."""
    return builder.gep(builder.bitcast(begin, vector.as_pointer()), [SIZE(number)])


def multiply_add(builder: ir.IRBuilder, factor: Any, column: Any, total: Any) -> Any:
    """factor * column + total, with a single rounding where a processor does both at once."""
    product = builder.fmul(factor, column, flags=("contract",))
    return builder.fadd(total, product, flags=("contract",))
