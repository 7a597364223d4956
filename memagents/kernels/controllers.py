"""The controller's activations for one step, and their gradient; the equations are in `ops/controller.py`.

Axes: B batch, H hidden features, C features of the cell (H, or none), G gates.
"""

import numpy as np
from jaxtyping import Float

from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array

Pair = tuple[Float[Array, "B H"], Float[Array, "B C"]]


@compiled
def lstm(gates: Float[Array, "B GH"], cell: Float[Array, "B H"]) -> Pair:
    """Hidden vector and cell after a step. The gates, as yet unbounded, become what they let through."""
    hidden, after = np.empty_like(cell), np.empty_like(cell)
    size = cell.shape[1]
    for b in range(len(cell)):
        sigmoid_(gates[b, : 2 * size])
        tanh_(gates[b, 2 * size : 3 * size])
        sigmoid_(gates[b, 3 * size :])
        admit, forget = gates[b, :size], gates[b, size : 2 * size]
        content, show = gates[b, 2 * size : 3 * size], gates[b, 3 * size :]
        was, now, shown = cell[b], after[b], hidden[b]
        for h in range(size):
            now[h] = forget[h] * was[h] + admit[h] * content[h]
            shown[h] = now[h]
        tanh_(shown)
        for h in range(size):
            shown[h] *= show[h]
    return hidden, after


@compiled
def lstm_backward(
    gates: Float[Array, "B GH"],
    before: Float[Array, "B H"],
    after: Float[Array, "B H"],
    d_hidden: Float[Array, "B H"],
    d_after: Float[Array, "B H"],
    d_gates: Float[Array, "B GH"],
) -> Float[Array, "B H"]:
    """Writes the gradient of the gates before they were bounded, and returns that of the cell before the step."""
    d_before, bounded = np.empty_like(before), np.empty_like(before[0])
    size = before.shape[1]
    one = gates.dtype.type(1)
    for b in range(len(before)):
        admit, forget = gates[b, :size], gates[b, size : 2 * size]
        content, show = gates[b, 2 * size : 3 * size], gates[b, 3 * size :]
        d_admit, d_forget = d_gates[b, :size], d_gates[b, size : 2 * size]
        d_content, d_show = d_gates[b, 2 * size : 3 * size], d_gates[b, 3 * size :]
        was, now, d_shown, d_now, d_was = before[b], after[b], d_hidden[b], d_after[b], d_before[b]
        for h in range(size):
            bounded[h] = now[h]
        tanh_(bounded)
        for h in range(size):
            d_was[h] = d_now[h] + d_shown[h] * show[h] * (one - bounded[h] * bounded[h])
            d_show[h] = d_shown[h] * bounded[h] * show[h] * (one - show[h])
        for h in range(size):
            d_admit[h] = d_was[h] * content[h] * admit[h] * (one - admit[h])
            d_content[h] = d_was[h] * admit[h] * (one - content[h] * content[h])
        for h in range(size):
            d_forget[h] = d_was[h] * was[h] * forget[h] * (one - forget[h])
            d_was[h] *= forget[h]
    return d_before


@compiled
def feedforward(gates: Float[Array, "B H"], cell: Float[Array, "B 0"]) -> Pair:
    """Hidden vector and cell, which is empty, after a step. The gates become the hidden vector."""
    for b in range(len(gates)):
        tanh_(gates[b])
    return gates.copy(), cell


@compiled
def feedforward_backward(
    gates: Float[Array, "B H"],
    before: Float[Array, "B 0"],
    after: Float[Array, "B 0"],
    d_hidden: Float[Array, "B H"],
    d_after: Float[Array, "B 0"],
    d_gates: Float[Array, "B H"],
) -> Float[Array, "B 0"]:
    """Writes the gradient of what was told to the layer, and returns that of the cell, which is empty."""
    d_gates[:] = d_hidden * (1 - gates * gates)
    return d_after


FORWARD = {"lstm": lstm, "feedforward": feedforward}
BACKWARD = {"lstm": lstm_backward, "feedforward": feedforward_backward}
