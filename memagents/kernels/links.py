"""The DNC's temporal links for one row of a batch: writing them, and following them.

The equations are in `memories/dnc.py`. Axes: N slots, R heads that read. Links are looked at two rows at a time, i and
k, so that each number of a head serves both. If their number is odd, the last stands beside itself, and counts once.
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
    zero, one, last = links.dtype.type(0), links.dtype.type(1), len(links) - 1
    for i in range(0, len(links), 2):
        k, paired = min(i + 1, last), one if i < last else zero
        links_i, links_k = links[i], links[k]
        for r in range(len(reading)):
            was, weights, onward_i, onward_k = previous[r], reading[r], zero, zero
            back_i, back_k = modes[r, 0] * was[i], modes[r, 0] * was[k] * paired
            for j in range(len(links)):
                onward_i += links_i[j] * was[j]
                onward_k += links_k[j] * was[j]
                weights[j] += back_i * links_i[j] + back_k * links_k[j]
            weights[i] += modes[r, 2] * onward_i
            weights[k] += modes[r, 2] * onward_k * paired


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
    zero, one, last = links.dtype.type(0), links.dtype.type(1), len(links) - 1
    for i in range(0, len(links), 2):
        k, paired = min(i + 1, last), one if i < last else zero
        links_i, links_k, d_links_i, d_links_k = links[i], links[k], d_links[i], d_links[k]
        for r in range(len(previous)):
            was, d_weights, d_was = previous[r], d_reading[r], d_previous[r]
            was_k, d_weights_k = was[k] * paired, d_weights[k] * paired
            back_i, back_k, onward_i, onward_k = zero, zero, zero, zero
            told_back_i, told_back_k = modes[r, 0] * was[i], modes[r, 0] * was_k
            told_onward_i, told_onward_k = modes[r, 2] * d_weights[i], modes[r, 2] * d_weights_k
            for j in range(len(links)):
                back_i += links_i[j] * d_weights[j]
                back_k += links_k[j] * d_weights[j]
                onward_i += links_i[j] * was[j]
                onward_k += links_k[j] * was[j]
                d_was[j] += told_onward_i * links_i[j] + told_onward_k * links_k[j]
                d_links_i[j] += told_back_i * d_weights[j] + told_onward_i * was[j]
                d_links_k[j] += told_back_k * d_weights[j] + told_onward_k * was[j]
            d_modes[r, 0] += was[i] * back_i + was_k * back_k
            d_modes[r, 2] += d_weights[i] * onward_i + d_weights_k * onward_k
            d_was[i] += modes[r, 0] * back_i
            d_was[k] += modes[r, 0] * back_k * paired
