"""The controller's activations for one step, and their gradient; the equations are in `ops/controller.py`.

Axes: B batch, H hidden features, C features of the cell (H, or none), G gates.
"""

import numpy as np
from jaxtyping import Float

from memagents.kernels import cells
from memagents.kernels.activations import tanh_
from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array

Pair = tuple[Float[Array, "B H"], Float[Array, "B C"]]


@compiled
def lstm(gates: Float[Array, "B GH"], cell: Float[Array, "B H"]) -> Pair:
    """Hidden vector and cell after a step. The gates, as yet unbounded, become what they let through."""
    hidden, after = np.empty_like(cell), np.empty_like(cell)
    cells.lstm(gates, cell, hidden, after)
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
    d_cell = d_after.copy()
    cells.lstm_backward(gates, before, after, d_hidden, d_cell, d_gates)
    return d_cell


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
    for b in range(len(gates)):
        for h in range(gates.shape[1]):
            d_gates[b, h] = d_hidden[b, h] * (1 - gates[b, h] * gates[b, h])
    return d_after


FORWARD = {"lstm": lstm, "feedforward": feedforward}
BACKWARD = {"lstm": lstm_backward, "feedforward": feedforward_backward}
