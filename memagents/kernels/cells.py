"""One step of a recurrent network for many rows, after its matrix products, and the step's gradient.

`told` is what the inputs tell every gate, `heard` what the hidden vector does; where a gate but adds the two up, `told`
is the sum. A step leaves in `told` what the gates let through, which its gradient takes as `gates`, and writes the
hidden vector `after` it. A gradient finds in `d_hidden` that of the hidden vector after the step, and leaves there that
of the vector before it, except by way of what was heard of it; `d_told` and `d_heard` are written.

The equations are in the memories' files. Axes: N rows, H features of the hidden vector, K numbers `before` a step, of
which the hidden vector is the first, G gates, C features of the cell (H in an LSTM, else none).
"""

from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float

from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.compilation import Array, compiled
from memagents.kernels.parts import put

Gates: TypeAlias = Float[Array, "N GH"]
Hidden: TypeAlias = Float[Array, "N H"]
Past: TypeAlias = Float[Array, "N K"]
Cells: TypeAlias = Float[Array, "N C"]

LSTM, GRU, TANH, RELU = range(4)

KINDS: Final = {"lstm": LSTM, "gru": GRU, "rnn_tanh": TANH, "rnn_relu": RELU}
"""By the names of torch's own."""

HEARS_APART: Final = "gru"
"""Where what is heard is kept apart from what is told."""

HAS_CELL: Final = "lstm"


@compiled
def forward(kind: int, told: Gates, heard: Gates, before: Past, cell_before: Cells, after: Hidden, cell: Cells) -> None:
    """A step of any of them."""
    if kind == LSTM:
        lstm(told, cell_before, after, cell)
    elif kind == GRU:
        gru(told, heard, before, after)
    elif kind == TANH:
        elman(told, after)
    else:
        rectified(told, after)


@compiled
def backward(
    kind: int,
    gates: Gates,
    heard: Gates,
    before: Past,
    cell_before: Cells,
    cell: Cells,
    d_hidden: Hidden,
    d_cell: Cells,
    d_told: Gates,
    d_heard: Gates,
) -> None:
    """The gradient of a step of any of them."""
    if kind == LSTM:
        lstm_backward(gates, cell_before, cell, d_hidden, d_cell, d_told)
    elif kind == GRU:
        gru_backward(gates, heard, before, d_hidden, d_told, d_heard)
    elif kind == TANH:
        elman_backward(gates, d_hidden, d_told)
    else:
        rectified_backward(gates, d_hidden, d_told)


@compiled
def lstm(gates: Gates, cell_before: Hidden, after: Hidden, cell: Hidden) -> None:
    """Gates: input, forget, content, output."""
    size = after.shape[1]
    for n in range(len(gates)):
        sigmoid_(gates[n, : 2 * size])
        tanh_(gates[n, 2 * size : 3 * size])
        sigmoid_(gates[n, 3 * size :])
        admit, forget = gates[n, :size], gates[n, size : 2 * size]
        content, show = gates[n, 2 * size : 3 * size], gates[n, 3 * size :]
        was, now, shown = cell_before[n], cell[n], after[n]
        for h in range(size):
            now[h] = forget[h] * was[h] + admit[h] * content[h]
            shown[h] = now[h]
        tanh_(shown)
        for h in range(size):
            shown[h] *= show[h]


@compiled
def lstm_backward(
    gates: Gates, cell_before: Hidden, cell: Hidden, d_hidden: Hidden, d_cell: Hidden, d_gates: Gates
) -> None:
    """The gradient of `lstm`. `d_cell` is that of the cell after the step, and becomes that of the cell before it."""
    size = cell.shape[1]
    one, bounded = gates.dtype.type(1), np.empty_like(cell[:1])[0]
    for n in range(len(gates)):
        admit, forget = gates[n, :size], gates[n, size : 2 * size]
        content, show = gates[n, 2 * size : 3 * size], gates[n, 3 * size :]
        d_admit, d_forget = d_gates[n, :size], d_gates[n, size : 2 * size]
        d_content, d_show = d_gates[n, 2 * size : 3 * size], d_gates[n, 3 * size :]
        was, now, d_shown, d_now = cell_before[n], cell[n], d_hidden[n], d_cell[n]
        put(now, bounded)
        tanh_(bounded)
        for h in range(size):
            d_now[h] += d_shown[h] * show[h] * (one - bounded[h] * bounded[h])
            d_show[h] = d_shown[h] * bounded[h] * show[h] * (one - show[h])
            d_shown[h] = 0
        for h in range(size):
            d_admit[h] = d_now[h] * content[h] * admit[h] * (one - admit[h])
            d_content[h] = d_now[h] * admit[h] * (one - content[h] * content[h])
        for h in range(size):
            d_forget[h] = d_now[h] * was[h] * forget[h] * (one - forget[h])
            d_now[h] *= forget[h]


@compiled
def gru(told: Gates, heard: Gates, before: Past, after: Hidden) -> None:
    """Gates: reset, update, content, of which the reset gate lets what is heard through to the last."""
    size = after.shape[1]
    for n in range(len(told)):
        both, both_heard = told[n, : 2 * size], heard[n, : 2 * size]
        for h in range(2 * size):
            both[h] += both_heard[h]
        sigmoid_(both)
        reset, update = told[n, :size], told[n, size : 2 * size]
        content, asked = told[n, 2 * size :], heard[n, 2 * size :]
        for h in range(size):
            content[h] += reset[h] * asked[h]
        tanh_(content)
        was, hidden = before[n], after[n]
        for h in range(size):
            hidden[h] = content[h] + update[h] * (was[h] - content[h])


@compiled
def gru_backward(gates: Gates, heard: Gates, before: Past, d_hidden: Hidden, d_told: Gates, d_heard: Gates) -> None:
    """The gradient of `gru`."""
    size = d_hidden.shape[1]
    one = gates.dtype.type(1)
    for n in range(len(gates)):
        reset, update = gates[n, :size], gates[n, size : 2 * size]
        content, asked = gates[n, 2 * size :], heard[n, 2 * size :]
        d_reset, d_update, d_content = d_told[n, :size], d_told[n, size : 2 * size], d_told[n, 2 * size :]
        was, d, d_asked = before[n], d_hidden[n], d_heard[n, 2 * size :]
        for h in range(size):
            d_update[h] = d[h] * (was[h] - content[h]) * update[h] * (one - update[h])
            d_content[h] = d[h] * (one - update[h]) * (one - content[h] * content[h])
            d[h] *= update[h]
        for h in range(size):
            d_asked[h] = d_content[h] * reset[h]
            d_reset[h] = d_content[h] * asked[h] * reset[h] * (one - reset[h])
        both, both_heard = d_told[n, : 2 * size], d_heard[n, : 2 * size]
        for h in range(2 * size):
            both_heard[h] = both[h]


@compiled
def elman(told: Gates, after: Hidden) -> None:
    """The hidden vector is the tanh of what it is told."""
    for n in range(len(told)):
        tanh_(told[n])
        put(told[n], after[n])


@compiled
def elman_backward(gates: Gates, d_hidden: Hidden, d_told: Gates) -> None:
    """The gradient of `elman`."""
    one = gates.dtype.type(1)
    for n in range(len(gates)):
        hidden, d, d_now = gates[n], d_hidden[n], d_told[n]
        for h in range(len(hidden)):
            d_now[h] = d[h] * (one - hidden[h] * hidden[h])
            d[h] = 0


@compiled
def rectified(told: Gates, after: Hidden) -> None:
    """The hidden vector is what it is told, where that is above zero."""
    for n in range(len(told)):
        now, hidden = told[n], after[n]
        for h in range(len(now)):
            if now[h] < 0:
                now[h] = 0
            hidden[h] = now[h]


@compiled
def rectified_backward(gates: Gates, d_hidden: Hidden, d_told: Gates) -> None:
    """The gradient of `rectified`."""
    zero = gates.dtype.type(0)
    for n in range(len(gates)):
        hidden, d, d_now = gates[n], d_hidden[n], d_told[n]
        for h in range(len(hidden)):
            d_now[h] = d[h] if hidden[h] > 0 else zero
            d[h] = 0
