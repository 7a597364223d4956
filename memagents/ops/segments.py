"""Cutting a batch of sequences at episode starts, so that a kernel which knows no resets can run over it.

A *segment* is the part of one row between two episode starts. `split` lays all segments side by side, padded on the
right to the longest; `join` puts what was computed for them back in place. No padding is ever seen by the caller.

Axes: T time, B batch rows, N segments, L length of the longest segment, D features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

StateT = TypeVar("StateT", bound=tuple[Tensor, ...])


@dataclass(frozen=True)
class Segments:
    """Where every element of a `[T, B]` batch lies in the padded `[L, N]` layout, and back.

    Attributes:
        take: the flat `[T * B]` position that each padded place reads (a place in the padding reads some other place
            of its own row).
        put: the flat `[L * N]` place where each element of the batch ended up.
        padding: true where a padded place holds no element of the batch.
        row: the batch row each segment belongs to.
        carried: true for segments that continue from the state before the batch; the others begin an episode.
        last: the segment that ends each row.
    """

    take: Int[Tensor, "L N"]
    put: Int[Tensor, "T B"]
    padding: Bool[Tensor, "L N"]
    row: Int[Tensor, " N"]
    carried: Bool[Tensor, " N"]
    last: Int[Tensor, " B"]

    def split(self, inputs: Float[Tensor, "T B D"]) -> Float[Tensor, "L N D"]:
        """Lays the segments of `inputs` side by side. What stands in the padding is not specified."""
        return _Rearrange.apply(inputs, self.take, self.put, None)  # type: ignore[no-any-return, no-untyped-call]

    def join(self, outputs: Float[Tensor, "L N D"]) -> Float[Tensor, "T B D"]:
        """Undoes `split`: drops the padding. The gradient that flows back into the padding is zero."""
        return _Rearrange.apply(outputs, self.put, self.take, self.padding)  # type: ignore[no-any-return, no-untyped-call]


def find_segments(episode_starts: Bool[Tensor, "T B"]) -> Segments:
    """Finds the segments of a batch: each row is cut before every true value (and begins one at time 0).

    Segments are numbered row by row and in time within a row, so the numbers of a row are consecutive.
    """
    num_steps, num_rows = episode_starts.shape
    device = episode_starts.device
    begins = episode_starts.clone()
    begins[0] = True
    row, begin = begins.T.nonzero(as_tuple=True)
    count = begins.sum(0)
    last = count.cumsum(0) - 1
    end = torch.full_like(begin, num_steps)
    end[:-1] = torch.where(row[1:] == row[:-1], begin[1:], num_steps)

    place = torch.arange(int((end - begin).max()), device=device)[:, None]
    time = begin + place
    segment = begins.cumsum(0) - 1 + (last - count + 1)
    since_begin = torch.arange(num_steps, device=device)[:, None] - begin[segment]
    return Segments(
        take=time.clamp(max=num_steps - 1) * num_rows + row,
        put=since_begin * len(row) + segment,
        padding=time >= end,
        row=row,
        carried=(begin == 0) & ~episode_starts[0, row],
        last=last,
    )


def unroll_segments(
    unroll: Callable[[Tensor, StateT, Tensor | None], tuple[Tensor, StateT]],
    inputs: Float[Tensor, "T B D"],
    episode_starts: Bool[Tensor, "T B"],
    state: StateT,
    initial_state: Callable[[int], StateT],
) -> tuple[Tensor, StateT]:
    """Runs a kernel that knows no resets over sequences that have some.

    Args:
        unroll: `(inputs [L, N, D], state [N, ...], padding [L, N] or None) -> (outputs [L, N, H], final state)`. The
            final state is that after the last step which is not padding; padding is always on the right.
        inputs: features over time.
        episode_starts: true where an episode begins.
        state: what was held before `inputs[0]`.
        initial_state: the state at the start of an episode, for a number of rows.

    Returns:
        The outputs `[T, B, H]` and the state after the last step of every row.
    """

    def restart(where: Tensor, fields: StateT) -> StateT:
        initial = initial_state(len(where))
        masks = (where.view(-1, *[1] * (field.dim() - 1)) for field in fields)
        return type(fields)(*map(torch.where, masks, initial, fields))

    if not episode_starts[1:].any():
        return unroll(inputs, restart(episode_starts[0], state), None)
    segments = find_segments(episode_starts)
    begin = restart(~segments.carried, type(state)(*(field[segments.row] for field in state)))
    outputs, final = unroll(segments.split(inputs), begin, segments.padding)
    return segments.join(outputs), type(state)(*(field[segments.last] for field in final))


def last_outputs(outputs: Float[Tensor, "L N H"], padding: Bool[Tensor, "L N"] | None) -> Float[Tensor, "N H"]:
    """What stands at the last step of every segment that is not padding."""
    if padding is None:
        return outputs[-1]
    lengths = (~padding).sum(0)
    return outputs[lengths - 1, torch.arange(len(lengths), device=outputs.device)]


class _Rearrange(torch.autograd.Function):
    """`source[index]` for an index with a known inverse, so that the way back is a gather too.

    The gradient torch would use is a scatter that adds row by row, which costs more than the network in between.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, index: Tensor, inverse: Tensor, unused: Tensor | None) -> Tensor:
        """Gathers rows of `source [P, Q, D]`; `unused [P, Q]` marks those that no place reads."""
        ctx.save_for_backward(inverse, unused)
        return _gather(source, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        inverse, unused = ctx.saved_tensors
        back = _gather(gradient, inverse)
        return back if unused is None else back.masked_fill_(unused[..., None], 0.0), None, None, None


def _gather(source: Tensor, index: Tensor) -> Tensor:
    """Rows of `source [P, Q, D]` at flat positions `index [R, S]`, as `[R, S, D]`."""
    return source.flatten(0, 1).index_select(0, index.flatten()).view(*index.shape, -1)
