"""Where the segments of a batch lie in the packed layout, which `ops/packed.py` explains.

Axes: T time, B batch rows, S segments.
"""

import numpy as np
from jaxtyping import Bool, Int

from memagents.kernels.compilation import Array, compiled


@compiled
def end_of(begin: int, b: int, starts: Bool[Array, "T B"]) -> int:
    """The step after the last of the segment of row b that begins at a step."""
    end = begin + 1
    while end < len(starts) and not starts[end, b]:
        end += 1
    return end


@compiled
def lay_out(
    starts: Bool[Array, "T B"],
) -> tuple[
    Int[Array, "T B"], Int[Array, " P"], Int[Array, " T"], Bool[Array, " S"], Int[Array, " S"], Int[Array, " B"]
]:
    """Places and elements, sizes (0 for steps that no segment has), and of segments `carried`, `row` and `segment`."""
    num_steps, num_rows = starts.shape
    longer = np.zeros(num_steps + 1, np.int64)  # segments of more steps than that, and so the next one's of that many
    for b in range(num_rows):
        begin = 0
        while begin < num_steps:
            end = end_of(begin, b, starts)
            for t in range(end - begin):
                longer[t] += 1
            begin = end
    sizes, number = longer[:-1].copy(), longer[0]
    firsts = sizes.cumsum() - sizes
    places, last = np.empty((num_steps, num_rows), np.int64), np.empty(num_rows, np.int64)
    elements = np.empty(num_steps * num_rows, np.int64)
    carried, row = np.empty(number, np.bool_), np.empty(number, np.int64)
    for b in range(num_rows):
        begin = 0
        while begin < num_steps:
            end = end_of(begin, b, starts)
            segment = longer[end - begin]
            longer[end - begin] += 1
            row[segment], carried[segment], last[b] = b, begin == 0 and not starts[0, b], segment
            for t in range(begin, end):
                place = firsts[t - begin] + segment
                places[t, b], elements[place] = place, t * num_rows + b
            begin = end
    return places, elements, sizes, carried, row, last
