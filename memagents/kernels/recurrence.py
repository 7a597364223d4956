"""A recurrent network over packed segments, by kernels.

A step is one product and the cell's gates. A thread takes some segments all the way, and waits for nobody. Only where
steps have few rows it takes some columns of each product, which is faster for several rows at a time (`tiles`), then
the gates of some segments, and after either waits for the others.

What gates hear is their hidden vector, then the input, then a one, whose weights are the biases: so there is one
product for all, and one for the gradient of all weights. (Where a gate keeps apart what it is told and what it hears,
it hears the hidden vector and a one, and is told of all inputs at once.)

Axes: P places of the packed layout (`ops/packed.py`), N segments, T steps, D features of an input, H of the hidden
vector, K of what is heard, C of the cell (H in an LSTM, else none), G gates.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels import cells
from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.parts import add, put
from memagents.kernels.products import (
    in_panels,
    multiply,
    product,
    product_over_rows,
    share_of_columns,
)
from memagents.kernels.threads import OPENMP, all_threads, in_team, in_threads, share, this_thread, wait
from memagents.kernels.tiles import ROWS
from memagents.kernels.unroll import arrays, can_work_with


def can_unroll(inputs: Tensor) -> bool:
    """Whether `unroll_cell` can."""
    return OPENMP is not None and can_work_with(inputs)


def unroll_cell(
    kind: str,
    inputs: Float[Tensor, "P D"],
    begin: list[Float[Tensor, "N H"]],
    weights: list[Tensor],
    sizes: list[int],
    elements: Int[Tensor, " P"] | None,
) -> tuple[Float[Tensor, "P H"], Float[Tensor, "P C"]]:
    """The hidden vector and the cell after every step, each made of those before it in its segment.

    Args:
        kind: the name of the network in `cells`.
        inputs: all elements, step by step.
        begin: the hidden vector before each segment, and an LSTM's cell.
        weights: from the input `[GH, D]`, from the hidden vector `[GH, H]`, and their biases `[GH]`.
        sizes: segments that have a first element, a second one, and so on.
        elements: which of them lies at each place; None, if they lie as they are.

    Returns:
        The hidden vectors step by step, as the inputs, and the cells packed.
    """
    hidden, cell = begin if kind == cells.HAS_CELL else (*begin, begin[0][:, :0])
    after: tuple[Tensor, Tensor] = _Unroll.apply(kind, sizes, elements, inputs, hidden, cell, *weights)  # type: ignore[no-untyped-call]
    return after


@compiled
def division(sizes: Int[Array, " T"]) -> tuple[int, int, int, int]:
    """Which segments are this thread's, from the first to that which is not any more; and with whom it shares them: as
    which of how many threads.

    It has them to itself, about as many places as each of the others; but where steps have too few rows for that, all
    segments are everybody's.
    """
    thread, team, number, all_places = this_thread(), all_threads(), sizes[0], sizes.sum()
    if all_places < ROWS * team * len(sizes):
        return 0, number, thread, team
    first, stop, places, steps = 0, 0, 0, len(sizes)
    for n in range(number):
        while sizes[steps - 1] <= n:
            steps -= 1
        first += places * team < thread * all_places
        stop += places * team < (thread + 1) * all_places
        places += steps
    return first, stop, 0, 1


@compiled
def cell_of(t: int, step: slice, begin: Float[Array, "N C"], cell: Float[Array, "P C"], sizes: Array) -> Array:
    """The cells before a step of some segments, of which it lies in these places."""
    before = sizes[t - 1] if t > 0 else 0
    cells_before: Array = begin[step] if t == 0 else cell[step.start - before : step.stop - before]
    return cells_before


@compiled
def element_at(place: int, elements: Int[Array, " P"]) -> int:
    """Which element lies at a place."""
    element: int = elements[place] if len(elements) > 0 else place
    return element


@compiled_apart
def advance(
    team: int,
    kind: int,
    weights: Float[Array, "GH K"],
    told: Float[Array, "P GH"],
    heard: Float[Array, "P GH"],
    past: Float[Array, "P K"],
    begin_cell: Float[Array, "N C"],
    hidden: Float[Array, "P H"],
    cell: Float[Array, "P C"],
    sizes: Int[Array, " T"],
    elements: Int[Array, " P"],
) -> None:
    """All steps. What each hears is kept beside what comes of it, in `past`, of which the first hidden vectors and all
    inputs are given. Hidden vectors are written where the elements are that they are of."""
    if in_threads(team):
        return
    told, heard, past, begin_cell = borrowed(told), borrowed(heard), borrowed(past), borrowed(begin_cell)
    hidden, cell, sizes, elements = borrowed(hidden), borrowed(cell), borrowed(sizes), borrowed(elements)
    first, stop, thread, team = division(sizes)
    left, right = share_of_columns(weights.T, thread, team)
    panels, size, begins = in_panels(weights[left:right].T), hidden.shape[1], 0
    after = np.empty((sizes[0], size), hidden.dtype)
    for t in range(len(sizes)):
        top, bottom = begins + min(first, sizes[t]), begins + min(stop, sizes[t])
        multiply(heard[top:bottom, left:right], past[top:bottom], panels, 0)
        wait(team)
        low, high = share(bottom - top, thread, team)
        mine = slice(top + low, top + high)
        cell_before = cell_of(t, mine, begin_cell, cell, sizes)
        made = after[: mine.stop - mine.start]
        cells.forward(kind, told[mine], heard[mine], past[mine], cell_before, made, cell[mine])
        going_on = begins + sizes[t + 1] if t + 1 < len(sizes) else 0
        for n in range(len(made)):
            place = mine.start + n
            put(made[n], hidden[element_at(place, elements)])
            if place < going_on:
                put(made[n], past[place + sizes[t], :size])
        begins += sizes[t]
        wait(team)


@compiled_apart
def retreat(
    team: int,
    kind: int,
    weights: Float[Array, "GH H"],
    gates: Float[Array, "P GH"],
    heard: Float[Array, "P GH"],
    past: Float[Array, "P K"],
    begin_cell: Float[Array, "N C"],
    cell: Float[Array, "P C"],
    d_after: Float[Array, "P H"],
    d_cell_after: Float[Array, "P C"],
    d_hidden: Float[Array, "N H"],
    d_cell: Float[Array, "N C"],
    d_told: Float[Array, "P GH"],
    d_heard: Float[Array, "P GH"],
    sizes: Int[Array, " T"],
    elements: Int[Array, " P"],
) -> None:
    """The gradient of `advance`. In `d_hidden` and `d_cell`, which begin at 0, those before the segments are left.

    Of `d_after` and `d_cell_after`, either may have no rows, which is 0.
    """
    if in_threads(team):
        return
    gates, heard, past, begin_cell = borrowed(gates), borrowed(heard), borrowed(past), borrowed(begin_cell)
    cell, d_after, d_cell_after, sizes = borrowed(cell), borrowed(d_after), borrowed(d_cell_after), borrowed(sizes)
    d_hidden, d_cell, d_told, d_heard = borrowed(d_hidden), borrowed(d_cell), borrowed(d_told), borrowed(d_heard)
    elements = borrowed(elements)
    first, stop, thread, team = division(sizes)
    left, right = share_of_columns(weights, thread, team)
    panels, begins = in_panels(weights[:, left:right]), sizes.sum()
    for t in range(len(sizes) - 1, -1, -1):
        begins -= sizes[t]
        top, bottom = min(first, sizes[t]), min(stop, sizes[t])
        low, high = share(bottom - top, thread, team)
        own, mine = slice(top + low, top + high), slice(begins + top + low, begins + top + high)
        for n in range(own.start, own.stop):
            if len(d_after) > 0:
                add(d_after[element_at(begins + n, elements)], d_hidden[n])
            if len(d_cell_after) > 0:
                add(d_cell_after[begins + n], d_cell[n])
        known = past[mine], cell_of(t, mine, begin_cell, cell, sizes), cell[mine]
        cells.backward(kind, gates[mine], heard[mine], *known, d_hidden[own], d_cell[own], d_told[mine], d_heard[mine])
        wait(team)
        multiply(d_hidden[top:bottom, left:right], d_heard[begins + top : begins + bottom], panels, 1)
        wait(team)


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kind: str,
        sizes: list[int],
        elements: Tensor | None,
        inputs: Tensor,
        begin: Tensor,
        begin_cell: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> tuple[Tensor, Tensor]:
        apart, size = kind == cells.HEARS_APART, begin.shape[1]
        inputs = inputs if elements is None else inputs.index_select(0, elements)
        steps, of_places = np.array(sizes), np.empty(0, np.int64) if elements is None else elements.numpy()
        if apart:
            told, weights = product(inputs, weight_ih.t()).add_(bias_ih), torch.cat([weight_hh, bias_hh[:, None]], 1)
        else:
            told = inputs.new_empty(len(inputs), len(weight_hh))
            weights = torch.cat([weight_hh, weight_ih, (bias_ih + bias_hh)[:, None]], 1)
        heard = torch.empty_like(told) if apart else told
        past = told.new_empty(len(told), weights.shape[1])
        past[: len(begin), :size], past[:, -1] = begin, 1
        if not apart:
            past[:, size:-1] = inputs
        hidden, cell = (told.new_empty(len(told), field.shape[1]) for field in (begin, begin_cell))
        walked = arrays((told, heard, past, begin_cell, hidden, cell))
        known = cells.KINDS[kind], weights.numpy()
        in_team(advance, (*known, *walked, steps, of_places), 2 * told.numel() * (weights.shape[1] - 1))
        ctx.save_for_backward(inputs, weight_ih, weight_hh, told, heard, past, begin_cell, cell)
        ctx.set_materialize_grads(False)
        ctx.kind, ctx.places, ctx.begin = kind, (steps, of_places), begin.shape
        return hidden, cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_after: Tensor | None, d_cell_after: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, weight_ih, weight_hh, told, heard, past, begin_cell, cell = ctx.saved_tensors
        apart, (num_segments, size), cell_size = ctx.kind == cells.HEARS_APART, ctx.begin, cell.shape[1]
        d_begin, d_begin_cell = (told.new_zeros(num_segments, features) for features in (size, cell_size))
        d_told = torch.empty_like(told)
        d_heard = torch.empty_like(heard) if apart else d_told
        given = (told.new_empty(0, n) if d is None else d for d, n in ((d_after, size), (d_cell_after, cell_size)))
        walked = arrays((told, heard, past, begin_cell, cell, *given, d_begin, d_begin_cell, d_told, d_heard))
        known = cells.KINDS[ctx.kind], *arrays([weight_hh])
        in_team(retreat, (*known, *walked, *ctx.places), 2 * told.numel() * size)
        d_weights = product_over_rows(past, d_heard).t()
        d_weight_hh, d_bias_hh = d_weights[:, :size], d_weights[:, -1]
        if apart:
            d_weight_ih, d_bias_ih = product_over_rows(inputs, d_told).t(), d_told.sum(0)
        else:
            d_weight_ih, d_bias_ih = d_weights[:, size:-1], d_bias_hh
        d_inputs = None
        if ctx.needs_input_grad[3]:
            d_inputs, elements = product(d_told, weight_ih), torch.from_numpy(ctx.places[1])
            d_inputs = d_inputs if len(elements) == 0 else torch.empty_like(d_inputs).index_copy_(0, elements, d_inputs)
        return None, None, None, d_inputs, d_begin, d_begin_cell, d_weight_ih, d_weight_hh, d_bias_ih, d_bias_hh
