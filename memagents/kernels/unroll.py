"""A controller and its external memory over time, by kernels.

Axes: T time, B batch, H hidden features, C features of the cell (H, or none), G gates, S numbers of the memory's own
state, the R that were read last among them, P numbers that the controller hears of the past, I features of the
interface vector, K heads, W features of a word.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numba import types
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.compilation import compiled_for
from memagents.kernels.products import product_over_rows
from memagents.kernels.threads import in_team
from memagents.kernels.walk import Episodes, Gradients, Trail, Weights, advance, retreat

NUMBERS = {torch.float32: types.float32, torch.float64: types.float64}
"""Those that kernels can work with."""

PIECE = (1 << 25) - (1 << 16)
"""Bytes that may be kept in one array of the states of so many steps as fit.

Larger arrays are mapped anew by every call, page by page (`agents/heap.py`). With smaller ones rows are changed more
often, and what they hold has to be brought near the processor again.
"""


class Kernel(NamedTuple):
    """An external memory's step for one row, and the step's gradient; see `memagents.kernels`."""

    step: Callable[..., None]
    step_backward: Callable[..., None]
    settings: tuple[float, ...]


def can_work_with(inputs: Tensor) -> bool:
    """Whether kernels can: on the CPU, in 32 and 64 bits, and not where torch compiles an agent as a whole."""
    return inputs.device.type == "cpu" and inputs.dtype in NUMBERS and not torch.compiler.is_compiling()


def unroll(
    kernel: Kernel,
    episodes: tuple[Bool[Tensor, "T B"], tuple[Tensor, ...]],
    from_inputs: Float[Tensor, "T B GH"],
    weights: tuple[Float[Tensor, "GH P"], Float[Tensor, "I H"], Float[Tensor, " I"]],
    state: tuple[Tensor, ...],
) -> tuple[Float[Tensor, "T B H"], Float[Tensor, "T B K W"], tuple[Tensor, ...]]:
    """Hidden vectors, words read, and the state after the last step.

    Args:
        kernel: the memory's.
        episodes: where they begin, and the state they begin with, a constant.
        from_inputs: what the inputs add to the controller's gates.
        weights: the controller's for the words read last and, if it has a cell, its hidden vector; those that make the
            interface vector of the hidden vector; and the bias of that.
        state: what was held before: hidden vector and cell, what is the memory's own, and the words read last.
    """
    (starts, first), own = episodes, state[2:]
    sizes = [field[0].numel() for field in own]
    told = kernel, (starts, *lines(first)), sizes[-1], from_inputs, *weights, *lines(state)
    hidden, reads, cell, line = _Unroll.apply(*told)  # type: ignore[no-untyped-call]
    after = (part.reshape(like.shape) for part, like in zip(line.split(sizes, 1), own, strict=True))
    return hidden, reads.view(-1, *own[-1].shape), (hidden[-1], cell, *after)


def lines(state: tuple[Tensor, ...]) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B C"], Float[Tensor, "B S"]]:
    """Hidden vector and cell, and all that is the memory's own as one line of numbers for each row."""
    hidden, cell, *own = state
    return hidden, cell, torch.cat([field.flatten(1) for field in own], 1)


@cache
def machine_code(step: Callable[..., None], dtype: torch.dtype, vectors: int) -> Any:
    """Of a step, or its gradient, that takes settings, paper and so many vectors of such numbers."""
    settings, taken, vector = (types.Array(kind, 1, "C") for kind in (types.float64, types.int64, NUMBERS[dtype]))
    return compiled_for(step, settings, taken, vector, *[vector] * vectors)


def pieces_of(num_steps: int, state: Float[Tensor, "B S"]) -> Iterator[slice]:
    """All steps, as many at a time as states are kept of in one array."""
    size = max(1, PIECE // max(1, state.numel() * state.element_size()) - 1)
    for first in range(0, num_steps, size):
        yield slice(first, min(first + size, num_steps))


class _Unroll(torch.autograd.Function):
    """Its gradient is written by hand: that of every weight is one product over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        episodes: tuple[Tensor, ...],
        read_size: int,
        from_inputs: Tensor,
        from_past: Tensor,
        to_interface: Tensor,
        bias: Tensor,
        hidden: Tensor,
        cell: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, ...]:
        (num_steps, num_rows), empty = from_inputs.shape[:2], from_inputs.new_empty
        past, reads = (empty(num_steps, num_rows, size) for size in (from_past.shape[1], read_size))
        gates, interface = from_inputs.contiguous().clone(), bias.repeat(num_steps, num_rows, 1)
        hiddens, cells = (empty(num_steps + 1, *begin.shape) for begin in (hidden, cell))
        hiddens[0], cells[0], cell_before = hidden, cell, torch.empty_like(cells[1:])
        starts, *first = arrays(episodes)
        step, settings = machine_code(kernel.step, state.dtype, 3), np.array(kernel.settings, np.float64)
        weights, pieces = Weights(*arrays((from_past, to_interface))), []
        for piece in pieces_of(num_steps, state):
            before_and_after = slice(piece.start, piece.stop + 1)
            states = empty(piece.stop - piece.start + 1, *state.shape)
            states[0] = state
            of_steps = (each[piece] for each in (past, gates, interface, cell_before))
            trail = Trail(*arrays((*of_steps, hiddens[before_and_after], cells[before_and_after], states)))
            known = settings, Episodes(starts[piece], *first), trail, weights
            in_team(advance, (step, *known), products(trail, weights))
            reads[piece], state = states[1:, :, state.shape[1] - read_size :], states[-1]
            pieces.append((piece, known))
        ctx.save_for_backward(past, gates, hiddens, interface)
        ctx.kernel, ctx.pieces = kernel, pieces
        return hiddens[1:], reads, cells[-1], state.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor, d_reads: Tensor, *d_last: Tensor) -> tuple[Tensor | None, ...]:
        past, gates, hiddens, interface = ctx.saved_tensors
        d_gates, d_interface, d_past = (torch.empty_like(each) for each in (gates, interface, past[0]))
        d_cell, d_state = (each.clone(memory_format=torch.contiguous_format) for each in d_last)
        d_shown = torch.zeros_like(hiddens[0])
        step_backward = machine_code(ctx.kernel.step_backward, d_state.dtype, 5)
        for piece, known in reversed(ctx.pieces):
            of_steps = (each[piece] for each in (d_hidden, d_reads, d_gates, d_interface))
            d = Gradients(*arrays((*of_steps, d_past, d_shown, d_cell, d_state)))
            in_team(retreat, (step_backward, *known, d), products(*known[2:]))
        d_told, told_by = d_interface.flatten(0, 1), hiddens[1:].flatten(0, 1)
        d_weights = (
            product_over_rows(d_gates.flatten(0, 1), past.flatten(0, 1)),
            product_over_rows(d_told, told_by),
            d_told.sum(0),
        )
        return None, None, None, d_gates, *d_weights, d_shown, d_cell, d_state


def products(trail: Trail, weights: Weights) -> int:
    """Operations of the products in all steps."""
    num_steps, num_rows, _ = trail.past.shape
    number: int = 2 * num_steps * num_rows * sum(each.size for each in weights)
    return number


def arrays(fields: Iterable[Tensor]) -> tuple[np.ndarray, ...]:
    """Tensors as arrays; those whose numbers stand one after the other share them."""
    return tuple(field.detach().contiguous().numpy() for field in fields)
