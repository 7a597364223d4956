"""The DNC's temporal links for one row of a batch: writing them, and following them.

The equations are in `memories/dnc.py`. Axes: N slots.
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
        for j in range(len(links)):
            after[i, j] = (1 - weights[i] - weights[j]) * links[i, j] + weights[i] * precedence[j]
        after[i, i] = 0
        preceding[i] = left * precedence[i] + weights[i]


@compiled
def link_backward(
    links: Float[Array, "N N"],
    precedence: Float[Array, " N"],
    weights: Float[Array, " N"],
    d_after: Float[Array, "N N"],
    d_preceding: Float[Array, " N"],
    d_links: Float[Array, "N N"],
    d_precedence: Float[Array, " N"],
    d_weights: Float[Array, " N"],
) -> None:
    """Writes the gradients of links and precedence, and adds to that of the weights. `d_after` loses its diagonal."""
    left, d_left = 1 - weights.sum(), dot(d_preceding, precedence)
    for i in range(len(links)):
        d_precedence[i] = left * d_preceding[i]
        d_weights[i] += d_preceding[i] - d_left
        d_after[i, i] = 0
    for i in range(len(links)):
        d_weight = links.dtype.type(0)
        for j in range(len(links)):
            d_links[i, j] = (1 - weights[i] - weights[j]) * d_after[i, j]
            d_weight += d_after[i, j] * (precedence[j] - links[i, j])
            d_weights[j] -= d_after[i, j] * links[i, j]
            d_precedence[j] += weights[i] * d_after[i, j]
        d_weights[i] += d_weight


@compiled
def follow(
    links: Float[Array, "N N"], previous: Float[Array, " N"], modes: Float[Array, " 3"], weights: Float[Array, " N"]
) -> None:
    """Adds the ways back and forward along the links."""
    for i in range(len(links)):
        weights[i] += modes[2] * dot(links[i], previous)
        for j in range(len(links)):
            weights[j] += modes[0] * previous[i] * links[i, j]


@compiled
def follow_backward(
    links: Float[Array, "N N"],
    previous: Float[Array, " N"],
    modes: Float[Array, " 3"],
    d_weights: Float[Array, " N"],
    d_links: Float[Array, "N N"],
    d_previous: Float[Array, " N"],
    d_modes: Float[Array, " 3"],
) -> None:
    """Writes the gradients of two modes, and adds to those of links and weights before."""
    d_modes[0] = d_modes[2] = 0
    for i in range(len(links)):
        back, onward = dot(links[i], d_weights), dot(links[i], previous)
        d_modes[0] += previous[i] * back
        d_modes[2] += d_weights[i] * onward
        d_previous[i] += modes[0] * back
        for j in range(len(links)):
            d_previous[j] += modes[2] * d_weights[i] * links[i, j]
            d_links[i, j] += modes[0] * previous[i] * d_weights[j] + modes[2] * d_weights[i] * previous[j]
