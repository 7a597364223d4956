"""A recurrent network over packed segments, by kernels.

A step is one product and the cell's gates. Of each product a thread takes some columns, and of the gates some segments;
after either it waits for the others. What gates hear is their hidden vector, then the input, then a one, whose weights
are the biases: so there is one product for all, and one for the gradient of all weights. (Where a gate keeps apart what
it is told and what it hears, it hears the hidden vector and a one, and is told of all inputs at once.)

Axes: P places of the packed layout (`ops/packed.py`), N segments, T steps, D features of an input, H of the hidden
vector, K of what is heard, C of the cell (H in an LSTM, else none), G gates.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels import cells
from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array, add, put
from memagents.kernels.products import can_multiply, multiply, set_threads
from memagents.kernels.threads import OPENMP, all_threads, in_team, share, this_thread, wait
from memagents.kernels.unroll import can_work_with


def can_unroll(inputs: Tensor) -> bool:
    """Whether `unroll_cell` can."""
    return can_multiply and OPENMP is not None and can_work_with(inputs)


def unroll_cell(
    kind: str, inputs: Float[Tensor, "P D"], begin: list[Float[Tensor, "N H"]], weights: list[Tensor], sizes: list[int]
) -> tuple[Float[Tensor, "P H"], Float[Tensor, "P C"]]:
    """The hidden vector and the cell after every step, each made of those before it in its segment.

    Args:
        kind: the name of the network in `cells`.
        inputs: packed.
        begin: the hidden vector before each segment, and an LSTM's cell.
        weights: from the input `[GH, D]`, from the hidden vector `[GH, H]`, and their biases `[GH]`.
        sizes: segments that have a first element, a second one, and so on.
    """
    hidden, cell = begin if kind == cells.HAS_CELL else (*begin, begin[0][:, :0])
    after: tuple[Tensor, Tensor] = _Unroll.apply(kind, sizes, inputs, hidden, cell, *weights)  # type: ignore[no-untyped-call]
    return after


@compiled
def cell_of(
    t: int, top: int, bottom: int, begins: int, begin_cell: Float[Array, "N C"], cell: Float[Array, "P C"], sizes: Array
) -> Float[Array, "M C"]:
    """The cells of some segments before a step, of which the first stands in row `begins`."""
    before = begins - sizes[t - 1] if t > 0 else 0
    cells_before: Array = begin_cell[top:bottom] if t == 0 else cell[before + top : before + bottom]
    return cells_before


@compiled
def advance(
    kind: int,
    told: Float[Array, "P GH"],
    heard: Float[Array, "P GH"],
    past: Float[Array, "P K"],
    begin_cell: Float[Array, "N C"],
    weights: Float[Array, "GH K"],
    hidden: Float[Array, "P H"],
    cell: Float[Array, "P C"],
    sizes: Int[Array, " T"],
    _: None,
) -> None:
    """All steps. What each hears is kept beside what comes of it, in `past`, of which the first hidden vectors and all
    inputs are given."""
    size = hidden.shape[1]
    thread, team, alone = this_thread(), all_threads(), set_threads(1)
    first, stop = share(heard.shape[1], thread, team)
    begins = 0
    for t in range(len(sizes)):
        step = slice(begins, begins + sizes[t])
        multiply(heard[step], past[step], weights, True, first, stop, 0)
        wait(team)
        top, bottom = share(sizes[t], thread, team)
        mine = slice(begins + top, begins + bottom)
        cell_before = cell_of(t, top, bottom, begins, begin_cell, cell, sizes)
        cells.forward(kind, told[mine], heard[mine], past[mine], cell_before, hidden[mine], cell[mine])
        if t + 1 < len(sizes):
            for row in range(begins + top, begins + min(bottom, sizes[t + 1])):
                put(hidden[row], past[row + sizes[t], :size])
        wait(team)
        begins += sizes[t]
    set_threads(alone)


@compiled
def retreat(
    kind: int,
    gates: Float[Array, "P GH"],
    heard: Float[Array, "P GH"],
    past: Float[Array, "P K"],
    begin_cell: Float[Array, "N C"],
    weights: Float[Array, "GH K"],
    cell: Float[Array, "P C"],
    d_after: Float[Array, "P H"],
    d_cell_after: Float[Array, "P C"],
    d_hidden: Float[Array, "N H"],
    d_cell: Float[Array, "N C"],
    d_told: Float[Array, "P GH"],
    d_heard: Float[Array, "P GH"],
    sizes: Int[Array, " T"],
    _: None,
) -> None:
    """The gradient of `advance`. In `d_hidden` and `d_cell`, which begin at 0, those before the segments are left.

    Of `d_after` and `d_cell_after`, either may have no rows, which is 0.
    """
    thread, team, alone = this_thread(), all_threads(), set_threads(1)
    first, stop = share(d_hidden.shape[1], thread, team)
    begins = sizes.sum()
    for t in range(len(sizes) - 1, -1, -1):
        begins -= sizes[t]
        top, bottom = share(sizes[t], thread, team)
        for row in range(top, bottom):
            if len(d_after) > 0:
                add(d_after[begins + row], d_hidden[row])
            if len(d_cell_after) > 0:
                add(d_cell_after[begins + row], d_cell[row])
        mine, kept = slice(begins + top, begins + bottom), slice(top, bottom)
        cell_before = cell_of(t, top, bottom, begins, begin_cell, cell, sizes)
        known, given = (past[mine], cell_before, cell[mine]), (d_told[mine], d_heard[mine])
        cells.backward(kind, gates[mine], heard[mine], *known, d_hidden[kept], d_cell[kept], *given)
        wait(team)
        multiply(d_hidden[: sizes[t]], d_heard[begins : begins + sizes[t]], weights, False, first, stop, 1)
        wait(team)
    set_threads(alone)


@compiled
def take_step(
    inputs: Float[Array, "N D"],
    before: Float[Array, "N H"],
    cell_before: Float[Array, "N H"],
    weight_ih: Float[Array, "GH D"],
    weight_hh: Float[Array, "GH H"],
    bias_ih: Float[Array, " GH"],
    bias_hh: Float[Array, " GH"],
    told: Float[Array, "N GH"],
    hidden: Float[Array, "N H"],
    cell: Float[Array, "N H"],
) -> None:
    """One step of an LSTM, whose products take all threads by themselves."""
    for gates in told:
        put(bias_ih, gates)
        add(bias_hh, gates)
    multiply(told, inputs, weight_ih, True, 0, len(weight_ih), 1)
    multiply(told, before, weight_hh, True, 0, len(weight_hh), 1)
    cells.lstm(told, cell_before, hidden, cell)


def lstm_cell(
    inputs: Float[Tensor, "N D"],
    begin: Sequence[Float[Tensor, "N H"]],
    weight_ih: Float[Tensor, "GH D"],
    weight_hh: Float[Tensor, "GH H"],
    bias_ih: Float[Tensor, " GH"],
    bias_hh: Float[Tensor, " GH"],
) -> tuple[Float[Tensor, "N H"], Float[Tensor, "N H"]]:
    """What `torch.lstm_cell` is asked and answers, in three quarters of its time. It has no gradient."""
    hidden, cell = (inputs.new_empty(field.shape) for field in begin)
    told = inputs.new_empty(len(inputs), len(weight_hh))
    fields = inputs, *begin, weight_ih, weight_hh, bias_ih, bias_hh, told, hidden, cell
    take_step(*(each.detach().contiguous().numpy() for each in fields))
    return hidden, cell


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        kind: str,
        sizes: list[int],
        inputs: Tensor,
        begin: Tensor,
        begin_cell: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> tuple[Tensor, Tensor]:
        apart, size = kind == cells.HEARS_APART, begin.shape[1]
        if apart:
            told, weights = torch.addmm(bias_ih, inputs, weight_ih.t()), torch.cat([weight_hh, bias_hh[:, None]], 1)
        else:
            told = inputs.new_empty(len(inputs), len(weight_hh))
            weights = torch.cat([weight_hh, weight_ih, (bias_ih + bias_hh)[:, None]], 1)
        heard = torch.empty_like(told) if apart else told
        past = told.new_empty(len(told), weights.shape[1])
        past[: len(begin), :size], past[:, -1] = begin, 1
        if not apart:
            past[:, size:-1] = inputs
        hidden, cell = (told.new_empty(len(told), field.shape[1]) for field in (begin, begin_cell))
        walked = told, heard, past, begin_cell.contiguous(), weights, hidden, cell
        arrays = cells.KINDS[kind], *(each.numpy() for each in walked), np.array(sizes)
        in_team(advance, arrays, 2 * told.numel() * (weights.shape[1] - 1))
        ctx.save_for_backward(inputs, weight_ih, weights, told, heard, past, begin_cell, cell)
        ctx.set_materialize_grads(False)
        ctx.kind, ctx.steps, ctx.begin = kind, arrays[-1], begin.shape
        return hidden, cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_after: Tensor | None, d_cell_after: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, weight_ih, weights, told, heard, past, begin_cell, cell = ctx.saved_tensors
        apart, (num_segments, size), cell_size = ctx.kind == cells.HEARS_APART, ctx.begin, cell.shape[1]
        d_begin, d_begin_cell = (told.new_zeros(num_segments, features) for features in (size, cell_size))
        d_told = torch.empty_like(told)
        d_heard = torch.empty_like(heard) if apart else d_told
        known = told, heard, past, begin_cell, weights, cell
        given = (told.new_empty(0, n) if d is None else d for d, n in ((d_after, size), (d_cell_after, cell_size)))
        fields = (each.contiguous().numpy() for each in (*known, *given, d_begin, d_begin_cell, d_told, d_heard))
        in_team(retreat, (cells.KINDS[ctx.kind], *fields, ctx.steps), 2 * told.numel() * size)
        d_weights = (past.t() @ d_heard).t()
        d_weight_hh, d_bias_hh = d_weights[:, :size], d_weights[:, -1]
        if apart:
            d_weight_ih, d_bias_ih = (inputs.t() @ d_told).t(), d_told.sum(0)
        else:
            d_weight_ih, d_bias_ih = d_weights[:, size:-1], d_bias_hh
        d_inputs = d_told @ weight_ih if ctx.needs_input_grad[2] else None
        return None, None, d_inputs, d_begin, d_begin_cell, d_weight_ih, d_weight_hh, d_bias_ih, d_bias_hh
