"""The controller's activations for one step, and their gradient; the equations are in `ops/controller.py`.

Axes: B batch, H hidden features, C features of the cell (H, or none), G gates.
"""

import math

import numpy as np
import torch
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array

Pair = tuple[Float[Array, "B H"], Float[Array, "B C"]]


def lstm(gates: Float[Array, "B GH"], cell: Float[Array, "B H"]) -> Pair:
    """Hidden vector and cell after a step. The gates, as yet unbounded, become what they let through.

    By torch, which bounds many numbers at once; here they would be taken one by one.
    """
    admit, forget, content, show = torch.from_numpy(gates).chunk(4, 1)
    for gate in (admit, forget, show):
        gate.sigmoid_()
    after = (forget * torch.from_numpy(cell)).addcmul_(admit, content.tanh_())
    return (show * after.tanh()).numpy(), after.numpy()


def lstm_backward(
    gates: Float[Array, "B GH"],
    before: Float[Array, "B H"],
    after: Float[Array, "B H"],
    d_hidden: Float[Array, "B H"],
    d_after: Float[Array, "B H"],
    d_gates: Float[Array, "B GH"],
) -> Float[Array, "B H"]:
    """Writes the gradient of the gates before they were bounded, and returns that of the cell before the step."""
    return through_gates(gates, before, torch.from_numpy(after).tanh().numpy(), d_hidden, d_after, d_gates)


@compiled
def through_gates(
    gates: Float[Array, "B GH"],
    before: Float[Array, "B H"],
    bounded: Float[Array, "B H"],
    d_hidden: Float[Array, "B H"],
    d_after: Float[Array, "B H"],
    d_gates: Float[Array, "B GH"],
) -> Float[Array, "B H"]:
    """`lstm_backward`, given tanh of the cell after the step."""
    d_before = np.empty_like(before)
    size = before.shape[1]
    for b in range(len(before)):
        for h in range(size):
            admit, forget = gates[b, h], gates[b, size + h]
            content, show = gates[b, 2 * size + h], gates[b, 3 * size + h]
            shown = bounded[b, h]
            d_cell = d_after[b, h] + d_hidden[b, h] * show * (1 - shown * shown)
            d_gates[b, h] = d_cell * content * admit * (1 - admit)
            d_gates[b, size + h] = d_cell * before[b, h] * forget * (1 - forget)
            d_gates[b, 2 * size + h] = d_cell * admit * (1 - content * content)
            d_gates[b, 3 * size + h] = d_hidden[b, h] * shown * show * (1 - show)
            d_before[b, h] = d_cell * forget
    return d_before


@compiled
def feedforward(gates: Float[Array, "B H"], cell: Float[Array, "B 0"]) -> Pair:
    """Hidden vector and cell, which is empty, after a step. The gates become the hidden vector."""
    for b in range(len(gates)):
        for h in range(gates.shape[1]):
            gates[b, h] = math.tanh(gates[b, h])
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
