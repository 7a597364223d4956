"""A recurrent network over packed segments, by kernels.

What the inputs add is one product for all steps, and so is the gradient of every weight. What is left to a step is one
product with what was remembered, and the cell's gates. Of each product a thread takes some columns, and of the gates
some segments; after either it waits for the others.

Axes: P places of the packed layout (`ops/packed.py`), N segments, T steps, D features of an input, H of the hidden
vector, C of the cell (H in an LSTM, else none), G gates.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels import cells
from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array, put
from memagents.kernels.products import add_product, can_multiply, set_threads
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
def advance(
    kind: int,
    told: Float[Array, "P GH"],
    heard: Float[Array, "P GH"],
    before: Float[Array, "P H"],
    cell_before: Float[Array, "P C"],
    from_hidden: Float[Array, "GH H"],
    hidden: Float[Array, "P H"],
    cell: Float[Array, "P C"],
    sizes: Int[Array, " T"],
    _: None,
) -> None:
    """All steps. What each begins with is kept beside what comes of it, in `before` and `cell_before`, of which the
    first step's is given."""
    thread, team, alone = this_thread(), all_threads(), set_threads(1)
    first, stop = share(heard.shape[1], thread, team)
    begins = 0
    for t in range(len(sizes)):
        step = slice(begins, begins + sizes[t])
        add_product(heard[step], before[step], from_hidden, True, first, stop)
        wait(team)
        top, bottom = share(sizes[t], thread, team)
        mine = slice(begins + top, begins + bottom)
        cells.forward(kind, told[mine], heard[mine], before[mine], cell_before[mine], hidden[mine], cell[mine])
        if t + 1 < len(sizes):
            for row in range(begins + top, begins + min(bottom, sizes[t + 1])):
                put(hidden[row], before[row + sizes[t]])
                put(cell[row], cell_before[row + sizes[t]])
        wait(team)
        begins += sizes[t]
    set_threads(alone)


@compiled
def retreat(
    kind: int,
    gates: Float[Array, "P GH"],
    heard: Float[Array, "P GH"],
    before: Float[Array, "P H"],
    cell_before: Float[Array, "P C"],
    from_hidden: Float[Array, "GH H"],
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
    """The gradient of `advance`. In `d_hidden` and `d_cell`, which begin at 0, those before the segments are left."""
    thread, team, alone = this_thread(), all_threads(), set_threads(1)
    first, stop = share(before.shape[1], thread, team)
    begins = sizes.sum()
    for t in range(len(sizes) - 1, -1, -1):
        begins -= sizes[t]
        top, bottom = share(sizes[t], thread, team)
        for row in range(top, bottom):
            for h in range(d_hidden.shape[1]):
                d_hidden[row, h] += d_after[begins + row, h]
            for c in range(d_cell.shape[1]):
                d_cell[row, c] += d_cell_after[begins + row, c]
        mine, kept = slice(begins + top, begins + bottom), slice(top, bottom)
        known, given = (before[mine], cell_before[mine], cell[mine]), (d_told[mine], d_heard[mine])
        cells.backward(kind, gates[mine], heard[mine], *known, d_hidden[kept], d_cell[kept], *given)
        wait(team)
        add_product(d_hidden[: sizes[t]], d_heard[begins : begins + sizes[t]], from_hidden, False, first, stop)
        wait(team)
    set_threads(alone)


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
        apart = kind == cells.HEARS_APART
        told = torch.addmm(bias_ih if apart else bias_ih + bias_hh, inputs, weight_ih.t())
        heard = bias_hh.repeat(len(told), 1) if apart else told
        hidden, before = (told.new_empty(len(told), begin.shape[1]) for _ in range(2))
        cell, cell_before = (told.new_empty(len(told), begin_cell.shape[1]) for _ in range(2))
        before[: len(begin)], cell_before[: len(begin)] = begin, begin_cell
        walked = told, heard, before, cell_before, weight_hh.contiguous(), hidden, cell
        arrays = cells.KINDS[kind], *(each.numpy() for each in walked), np.array(sizes)
        in_team(advance, arrays, 2 * len(told) * weight_hh.numel())
        ctx.save_for_backward(inputs, weight_ih, weight_hh, told, heard, before, cell_before, cell)
        ctx.kind, ctx.steps = kind, arrays[-1]
        return hidden, cell

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_after: Tensor, d_cell_after: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight_ih, weight_hh, told, heard, before, cell_before, cell = ctx.saved_tensors
        d_begin, d_begin_cell = (each.new_zeros(ctx.steps[0], each.shape[1]) for each in (before, cell_before))
        d_told = torch.empty_like(told)
        d_heard = torch.empty_like(heard) if ctx.kind == cells.HEARS_APART else d_told
        known = told, heard, before, cell_before, weight_hh.contiguous(), cell
        gradients = d_after.contiguous(), d_cell_after.contiguous(), d_begin, d_begin_cell, d_told, d_heard
        fields = (each.numpy() for each in (*known, *gradients))
        in_team(retreat, (cells.KINDS[ctx.kind], *fields, ctx.steps), 2 * len(told) * weight_hh.numel())
        d_bias = d_told.sum(0)
        return (
            None,
            None,
            d_told @ weight_ih if ctx.needs_input_grad[2] else None,
            d_begin,
            d_begin_cell,
            (inputs.t() @ d_told).t(),
            (before.t() @ d_heard).t(),
            d_bias,
            d_bias if d_heard is d_told else d_heard.sum(0),
        )
