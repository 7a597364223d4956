"""How much slots are used, for one row of a batch: which are used least, what is kept of them, and which are free.

The equations are in `memories/dnc.py` and `memories/mann.py`. Axes: N slots, R heads that read, P features of what one
of them is told, in which a free gate stands one place after a key of W features and its strength.
"""

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import Array, Number, compiled
from memagents.kernels.paper import Paper, line
from memagents.kernels.parts import ONE, dot, put, sigmoid

TIE = 1e-5
"""How much more used each slot is taken to be than the one before it, where slots are ranked.

Slots that were never told apart have the same usage but for rounding. They are taken in order, not as rounding falls.
"""

LEAST = 1e-6
"""The least a slot counts as used in a product, so that the product has a gradient."""


@compiled
def by_usage(paper: Paper, usage: Float[Array, " N"]) -> Array:
    """The slots, those used least first: `ops.addressing.by_usage`.

    A slot's place is how many are used less, which a processor counts many at a time; of equals each takes the next
    place that is free. (So do slots whose usage is NaN, less than which nothing is.)
    """
    taken, order = line(paper, len(usage)), np.full(len(usage), -1)
    for n in range(len(usage)):
        taken[n] = usage[n] + usage.dtype.type(TIE * n)
    for n in range(len(usage)):
        place = less_than(taken[n], taken)
        while order[place] >= 0:
            place += 1
        order[place] = n
    return order


@compiled
def less_than(limit: Number, numbers: Float[Array, " N"]) -> int:
    """How many numbers are; counted in numbers as wide, for as many as possible at a time."""
    count, none, one = numbers.dtype.type(0), numbers.dtype.type(0), numbers.dtype.type(1)
    for n in range(len(numbers)):
        count += one if numbers[n] < limit else none
    return int(count)


@compiled
def retention(
    paper: Paper, told: Float[Array, "R P"], size: int, read_weights: Float[Array, "R N"]
) -> Float[Array, " N"]:
    """ψ = Π_i (1 - f_i w_i)."""
    kept = line(paper, read_weights.shape[1])
    kept[:] = 1
    for r in range(len(told)):
        free, weights = sigmoid(told[r, size + 1]), read_weights[r]
        for n in range(len(kept)):
            kept[n] *= ONE - free * weights[n]
    return kept


@compiled
def retention_backward(
    paper: Paper,
    told: Float[Array, "R P"],
    size: int,
    read_weights: Float[Array, "R N"],
    d_kept: Float[Array, " N"],
    d_told: Float[Array, "R P"],
    d_read_weights: Float[Array, "R N"],
) -> None:
    """Writes the gradients of the free gates, and adds to those of the weights."""
    d_factor = line(paper, len(d_kept))
    for r in range(len(told)):
        put(d_kept, d_factor)
        for other in range(len(told)):
            if other != r:
                free, weights = sigmoid(told[other, size + 1]), read_weights[other]
                for n in range(len(d_kept)):
                    d_factor[n] *= ONE - free * weights[n]
        free = sigmoid(told[r, size + 1])
        weights, d_weights = read_weights[r], d_read_weights[r]
        for n in range(len(d_kept)):
            d_weights[n] -= d_factor[n] * free
        d_free = -dot(d_factor, weights)
        d_told[r, size + 1] = d_free * free * (ONE - free)


@compiled
def allocation(usage: Float[Array, " N"], order: Array, out: Float[Array, " N"]) -> None:
    """Attention to free slots, the freest first: a[φ_j] = (1 - u[φ_j]) Π_{i<j} u[φ_i]."""
    used_before = usage.dtype.type(1)
    for n in order:
        used = usage.dtype.type(LEAST + (1 - LEAST) * usage[n])
        out[n] = (ONE - used) * used_before
        used_before *= used


@compiled
def allocation_backward(
    paper: Paper, usage: Float[Array, " N"], order: Array, d_allocation: Float[Array, " N"], d_usage: Float[Array, " N"]
) -> None:
    """Adds to the gradient of the usage: through the sorted values, not through their order."""
    before = line(paper, len(usage))  # what is used of all slots that are freer
    used_before = usage.dtype.type(1)
    for n in order:
        before[n] = used_before
        used_before *= usage.dtype.type(LEAST + (1 - LEAST) * usage[n])
    later = usage.dtype.type(0)
    for n in order[::-1]:
        used = usage.dtype.type(LEAST + (1 - LEAST) * usage[n])
        d_usage[n] += (1 - LEAST) * (later / used - before[n] * d_allocation[n])
        later += d_allocation[n] * (ONE - used) * before[n]
