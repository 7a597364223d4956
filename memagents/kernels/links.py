"""The DNC's temporal links for one row of a batch: writing them, and following them.

The equations are in `memories/dnc.py`. Axes: N slots, R heads that read, which share a look at each row of links.
"""

from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array, dot


@compiled
def link(
    links: Float[Array, "N N"],
    precedence: Float[Array, " N"],
    weights: Float[Array, " N"],
    after: Float[Array, "N N"],
    preceding: Float[Array, " N"],
) -> None:
    """Links and precedence after a write."""
    left = 1 - weights.sum()
    for i in range(len(links)):
        weight, linked, linking = weights[i], links[i], after[i]
        for j in range(len(links)):
            linking[j] = (1 - weight - weights[j]) * linked[j] + weight * precedence[j]
        linking[i] = 0
        preceding[i] = left * precedence[i] + weights[i]


@compiled
def link_backward(
    links: Float[Array, "N N"],
    precedence: Float[Array, " N"],
    weights: Float[Array, " N"],
    d_links: Float[Array, "N N"],
    d_precedence: Float[Array, " N"],
    d_weights: Float[Array, " N"],
) -> None:
    """The gradients of links and precedence go from after the write to before it; adds to that of the weights."""
    left, d_left = 1 - weights.sum(), dot(d_precedence, precedence)
    for i in range(len(links)):
        d_weights[i] += d_precedence[i] - d_left
        d_precedence[i] *= left
        d_links[i, i] = 0
    for i in range(len(links)):
        weight, d_weight = weights[i], links.dtype.type(0)
        linked, d_linked = links[i], d_links[i]
        for j in range(len(links)):
            d_weight += d_linked[j] * (precedence[j] - linked[j])
            d_weights[j] -= d_linked[j] * linked[j]
            d_precedence[j] += weight * d_linked[j]
            d_linked[j] *= 1 - weight - weights[j]
        d_weights[i] += d_weight


@compiled
def follow(
    links: Float[Array, "N N"],
    previous: Float[Array, "R N"],
    modes: Float[Array, "R 3"],
    reading: Float[Array, "R N"],
) -> None:
    """Adds the ways back and forward along the links."""
    for i in range(len(links)):
        linked = links[i]
        for r in range(len(reading)):
            was, weights = previous[r], reading[r]
            back = modes[r, 0] * was[i]
            weights[i] += modes[r, 2] * dot(linked, was)
            for j in range(len(linked)):
                weights[j] += back * linked[j]


@compiled
def follow_backward(
    links: Float[Array, "N N"],
    previous: Float[Array, "R N"],
    modes: Float[Array, "R 3"],
    d_reading: Float[Array, "R N"],
    d_links: Float[Array, "N N"],
    d_previous: Float[Array, "R N"],
    d_modes: Float[Array, "R 3"],
) -> None:
    """Writes the gradients of two modes, and adds to those of links and weights before."""
    d_modes[:] = 0
    for i in range(len(links)):
        linked, d_linked = links[i], d_links[i]
        for r in range(len(previous)):
            was, d_weights, d_was = previous[r], d_reading[r], d_previous[r]
            back, onward = dot(linked, d_weights), dot(linked, was)
            d_modes[r, 0] += was[i] * back
            d_modes[r, 2] += d_weights[i] * onward
            d_was[i] += modes[r, 0] * back
            told_back, told_onward = modes[r, 0] * was[i], modes[r, 2] * d_weights[i]
            for j in range(len(linked)):
                d_was[j] += told_onward * linked[j]
                d_linked[j] += told_back * d_weights[j] + told_onward * was[j]
