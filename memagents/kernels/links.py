"""The DNC's temporal links for one row of a batch: writing them, and following them.

The equations are in `memories/dnc.py`. Axes: N slots, R heads that read.
"""

from jaxtyping import Float

from memagents.kernels.compilation import Array, compiled
from memagents.kernels.dots import dots
from memagents.kernels.paper import Paper, sheet
from memagents.kernels.parts import ONE, dot
from memagents.kernels.products import multiply_once


@compiled
def link(
    links: Float[Array, "N N"],
    precedence: Float[Array, " N"],
    weights: Float[Array, " N"],
    after: Float[Array, "N N"],
    preceding: Float[Array, " N"],
) -> None:
    """Links and precedence after a write."""
    left = ONE - weights.sum()
    for i in range(len(links)):
        weight, linked, linking = weights[i], links[i], after[i]
        for j in range(len(links)):
            linking[j] = (ONE - weight - weights[j]) * linked[j] + weight * precedence[j]
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
    left, d_left = ONE - weights.sum(), dot(d_precedence, precedence)
    for i in range(len(links)):
        d_weights[i] += d_precedence[i] - d_left
        d_precedence[i] *= left
        d_links[i, i] = 0
    for i in range(len(links)):
        weight, linked, d_linked, d_weight = weights[i], links[i], d_links[i], links.dtype.type(0)
        for j in range(len(links)):
            d_weight += d_linked[j] * (precedence[j] - linked[j])
        d_weights[i] += d_weight
        for j in range(len(links)):
            d_precedence[j] += weight * d_linked[j]
        for j in range(len(links)):
            d_weights[j] -= d_linked[j] * linked[j]
            d_linked[j] *= ONE - weight - weights[j]


@compiled
def follow(
    paper: Paper,
    links: Float[Array, "N N"],
    previous: Float[Array, "R N"],
    modes: Float[Array, "R 3"],
    reading: Float[Array, "R N"],
) -> None:
    """Adds the ways back and forward along the links."""
    back, onward = sheet(paper, *previous.shape), sheet(paper, *previous.shape)
    for r in range(len(modes)):
        for n in range(len(links)):
            back[r, n] = modes[r, 0] * previous[r, n]
    multiply_once(reading, back, links, 1)
    dots(onward, previous, links, 0)
    for r in range(len(modes)):
        for n in range(len(links)):
            reading[r, n] += modes[r, 2] * onward[r, n]


@compiled
def follow_backward(
    paper: Paper,
    links: Float[Array, "N N"],
    previous: Float[Array, "R N"],
    modes: Float[Array, "R 3"],
    d_reading: Float[Array, "R N"],
    d_links: Float[Array, "N N"],
    d_previous: Float[Array, "R N"],
    d_modes: Float[Array, "R 3"],
) -> None:
    """Writes the gradients of two modes, and adds to those of links and weights before."""
    heads, slots = previous.shape
    # Of the ways back, and then of those forward: what comes in over the links, and what goes out.
    told, heard = sheet(paper, 2 * heads, slots), sheet(paper, 2 * heads, slots)
    found = sheet(paper, 2 * heads, slots)
    for r in range(heads):
        for n in range(slots):
            told[r, n], heard[r, n] = modes[r, 0] * previous[r, n], d_reading[r, n]
        for n in range(slots):
            told[heads + r, n], heard[heads + r, n] = modes[r, 2] * d_reading[r, n], previous[r, n]
    dots(found, heard, links, 0)
    multiply_once(d_links, told.T, heard, 1)
    multiply_once(d_previous, told[heads:], links, 1)
    for r in range(heads):
        d_modes[r, 0], d_modes[r, 2] = dot(previous[r], found[r]), dot(d_reading[r], found[heads + r])
        for n in range(slots):
            d_previous[r, n] += modes[r, 0] * found[r, n]
