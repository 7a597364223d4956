"""A tile of a matrix product, summed up in a processor's registers.

Of out = a b, some rows by as many columns as VECTORS registers hold,

    out[m, n] = Σ_k a[m, k] b[k, n]    for all of the tile at once, k after k

(Goto, van de Geijn: Anatomy of High-Performance Matrix Multiplication. ACM Transactions on Mathematical Software 34(3),
2008, section 4). It is written in LLVM's language, for Python has no words for registers: sums that are written in
Python go to memory and back for every k.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

WIDE: Final = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[-1]
"""Whether the processor that code is compiled for has 32 registers of 64 bytes, not 16 of half as many."""

REGISTER: Final = 64 if WIDE else 32
"""Bytes of a register. Where a processor's are shorter, two stand for one."""

VECTORS: Final = 2

ROWS: Final = 8 if WIDE else 6
"""Of a tile at most. With VECTORS columns each, and for the factors, 6 fill 16 registers; 8 keep both multipliers of a
processor busy, which more would not do any better."""

SIZE: Final = ir.IntType(64)

BYTES: Final = {ir.FloatType(): 4, ir.DoubleType(): 8}


def _tile(_: Any, out: Any, a: Any, b: Any, rows: Any, kept: Any) -> tuple[Any, Callable[..., Any]]:
    """out = kept out + a b, in so many rows, of which a tile has at most ROWS, and as many columns as a tile has.

    There is at least one row of b. Kept is all of what out held (1), or nothing (0).
    """

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        begins, strides, shapes = taken_apart(context, builder, (out, a, b), arguments)
        behind = [strides[0][0], *strides[1], strides[2][0]]
        depth, (rows, kept) = shapes[2][0], arguments[3:]
        call_for(builder, rows, ROWS, function_of, [*begins, *behind, depth, kept])
        return context.get_dummy_value()

    return types.void(out, a, b, types.intp, types.intp), call


tile: Any = intrinsic(_tile)


def taken_apart(
    context: Any, builder: ir.IRBuilder, kinds: Sequence[Any], arguments: Sequence[Any]
) -> tuple[list[Any], list[list[Any]], list[list[Any]]]:
    """Of matrices: where they begin, how many numbers rows and columns are behind those before, their shapes."""
    given = zip(kinds, arguments, strict=False)
    arrays = [make_array(kind)(context, builder, each) for kind, each in given]  # type: ignore[no-untyped-call]
    number_size = SIZE(BYTES[arrays[0].data.type.pointee])
    begins, strides, shapes = [], [], []
    for array in arrays:
        begins.append(array.data)
        behind = (builder.extract_value(array.strides, axis) for axis in (0, 1))
        strides.append([builder.sdiv(stride, number_size) for stride in behind])
        shapes.append([builder.extract_value(array.shape, axis) for axis in (0, 1)])
    return begins, strides, shapes


def call_for(
    builder: ir.IRBuilder, rows: Any, most: int, function_of: Callable[..., ir.Function], arguments: Sequence[Any]
) -> None:
    """Calls the function for so many rows, of which there are at least one and at most so many."""
    end = builder.append_basic_block()
    cases = builder.switch(rows, end)
    for number in range(1, most + 1):
        case = builder.append_basic_block()
        cases.add_case(SIZE(number), case)
        with builder.goto_block(case):
            builder.call(function_of(builder.module, arguments[0].type, number), arguments)
            builder.branch(end)
    builder.position_at_end(end)


def function_named(name: str, module: ir.Module, pointer: ir.PointerType) -> tuple[ir.Function, bool]:
    """A function of a module that takes where three matrices begin and six numbers, and whether it is still empty."""
    if name in module.globals:
        return module.globals[name], False
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * 3 + [SIZE] * 6), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    return function, True


def function_of(module: ir.Module, pointer: ir.PointerType, rows: int) -> ir.Function:
    """The function for a tile of so many rows.

    It takes where out, a and b begin, how many numbers a row of out, a row of a, a column of a and a row of b are
    behind the one before, how many rows b has, and whether out is kept.
    """
    function, is_empty = function_named(f"tile_of_{rows}_{pointer.pointee}", module, pointer)
    if not is_empty:
        return function
    out, a, b, out_stride, a_stride, a_step, b_stride, depth, kept = function.args
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
    factors_at = builder.mul(k, a_step)
    b_row = builder.gep(b, [builder.mul(k, b_stride)])
    columns = [builder.load(vector_at(builder, b_row, vector, v), align=aligned) for v in range(VECTORS)]
    nexts = []
    for m, a_row in enumerate(a_rows):
        number = builder.insert_element(zeros, builder.load(builder.gep(a_row, [factors_at])), SIZE(0))
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
