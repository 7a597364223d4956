"""The gate of a gated Transformer-XL, which lets a branch y into the stream x, for some rows, and its gradient.

The equations are in `memories/gtrxl.py`. Axes: N rows, H features. Of a gate is kept what r, z and h are, side by side,
`[N, 3H]`; the reset stream r x is made anew on the way back.
"""

from typing import Any, NamedTuple

from jaxtyping import Float

from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.compilation import Array, compiled
from memagents.kernels.products import multiply


class Gate(NamedTuple):
    """What belongs to the branch, the stream and the reset stream: matrices, or their panels."""

    branch: Any
    stream: Any
    reset: Any


@compiled
def gate(
    x: Float[Array, "N H"],
    y: Float[Array, "N H"],
    panels: Gate,
    bias: Float[Array, " H"],
    kept: Float[Array, "N 3H"],
    reset: Float[Array, "N H"],
    out: Float[Array, "N H"],
) -> None:
    """(1 - z) ∘ x + z ∘ h."""
    size = x.shape[1]
    multiply(kept, y, panels.branch, 0)
    multiply(kept[:, : 2 * size], x, panels.stream, 1)
    open_gate(bias, kept)
    reset_stream(x, kept, reset)
    multiply(kept[:, 2 * size :], reset, panels.reset, 1)
    close_gate(kept)
    let_in(x, kept, out)


@compiled
def open_gate(bias: Float[Array, " H"], kept: Float[Array, "N 3H"]) -> None:
    """r and z, of what they are told."""
    size = len(bias)
    for n in range(len(kept)):
        update = kept[n, size : 2 * size]
        for h in range(size):
            update[h] -= bias[h]
        sigmoid_(kept[n, : 2 * size])


@compiled
def reset_stream(x: Float[Array, "N H"], kept: Float[Array, "N 3H"], out: Float[Array, "N H"]) -> None:
    """r ∘ x."""
    size = x.shape[1]
    for n in range(len(x)):
        reset, was, let_through = kept[n, :size], x[n], out[n]
        for h in range(size):
            let_through[h] = reset[h] * was[h]


@compiled
def close_gate(kept: Float[Array, "N 3H"]) -> None:
    """h, of what it is told."""
    size = kept.shape[1] // 3
    for n in range(len(kept)):
        tanh_(kept[n, 2 * size :])


@compiled
def let_in(x: Float[Array, "N H"], kept: Float[Array, "N 3H"], out: Float[Array, "N H"]) -> None:
    """What comes out of an open gate."""
    size = x.shape[1]
    for n in range(len(x)):
        update, content, was, now = kept[n, size : 2 * size], kept[n, 2 * size :], x[n], out[n]
        for h in range(size):
            now[h] = was[h] + update[h] * (content[h] - was[h])


@compiled
def gate_backward(
    x: Float[Array, "N H"],
    panels: Gate,
    kept: Float[Array, "N 3H"],
    d_out: Float[Array, "N H"],
    d_x: Float[Array, "N H"],
    d_y: Float[Array, "N H"],
    d_told: Float[Array, "N 3H"],
    d_bias: Float[Array, " H"],
) -> None:
    """Writes the gradients of x, of y and of what r, z and h were made of; adds to that of the bias."""
    size, one = x.shape[1], x.dtype.type(1)
    for n in range(len(x)):
        update, content, was, d = kept[n, size : 2 * size], kept[n, 2 * size :], x[n], d_out[n]
        d_update, d_content, d_was = d_told[n, size : 2 * size], d_told[n, 2 * size :], d_x[n]
        for h in range(size):
            d_update[h] = d[h] * (content[h] - was[h]) * update[h] * (one - update[h])
            d_content[h] = d[h] * update[h] * (one - content[h] * content[h])
            d_was[h] = d[h] * (one - update[h])
        for h in range(size):
            d_bias[h] -= d_update[h]
    multiply(d_y, d_told[:, 2 * size :], panels.reset, 0)  # for a while, that of the reset stream
    for n in range(len(x)):
        reset, was, d_let_through = kept[n, :size], x[n], d_y[n]
        d_reset, d_was = d_told[n, :size], d_x[n]
        for h in range(size):
            d_reset[h] = d_let_through[h] * was[h] * reset[h] * (one - reset[h])
            d_was[h] += d_let_through[h] * reset[h]
    multiply(d_x, d_told[:, : 2 * size], panels.stream, 1)
    multiply(d_y, d_told, panels.branch, 0)
