"""The moves of an NTM's head around its slots, as on a ring, for one row of a batch.

The equation is in `memories/ntm.py`. Axes: N slots, P places that a head can move to, of which the one in the middle
leads nowhere.
"""

from jaxtyping import Float

from memagents.kernels.compilation import Array, Number, compiled
from memagents.kernels.parts import dot


@compiled
def shift(gated: Float[Array, " N"], shifts: Float[Array, " P"], shifted: Float[Array, " N"]) -> None:
    """Writes where a head is after its moves (eq 8)."""
    shifted[:] = 0
    for s in range(len(shifts)):
        stay, turn = around(len(shifts) // 2 - s, len(gated))
        add_times(shifts[s], gated[turn:], shifted[:stay])
        add_times(shifts[s], gated[:turn], shifted[stay:])


@compiled
def shift_backward(
    gated: Float[Array, " N"],
    shifts: Float[Array, " P"],
    d_shifted: Float[Array, " N"],
    d_gated: Float[Array, " N"],
    d_shifts: Float[Array, " P"],
) -> None:
    """The gradient of `shift`."""
    d_gated[:] = 0
    for s in range(len(shifts)):
        stay, turn = around(len(shifts) // 2 - s, len(gated))
        add_times(shifts[s], d_shifted[:stay], d_gated[turn:])
        add_times(shifts[s], d_shifted[stay:], d_gated[:turn])
        d_shifts[s] = dot(d_shifted[:stay], gated[turn:]) + dot(d_shifted[stay:], gated[:turn])


@compiled
def around(move: int, slots: int) -> tuple[int, int]:
    """How many slots come from so many places on without turning around at the end, and how many after that."""
    turn = move % slots
    return slots - turn, turn


@compiled
def add_times(factor: Number, x: Float[Array, " N"], out: Float[Array, " N"]) -> None:
    """Adds a multiple of one vector to another."""
    for n in range(len(x)):
        out[n] += factor * x[n]
