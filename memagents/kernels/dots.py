"""Products of rows with words, each a sum over numbers that stand side by side.

    out[r, n] = Σ_k rows[r, k] words[n, k]

A sum is held in one register until its word ends, and then the numbers of as many registers as each has numbers are
added up together. It is written in LLVM's language, as `tiles` are: of what is written in Python, machine code depends
on how arrays are cut, and for words as short as a memory's it is slow.
"""

from collections.abc import Callable, Sequence
from itertools import product
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
    """The function for so many rows, which takes as many words at once as make, with all rows, one register of sums."""
    lanes = REGISTER // BYTES[pointer.pointee]
    return function_for(module, pointer, number_of_rows, max(1, lanes >> (number_of_rows - 1).bit_length()))


def function_for(module: ir.Module, pointer: ir.PointerType, number_of_rows: int, at_once: int) -> ir.Function:
    """The function for so many rows, and so many words at once; those that are left over come one by one.

    It takes where out, rows and words begin, how many numbers a row of each is behind the one before, how many words
    there are, how many numbers a word has, and whether out is kept.
    """
    name = f"dots_of_{number_of_rows}_by_{at_once}_{pointer.pointee}"
    function, is_empty = function_named(name, module, pointer)
    if not is_empty:
        return function
    out, rows, words, out_stride, row_stride, word_stride, num_words, depth, kept = function.args
    number, aligned = pointer.pointee, BYTES[pointer.pointee]
    lanes = REGISTER // aligned
    vector, of_words = ir.VectorType(number, lanes), ir.VectorType(number, at_once)
    zeros, nothing = ir.Constant(vector, None), ir.Constant(of_words, None)
    before, word_loop, vectors, ragged, numbers, words_end, left_over = (
        function.append_basic_block() for _ in range(7)
    )

    builder = ir.IRBuilder(before)
    row_begins = [builder.gep(rows, [builder.mul(row_stride, SIZE(r))]) for r in range(number_of_rows)]
    out_begins = [builder.gep(out, [builder.mul(out_stride, SIZE(r))]) for r in range(number_of_rows)]
    whole = builder.and_(depth, SIZE(-lanes))  # numbers in vectors that are full
    in_groups, keeps = builder.and_(num_words, SIZE(-at_once)), builder.icmp_signed("!=", kept, SIZE(0))
    builder.cbranch(builder.icmp_signed("<", SIZE(0), in_groups), word_loop, left_over)

    builder.position_at_end(word_loop)
    n = builder.phi(SIZE)
    word_places = [builder.mul(builder.add(n, SIZE(w)), word_stride) for w in range(at_once)]
    word_begins = [builder.gep(words, [place]) for place in word_places]
    builder.cbranch(builder.icmp_signed("<", SIZE(0), whole), vectors, ragged)

    builder.position_at_end(vectors)
    k, sums = builder.phi(SIZE), [builder.phi(vector) for _ in range(number_of_rows * at_once)]
    row_parts, word_parts = (
        [load_at(builder, begin, k, vector) for begin in each] for each in (row_begins, word_begins)
    )
    pairs = product(row_parts, word_parts)
    nexts = [multiply_add(builder, *pair, total) for pair, total in zip(pairs, sums, strict=True)]
    next_k = builder.add(k, SIZE(lanes))
    for now, first, following in zip((k, *sums), (SIZE(0), *[zeros] * len(sums)), (next_k, *nexts), strict=True):
        now.add_incoming(first, word_loop)
        now.add_incoming(following, vectors)
    builder.cbranch(builder.icmp_signed("<", next_k, whole), vectors, ragged)

    builder.position_at_end(ragged)
    totals = [builder.phi(vector) for _ in sums]
    for total, following in zip(totals, nexts, strict=True):
        total.add_incoming(zeros, word_loop)
        total.add_incoming(following, vectors)
    in_vectors = added_up(builder, totals + [zeros] * (lanes - len(totals)))
    builder.cbranch(builder.icmp_signed("<", whole, depth), numbers, words_end)

    builder.position_at_end(numbers)
    j, so_far = builder.phi(SIZE), builder.phi(vector)
    of_rows, of_these = (
        [builder.load(builder.gep(begin, [j])) for begin in each] for each in (row_begins, word_begins)
    )
    products = zeros
    for place, pair in enumerate(product(of_rows, of_these)):
        products = builder.insert_element(products, builder.fmul(*pair), SIZE(place))
    with_number, next_j = builder.fadd(so_far, products), builder.add(j, SIZE(1))
    for now, first, following in zip((j, so_far), (whole, in_vectors), (next_j, with_number), strict=True):
        now.add_incoming(first, ragged)
        now.add_incoming(following, numbers)
    builder.cbranch(builder.icmp_signed("<", next_j, depth), numbers, words_end)

    builder.position_at_end(words_end)
    found = builder.phi(vector)
    found.add_incoming(in_vectors, ragged)
    found.add_incoming(with_number, numbers)
    for r, out_begin in enumerate(out_begins):
        of_row = shuffled(builder, found, zeros, range(r * at_once, (r + 1) * at_once))
        place = vector_at(builder, builder.gep(out_begin, [n]), of_words, 0)
        held = builder.select(keeps, builder.load(place, align=aligned), nothing)
        builder.store(builder.fadd(held, of_row), place, align=aligned)
    next_n = builder.add(n, SIZE(at_once))
    n.add_incoming(SIZE(0), before)
    n.add_incoming(next_n, words_end)
    builder.cbranch(builder.icmp_signed("<", next_n, in_groups), word_loop, left_over)

    builder.position_at_end(left_over)
    if at_once > 1:
        begins = builder.gep(out, [in_groups]), rows, builder.gep(words, [builder.mul(in_groups, word_stride)])
        sizes = builder.sub(num_words, in_groups), depth, kept
        one_by_one = function_for(module, pointer, number_of_rows, 1)
        builder.call(one_by_one, [*begins, out_stride, row_stride, word_stride, *sizes])
    builder.ret_void()
    return function


def load_at(builder: ir.IRBuilder, begin: Any, place: Any, vector: ir.VectorType) -> Any:
    """So many numbers from a place on."""
    return builder.load(vector_at(builder, builder.gep(begin, [place]), vector, 0), align=BYTES[vector.element])


def added_up(builder: ir.IRBuilder, vectors: Sequence[Any]) -> Any:
    """The sum of each vector, side by side in one; there are as many vectors as each has numbers.

    Of two vectors both halves of each are added, which makes one; of two of these, both halves of the halves.
    """
    lanes = span = len(vectors)
    while len(vectors) > 1:
        span //= 2
        firsts = [part + place for part in range(0, 2 * lanes, 2 * span) for place in range(span)]
        halves = firsts, [span + place for place in firsts]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [builder.fadd(*(shuffled(builder, *pair, places) for places in halves)) for pair in pairs]
    return vectors[0]


def shuffled(builder: ir.IRBuilder, one: Any, other: Any, places: Sequence[int]) -> Any:
    """The numbers at these places of two vectors one after the other."""
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places)))
