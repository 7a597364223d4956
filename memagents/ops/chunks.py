"""Episodes in chunks of equal size, aligned to the episode's start: which chunk a step belongs to, and where in it.

A batch is laid out as a grid of chunks, so that what happens inside a chunk happens in all of them at once. The first
chunk of a row may have been opened before the batch, and a chunk may be cut short by the end of its episode. Of the
chunks before a batch the last few are remembered in a ring, in which chunk number n of an episode has slot n % M.

Axes: T time, B batch rows, K chunks of the row that touches most, C steps of a chunk, D features, M slots of a ring,
Q entries of a history.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memagents.ops.episodes import episode_time
from memagents.ops.placement import pick, spread


@dataclass(frozen=True)
class Chunks:
    """Where every step of a `[T, B]` batch stands among chunks of `size` steps.

    Attributes:
        size: steps of a chunk, C.
        since: steps of the same episode before this one.
        column: which of the chunks that the row touches, from 0.
        first: for every chunk of the grid, whether it is the first of its episode.
    """

    size: int
    since: Int[Tensor, "T B"]
    column: Int[Tensor, "T B"]
    first: Bool[Tensor, "K B"]

    @property
    def position(self) -> Int[Tensor, "T B"]:
        """Each step's place in its chunk, from 0."""
        return self.since % self.size

    @property
    def number(self) -> Int[Tensor, "T B"]:
        """Each step's chunk, counted from the start of the episode."""
        return self.since // self.size

    def spread(self, elements: Float[Tensor, "T B D"]) -> Float[Tensor, "B K C D"]:
        """Lays elements out on the grid; places without one are zero."""
        columns, rows = self.first.shape
        return spread(elements, self._places(), rows * columns * self.size).view(rows, columns, self.size, -1)

    def pick(self, grid: Float[Tensor, "B K C D"]) -> Float[Tensor, "T B D"]:
        """Undoes `spread`."""
        return pick(grid.flatten(0, 2), self._places())

    def _places(self) -> Int[Tensor, "T B"]:
        columns, rows = self.first.shape
        row = torch.arange(rows, device=self.column.device)
        return (row * columns + self.column) * self.size + self.position


def find_chunks(episode_starts: Bool[Tensor, "T B"], steps: Int[Tensor, " B"], size: int) -> Chunks:
    """Finds the chunks of a batch.

    Args:
        episode_starts: true where an episode begins, and with it a chunk.
        steps: steps of the running episode that were taken before the batch.
        size: steps of a chunk.
    """
    since = episode_time(episode_starts, steps).T
    opens = since % size == 0
    opens[0] = False  # the chunk that a row is in at time 0 is its column 0, whether it began before or begins now
    column = opens.cumsum(0)
    first = torch.zeros(int(column[-1].max()) + 1, len(steps), dtype=torch.bool, device=steps.device)
    return Chunks(size, since, column, first.scatter_(0, column, since < size))


def in_order(ring: Float[Tensor, "B M *rest"], newest: Int[Tensor, " B"]) -> Float[Tensor, "B M *rest"]:
    """The entries of a ring by their numbers, that of number `newest` last."""
    size = ring.shape[1]
    slots = (newest[:, None] + torch.arange(1, size + 1, device=ring.device)) % size
    return ring[rows(newest), slots]


def last_ring(
    history: Float[Tensor, "B Q *rest"], place: Int[Tensor, " B"], newest: Int[Tensor, " B"], size: int
) -> Float[Tensor, "B M *rest"]:
    """A ring of the last `size` entries up to `place`, where that of number `newest` stands.

    The first `size - 1` entries of the history are those `in_order` from before the batch, zero if there was none.
    Slots whose number was not reached again since an episode started in the batch are zero.
    """
    begin = (place - newest)[:, None]
    index = place[:, None] - (newest[:, None] - torch.arange(size, device=history.device)) % size
    kept = (index >= begin) | (begin < size)
    return torch.where(kept.view(*index.shape, *[1] * (history.dim() - 2)), history[rows(newest), index], 0.0)


def rows(of_each: Int[Tensor, " B"]) -> Int[Tensor, "B 1"]:
    """The row numbers of a batch, to index with beside `[B, ...]` places."""
    return torch.arange(len(of_each), device=of_each.device)[:, None]
