"""Cutting a batch of sequences at episode starts, so that a kernel which knows no resets can run over it.

A *segment* is the part of one row between two episode starts. `split` lays the segments side by side, in a bucket of
long ones and one of short ones, each padded on the right to its longest; `join` puts what was computed for them back in
place. No padding is ever seen by the caller.

Axes: T time, B batch rows, N segments (of a bucket), L length of the longest of them, P places in all buckets together,
D features.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memagents.ops.placement import pick, spread

StateT = TypeVar("StateT", bound=tuple[Tensor, ...])

WORTH_A_CALL = 0.9
"""A second bucket, and so a second call of the kernel, must bring the number of places below this share."""


@dataclass(frozen=True)
class Segments:
    """Where every element of a `[T, B]` batch lies in the padded buckets, and back. Segments go from long to short.

    Attributes:
        shapes: L and N of every bucket.
        places: where each element of the batch went.
        padding: true for places that hold no element of the batch.
        row: the batch row each segment belongs to.
        carried: true for segments that continue from the state before the batch; the others begin an episode.
        last: the segment that ends each row.
    """

    shapes: Sequence[tuple[int, int]]
    places: Int[Tensor, "T B"]
    padding: Bool[Tensor, " P"]
    row: Int[Tensor, " S"]
    carried: Bool[Tensor, " S"]
    last: Int[Tensor, " B"]

    def split(self, inputs: Float[Tensor, "T B D"]) -> list[Float[Tensor, "..."]]:
        """The segments of `inputs` by bucket, `[L, N, D]` each, with zeros in the padding."""
        return self._by_bucket(spread(inputs, self.places, len(self.padding)))

    def join(self, outputs: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "T B D"]:
        """Undoes `split`: drops the padding. The gradient that flows back into the padding is zero."""
        return pick(torch.cat([bucket.flatten(0, 1) for bucket in outputs]), self.places)

    def paddings(self) -> list[Bool[Tensor, "..."]]:
        """`padding` by bucket, `[L, N]` each."""
        return self._by_bucket(self.padding)

    def of_each(self) -> list[slice]:
        """Which segments stand in each bucket."""
        return consecutive(number for _, number in self.shapes)

    def _by_bucket(self, placed: Tensor) -> list[Tensor]:
        places = consecutive(length * number for length, number in self.shapes)
        return [placed[part].view(*shape, *placed.shape[1:]) for part, shape in zip(places, self.shapes, strict=True)]


def find_segments(episode_starts: Bool[Tensor, "T B"]) -> Segments:
    """Finds the segments of a batch: each row is cut before every true value (and begins one at time 0)."""
    num_steps = len(episode_starts)
    begins = episode_starts.clone()
    begins[0] = True
    row, begin = begins.T.nonzero(as_tuple=True)
    end = torch.full_like(begin, num_steps)
    end[:-1] = torch.where(row[1:] == row[:-1], begin[1:], num_steps)
    by_length = (end - begin).argsort(descending=True, stable=True)
    row, begin, end = row[by_length], begin[by_length], end[by_length]
    shapes = bucket_shapes((end - begin).tolist())

    paddings, firsts, strides = [], [], []
    place = 0
    for (length, number), bucket in zip(shapes, consecutive(number for _, number in shapes), strict=True):
        paddings.append((torch.arange(length, device=row.device)[:, None] >= (end - begin)[bucket]).flatten())
        firsts.append(torch.arange(place, place + number, device=row.device))
        strides.append(torch.full_like(firsts[-1], number))
        place += length * number

    # Counted row by row, the segment that holds an element is known; then where it went when they were sorted.
    count = begins.sum(0)
    segment = by_length.argsort()[begins.cumsum(0) - 1 + count.cumsum(0) - count]
    since_begin = torch.arange(num_steps, device=row.device)[:, None] - begin[segment]
    return Segments(
        shapes=shapes,
        places=torch.cat(firsts)[segment] + since_begin * torch.cat(strides)[segment],
        padding=torch.cat(paddings),
        row=row,
        carried=(begin == 0) & ~episode_starts[0, row],
        last=segment[-1],
    )


def bucket_shapes(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """L and N of one bucket or two, whichever leaves little padding, for lengths from long to short."""
    longest, number = lengths[0], len(lengths)
    places, long = min((longest * long + lengths[long] * (number - long), long) for long in range(number))
    if long == 0 or places > WORTH_A_CALL * longest * number:
        return [(longest, number)]
    return [(longest, long), (lengths[long], number - long)]


def consecutive(sizes: Iterable[int]) -> list[slice]:
    """Slices of these sizes, one after the other."""
    ends = list(itertools.accumulate(sizes, initial=0))
    return list(itertools.starmap(slice, itertools.pairwise(ends)))


def unroll_segments(
    unroll: Callable[[Tensor, StateT, Tensor | None], tuple[Tensor, StateT]],
    inputs: Float[Tensor, "T B D"],
    episode_starts: Bool[Tensor, "T B"],
    state: StateT,
    reset: Callable[[StateT, Tensor], StateT],
) -> tuple[Tensor, StateT]:
    """Runs a kernel that knows no resets over sequences that have some.

    Args:
        unroll: `(inputs [L, N, D], state [N, ...], padding [L, N] or None) -> (outputs [L, N, H], final state)`. The
            final state is that after the last step which is not padding; padding is always on the right.
        inputs: features over time.
        episode_starts: true where an episode begins.
        state: what was held before `inputs[0]`.
        reset: `(state, where)` -> the state with the rows marked in `where` replaced by the initial one.

    Returns:
        The outputs `[T, B, H]` and the state after the last step of every row.
    """

    def each(function: Callable[..., Tensor], *states: StateT) -> StateT:
        return type(state)(*map(function, *states))

    if len(inputs) == 1 or not episode_starts[1:].any():
        return unroll(inputs, reset(state, episode_starts[0]), None)
    segments = find_segments(episode_starts)
    begin = reset(each(lambda field: field[segments.row], state), ~segments.carried)
    outputs, finals = [], []
    for padded, padding, part in zip(segments.split(inputs), segments.paddings(), segments.of_each(), strict=True):
        output, final = unroll(padded, each(lambda field, part=part: field[part], begin), padding)
        outputs.append(output)
        finals.append(final)
    final = each(lambda *fields: torch.cat(fields)[segments.last], *finals)
    return segments.join(outputs), final


def last_outputs(outputs: Float[Tensor, "L N H"], padding: Bool[Tensor, "L N"] | None) -> Float[Tensor, "N H"]:
    """What stands at the last step of every segment that is not padding."""
    if padding is None:
        return outputs[-1]
    lengths = (~padding).sum(0)
    return outputs[lengths - 1, torch.arange(len(lengths), device=outputs.device)]
