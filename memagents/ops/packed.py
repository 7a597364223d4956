"""Cutting a batch of sequences at episode starts, and laying the parts side by side without padding.

A *segment* is the part of one row between two episode starts. Segments stand in order of length, the longest first, and
are laid out step by step: the first elements of all of them, then the second elements of those that have one, and so
on. A kernel that walks through time thus meets fewer and fewer rows, and never computes a place that holds nothing.
(It is the layout of torch's PackedSequence.)

Axes: T time, B batch rows, S segments, P = T * B places, D features.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memagents.ops.placement import pick, spread


@dataclass(frozen=True)
class Packed:
    """Where every element of a `[T, B]` batch lies in the packed layout, and back.

    Where no row is cut, every row is a segment, and `places`, `row` and `segment` are None.

    Attributes:
        places: where each element of the batch went.
        sizes: how many segments have a first element, a second one, and so on.
        carried: true for segments that continue from the state before the batch; the others begin an episode.
        row: the batch row each segment belongs to.
        segment: the last segment of each row.
    """

    places: Int[Tensor, "T B"] | None
    sizes: list[int]
    carried: Bool[Tensor, " S"]
    row: Int[Tensor, " S"] | None = None
    segment: Int[Tensor, " B"] | None = None

    def begin(self, state: Float[Tensor, "B D"]) -> Float[Tensor, "S D"]:
        """What each segment begins with: the state before the batch, or zeros."""
        rows = state if self.row is None else state[self.row]
        return torch.where(self.carried[:, None], rows, 0.0)

    def end(self, outputs: Float[Tensor, "P D"]) -> Float[Tensor, "B D"]:
        """The last element of every row."""
        return outputs[-self.sizes[0] :] if self.places is None else outputs[self.places[-1]]

    def end_of(self, segments: Float[Tensor, "S D"]) -> Float[Tensor, "B D"]:
        """The same of what there is one of for each segment, which is its last."""
        return segments if self.segment is None else segments[self.segment]

    def pack(self, inputs: Float[Tensor, "T B D"]) -> Float[Tensor, "P D"]:
        """The elements of a batch, each at its place."""
        return inputs.flatten(0, 1) if self.places is None else spread(inputs, self.places, self.places.numel())

    def unpack(self, outputs: Float[Tensor, "P D"]) -> Float[Tensor, "T B D"]:
        """Undoes `pack`."""
        if self.places is None:
            return outputs.view(len(self.sizes), self.sizes[0], -1)
        return pick(outputs, self.places)


def pack(episode_starts: Bool[Tensor, "T B"]) -> Packed:
    """Finds the segments of a batch: each row is cut before every true value (and begins one at time 0)."""
    num_steps, num_rows = episode_starts.shape
    if num_steps == 1 or not episode_starts[1:].any():
        return Packed(None, [num_rows] * num_steps, ~episode_starts[0])
    begins = episode_starts.clone()
    begins[0] = True
    row, begin = begins.T.nonzero(as_tuple=True)
    end = torch.full_like(begin, num_steps)
    end[:-1] = torch.where(row[1:] == row[:-1], begin[1:], num_steps)
    by_length = (end - begin).argsort(descending=True, stable=True)
    row, begin, end = row[by_length], begin[by_length], end[by_length]
    lengths = end - begin
    sizes = (lengths[:, None] > torch.arange(num_steps, device=row.device)).sum(0)
    firsts = sizes.cumsum(0) - sizes

    # Counted row by row, the segment that holds an element is known; then which it became when they were sorted.
    count = begins.sum(0)
    segment = by_length.argsort()[begins.cumsum(0) - 1 + count.cumsum(0) - count]
    since_begin = torch.arange(num_steps, device=row.device)[:, None] - begin[segment]
    places = firsts[since_begin] + segment
    return Packed(
        places=places,
        sizes=[size for size in sizes.tolist() if size],
        carried=(begin == 0) & ~episode_starts[0, row],
        row=row,
        segment=segment[-1],
    )
