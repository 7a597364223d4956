"""Products of rows with words, each a sum over numbers that stand side by side.

    out[r, n] = Σ_k rows[r, k] words[n, k]

A sum is held in one register until its word ends. It is written in LLVM's language, as `tiles` are: of what is written
in Python, machine code depends on how arrays are cut, and for words as short as a memory's it is slow.
"""

from collections.abc import Callable
from typing import Any, Final

from jaxtyping import Float
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled
from memagents.kernels.tiles import (
    BYTES,
    REGISTER,
    SIZE,
    call_for,
    function_named,
    multiply_add,
    taken_apart,
    vector_at,
)

ROWS: Final = 4
"""That are taken at once, so that each number of a word serves all."""


def _together(_: Any, out: Any, rows: Any, words: Any, number: Any, kept: Any) -> tuple[Any, Callable[..., Any]]:
    """Of so many rows, which are at least one and at most ROWS. See `dots`."""

    def call(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        begins, strides, shapes = taken_apart(context, builder, (out, rows, words), arguments)
        behind, (num_words, depth), (number, kept) = (stride for stride, _ in strides), shapes[2], arguments[3:]
        call_for(builder, number, ROWS, function_of, [*begins, *behind, num_words, depth, kept])
        return context.get_dummy_value()

    return types.void(out, rows, words, types.intp, types.intp), call


together: Any = intrinsic(_together)


@compiled
def dots(out: Float[Array, "R N"], rows: Float[Array, "R W"], words: Float[Array, "N W"], kept: int) -> None:
    """The products of rows and words, added to what out held (1), or put over it (0)."""
    out, rows, words = borrowed(out), borrowed(rows), borrowed(words)
    for first in range(0, len(rows), ROWS):
        together(out[first:], rows[first:], words, min(ROWS, len(rows) - first), kept)


def function_of(module: ir.Module, pointer: ir.PointerType, number_of_rows: int) -> ir.Function:
    """The function for so many rows.

    It takes where out, rows and words begin, how many numbers a row of each is behind the one before, how many words
    there are, how many numbers a word has, and whether out is kept.
    """
    function, is_empty = function_named(f"dots_of_{number_of_rows}_{pointer.pointee}", module, pointer)
    if not is_empty:
        return function
    out, rows, words, out_stride, row_stride, word_stride, num_words, depth, kept = function.args
    lanes, aligned = REGISTER // BYTES[pointer.pointee], BYTES[pointer.pointee]
    vector = ir.VectorType(pointer.pointee, lanes)
    add_up = sum_of(module, pointer.pointee, vector)
    before, word_loop, vectors, ragged, numbers, word_end, end = (function.append_basic_block() for _ in range(7))
    zero, zeros = ir.Constant(pointer.pointee, 0.0), ir.Constant(vector, None)

    def load_at(begin: Any, place: Any) -> Any:
        return builder.load(vector_at(builder, builder.gep(begin, [place]), vector, 0), align=aligned)

    builder = ir.IRBuilder(before)
    row_begins = [builder.gep(rows, [builder.mul(row_stride, SIZE(r))]) for r in range(number_of_rows)]
    out_begins = [builder.gep(out, [builder.mul(out_stride, SIZE(r))]) for r in range(number_of_rows)]
    whole = builder.and_(depth, SIZE(-lanes))  # numbers in vectors that are full
    keeps = builder.icmp_signed("!=", kept, SIZE(0))
    builder.cbranch(builder.icmp_signed("<", SIZE(0), num_words), word_loop, end)

    builder.position_at_end(word_loop)
    n = builder.phi(SIZE)
    word = builder.gep(words, [builder.mul(n, word_stride)])
    builder.cbranch(builder.icmp_signed("<", SIZE(0), whole), vectors, ragged)

    builder.position_at_end(vectors)
    k, sums = builder.phi(SIZE), [builder.phi(vector) for _ in row_begins]
    part = load_at(word, k)
    nexts = [multiply_add(builder, load_at(row, k), part, total) for row, total in zip(row_begins, sums, strict=True)]
    next_k = builder.add(k, SIZE(lanes))
    for now, following in zip((k, *sums), (next_k, *nexts), strict=True):
        now.add_incoming(SIZE(0) if now is k else zeros, word_loop)
        now.add_incoming(following, vectors)
    builder.cbranch(builder.icmp_signed("<", next_k, whole), vectors, ragged)

    builder.position_at_end(ragged)
    in_vectors = [builder.phi(vector) for _ in row_begins]
    for each, following in zip(in_vectors, nexts, strict=True):
        each.add_incoming(zeros, word_loop)
        each.add_incoming(following, vectors)
    totals = [builder.call(add_up, [zero, each], fastmath=("reassoc",)) for each in in_vectors]
    builder.cbranch(builder.icmp_signed("<", whole, depth), numbers, word_end)

    builder.position_at_end(numbers)
    j, rests = builder.phi(SIZE), [builder.phi(pointer.pointee) for _ in row_begins]
    number = builder.load(builder.gep(word, [j]))
    rest_nexts = [
        multiply_add(builder, builder.load(builder.gep(row, [j])), number, rest)
        for row, rest in zip(row_begins, rests, strict=True)
    ]
    next_j = builder.add(j, SIZE(1))
    for now, first, following in zip((j, *rests), (whole, *totals), (next_j, *rest_nexts), strict=True):
        now.add_incoming(first, ragged)
        now.add_incoming(following, numbers)
    builder.cbranch(builder.icmp_signed("<", next_j, depth), numbers, word_end)

    builder.position_at_end(word_end)
    products = [builder.phi(pointer.pointee) for _ in row_begins]
    for out_begin, found, total, rest in zip(out_begins, products, totals, rest_nexts, strict=True):
        found.add_incoming(total, ragged)
        found.add_incoming(rest, numbers)
        place = builder.gep(out_begin, [n])
        held = builder.select(keeps, builder.load(place), zero)
        builder.store(builder.fadd(held, found), place)
    next_n = builder.add(n, SIZE(1))
    n.add_incoming(SIZE(0), before)
    n.add_incoming(next_n, word_end)
    builder.cbranch(builder.icmp_signed("<", next_n, num_words), word_loop, end)

    builder.position_at_end(end)
    builder.ret_void()
    return function


def sum_of(module: ir.Module, number: ir.Type, vector: ir.VectorType) -> ir.Function:
    """LLVM's sum of the numbers in a register."""
    name = f"llvm.vector.reduce.fadd.v{vector.count}f{8 * BYTES[number]}"
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(number, [number, vector]), name)
