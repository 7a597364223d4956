"""One step of a recurrent network for many rows, after its matrix products, and the step's gradient.

    forward(told, heard, before, after)
    backward(gates, heard, before, d_after, d_before, d_told, d_heard)

`told` is what the inputs tell every gate, `heard` what the hidden vector does; where a gate but adds the two up, they
are one array that holds the sum. `forward` leaves in `told` what the gates let through, which `backward` takes as
`gates`, and writes the hidden vector `after` the step. The gradient of that vector is the sum of `d_after`, what the
loss has to say of it, and `d_before`, what the steps that follow have. `backward` leaves in `d_before` the gradient of
the vector before the step, except by way of what was heard of it.

The equations are in the memories' files. Axes: N rows, H features of the hidden vector, G gates.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Float

from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array

Gates: TypeAlias = Float[Array, "N GH"]
Hidden: TypeAlias = Float[Array, "N H"]


@compiled
def gru(told: Gates, heard: Gates, before: Hidden, after: Hidden) -> None:
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
def gru_backward(
    gates: Gates, heard: Gates, before: Hidden, d_after: Hidden, d_before: Hidden, d_told: Gates, d_heard: Gates
) -> None:
    """The gradient of `gru`."""
    size = before.shape[1]
    one = gates.dtype.type(1)
    for n in range(len(gates)):
        reset, update = gates[n, :size], gates[n, size : 2 * size]
        content, asked = gates[n, 2 * size :], heard[n, 2 * size :]
        d_reset, d_update, d_content = d_told[n, :size], d_told[n, size : 2 * size], d_told[n, 2 * size :]
        was, d_hidden, d_was, d_asked = before[n], d_after[n], d_before[n], d_heard[n, 2 * size :]
        for h in range(size):
            d = d_hidden[h] + d_was[h]
            d_was[h] = d * update[h]
            d_update[h] = d * (was[h] - content[h]) * update[h] * (one - update[h])
            d_content[h] = d * (one - update[h]) * (one - content[h] * content[h])
        for h in range(size):
            d_asked[h] = d_content[h] * reset[h]
            d_reset[h] = d_content[h] * asked[h] * reset[h] * (one - reset[h])
        both, both_heard = d_told[n, : 2 * size], d_heard[n, : 2 * size]
        for h in range(2 * size):
            both_heard[h] = both[h]


@compiled
def elman(told: Gates, heard: Gates, before: Hidden, after: Hidden) -> None:
    """The hidden vector is the tanh of what it is told."""
    for n in range(len(told)):
        tanh_(told[n])
        after[n][:] = told[n]


@compiled
def elman_backward(
    gates: Gates, heard: Gates, before: Hidden, d_after: Hidden, d_before: Hidden, d_told: Gates, d_heard: Gates
) -> None:
    """The gradient of `elman`."""
    one = gates.dtype.type(1)
    for n in range(len(gates)):
        hidden, d_hidden, d_was, d_now = gates[n], d_after[n], d_before[n], d_told[n]
        for h in range(len(hidden)):
            d_now[h] = (d_hidden[h] + d_was[h]) * (one - hidden[h] * hidden[h])
            d_was[h] = 0


@compiled
def rectified(told: Gates, heard: Gates, before: Hidden, after: Hidden) -> None:
    """The hidden vector is what it is told, where that is above zero."""
    for n in range(len(told)):
        now, hidden = told[n], after[n]
        for h in range(len(now)):
            if now[h] < 0:
                now[h] = 0
            hidden[h] = now[h]


@compiled
def rectified_backward(
    gates: Gates, heard: Gates, before: Hidden, d_after: Hidden, d_before: Hidden, d_told: Gates, d_heard: Gates
) -> None:
    """The gradient of `rectified`."""
    zero = gates.dtype.type(0)
    for n in range(len(gates)):
        hidden, d_hidden, d_was, d_now = gates[n], d_after[n], d_before[n], d_told[n]
        for h in range(len(hidden)):
            d_now[h] = d_hidden[h] + d_was[h] if hidden[h] > 0 else zero
            d_was[h] = 0


class Cell(NamedTuple):
    """A step and its gradient, and whether what is heard is kept apart from what is told."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    hears_apart: bool = False


CELLS = {
    "gru": Cell(gru, gru_backward, hears_apart=True),
    "rnn_tanh": Cell(elman, elman_backward),
    "rnn_relu": Cell(rectified, rectified_backward),
}
"""By the names of torch's own."""
