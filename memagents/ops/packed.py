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

from memagents.kernels.segments import lay_out
from memagents.ops.placement import pick, spread


@dataclass(frozen=True)
class Packed:
    """Where every element of a `[T, B]` batch lies in the packed layout, and back.

    Where no row is cut, every row is a segment, and `places`, `elements`, `row` and `segment` are None.

    Attributes:
        places: where each element of the batch went.
        elements: which element lies at each place, counted step by step.
        sizes: how many segments have a first element, a second one, and so on.
        carried: true for segments that continue from the state before the batch; the others begin an episode.
        row: the batch row each segment belongs to.
        segment: the last segment of each row.
    """

    places: Int[Tensor, "T B"] | None
    elements: Int[Tensor, " P"] | None
    sizes: list[int]
    carried: Bool[Tensor, " S"]
    row: Int[Tensor, " S"] | None = None
    segment: Int[Tensor, " B"] | None = None

    def begin(self, state: Float[Tensor, "B D"]) -> Float[Tensor, "S D"]:
        """What each segment begins with: the state before the batch, or zeros."""
        rows = state if self.row is None else state.index_select(0, self.row)
        return torch.where(self.carried[:, None], rows, 0.0)

    def end(self, outputs: Float[Tensor, "P D"]) -> Float[Tensor, "B D"]:
        """The last element of every row."""
        return outputs[-self.sizes[0] :] if self.places is None else outputs.index_select(0, self.places[-1])

    def end_of(self, segments: Float[Tensor, "S D"]) -> Float[Tensor, "B D"]:
        """The same of what there is one of for each segment, which is its last."""
        return segments if self.segment is None else segments.index_select(0, self.segment)

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
    starts = episode_starts.cpu().numpy()
    if not starts[1:].any():
        return Packed(None, None, [starts.shape[1]] * len(starts), ~episode_starts[0])
    laid_out = lay_out(starts)
    places, elements, _, carried, row, segment = (torch.from_numpy(each).to(episode_starts.device) for each in laid_out)
    return Packed(places, elements, laid_out[2][laid_out[2] > 0].tolist(), carried, row, segment)
