"""A single step of a recurrent network, by a kernel: as `recurrence.py`, for an agent that acts.

Rows stand across, features down: so weights are read as they lie, and nothing is put in order for a single step.

Axes: N rows, D features of an input, H of the hidden vector, C of the cell (H in an LSTM, else none), G gates.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from memagents.kernels import cells
from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled_apart
from memagents.kernels.products import multiply_once
from memagents.kernels.recurrence import can_unroll
from memagents.kernels.threads import all_threads, in_team, in_threads, share, this_thread
from memagents.kernels.tiles import REGISTER, VECTORS
from memagents.kernels.unroll import arrays

ENOUGH: Final = VECTORS * REGISTER // 4
"""Rows from which on it is faster than torch's: as many as a tile has columns, of 32 bits. Fewer have to be put in
order."""


def can_step(inputs: Tensor) -> bool:
    """Whether `step_cell` can, and is the faster way."""
    return can_unroll(inputs) and len(inputs) >= ENOUGH and not torch.is_grad_enabled()


@compiled_apart
def take_step(
    team: int,
    kind: int,
    inputs: Float[Array, "D N"],
    before: Float[Array, "H N"],
    cell_before: Float[Array, "C N"],
    weight_ih: Float[Array, "GH D"],
    weight_hh: Float[Array, "GH H"],
    bias_ih: Float[Array, " GH"],
    bias_hh: Float[Array, " GH"],
    hidden: Float[Array, "H N"],
    cell: Float[Array, "C N"],
) -> None:
    """A thread takes some features of the hidden vector, with all their gates."""
    if in_threads(team):
        return
    inputs, before, cell_before, hidden = borrowed(inputs), borrowed(before), borrowed(cell_before), borrowed(hidden)
    weight_ih, weight_hh, cell = borrowed(weight_ih), borrowed(weight_hh), borrowed(cell)
    size, rows = before.shape
    apart, gates = kind == cells.GRU, len(weight_hh) // size
    first, stop = share(size, this_thread(), all_threads())
    told = np.empty((stop - first, gates * rows), before.dtype)
    heard = np.empty((stop - first if apart else 0, gates * rows), before.dtype)
    hears = heard if apart else told
    for gate in range(gates):
        across, mine = slice(gate * rows, (gate + 1) * rows), slice(gate * size + first, gate * size + stop)
        for h in range(stop - first):
            told[h, across] = bias_ih[mine][h]
            if apart:
                heard[h, across] = bias_hh[mine][h]
            else:
                told[h, across] += bias_hh[mine][h]
        multiply_once(told[:, across], weight_ih[mine], inputs, 1)
        multiply_once(hears[:, across], weight_hh[mine], before, 1)
    known = cell_before[first:stop], hidden[first:stop], cell[first:stop]
    cells.forward(kind, told, heard, before[first:stop], *known)


def step_cell(
    kind: str, inputs: Float[Tensor, "N D"], begin: Sequence[Float[Tensor, "N H"]], weights: list[Tensor]
) -> list[Float[Tensor, "N H"]]:
    """A single step: the hidden vector, and an LSTM's cell. It has no gradient.

    Args:
        kind: the name of the network in `cells`.
        inputs: of all rows.
        begin: the hidden vector before the step, and an LSTM's cell.
        weights: as in `unroll_cell`.
    """
    told, *held = arrays([field.t() for field in (inputs, *begin)])
    after, nothing = [np.empty_like(field) for field in held], [held[0][:0]] * (2 - len(held))
    walked = cells.KINDS[kind], told, *held, *nothing, *arrays(weights), *after, *nothing
    in_team(take_step, walked, 2 * len(inputs) * (weights[0].numel() + weights[1].numel()))
    return [torch.from_numpy(field).t() for field in after]
