"""A controller and its external memory, from the first step to the last and back.

A memory's part of a step is a function of its own, which is called by its address: this walk is compiled once for all
of them. Rows of a batch know nothing of each other, so a thread takes some of them all the way, and waits for nobody.

Axes: T time, B batch, H hidden features, C features of the cell (H, or none), G gates, S numbers of the memory's own
state, the R that were read (all words together) last; P numbers that the controller hears of the past (R, and H if it
has a cell), I features of the interface vector.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from jaxtyping import Bool, Float

from memagents.kernels import cells
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.paper import paper_for
from memagents.kernels.parts import add, put
from memagents.kernels.products import in_panels, multiply
from memagents.kernels.threads import all_threads, in_threads, share, this_thread
from memagents.kernels.tiles import ROWS, WIDE

FEW: Final = ROWS if WIDE else 2 * ROWS
"""Rows that are walked with at a time: what they hold stays near the processor from one step to the next. Where tiles
are wide, as many as one has are a little faster than as many as two."""


class Episodes(NamedTuple):
    """Where they begin, and what is held there."""

    starts: Bool[Array, "T B"]
    hidden: Float[Array, "B H"]
    cell: Float[Array, "B C"]
    state: Float[Array, "B S"]


class Weights(NamedTuple):
    """Of the controller: for what it hears of the past, and those that make the interface vector."""

    from_past: Float[Array, "GH P"]
    to_interface: Float[Array, "I H"]


class Trail(NamedTuple):
    """What is kept of every step; of T+1, the first is what was held before."""

    past: Float[Array, "T B P"]
    gates: Float[Array, "T B GH"]
    interface: Float[Array, "T B I"]
    cell_before: Float[Array, "T B C"]
    hidden: Float[Array, "T+1 B H"]
    cell: Float[Array, "T+1 B C"]
    states: Float[Array, "T+1 B S"]


class Gradients(NamedTuple):
    """Of what came of every step, which is given; of what it was made of; and of what is held, on the way back."""

    hidden: Float[Array, "T B H"]
    reads: Float[Array, "T B R"]
    gates: Float[Array, "T B GH"]
    interface: Float[Array, "T B I"]
    past: Float[Array, "B P"]
    shown: Float[Array, "B H"]
    cell: Float[Array, "B C"]
    state: Float[Array, "B S"]


@compiled_apart
def advance(
    team: int,
    step: Callable[..., None],
    settings: Array,
    episodes: Episodes,
    trail: Trail,
    weights: Weights,
) -> None:
    """All steps. `trail.gates` hold what the inputs add, and then what they let through; `trail.interface` its bias."""
    if in_threads(team):
        return
    first, stop = share(len(episodes.state), this_thread(), all_threads())
    panels = in_panels(weights.from_past.T), in_panels(weights.to_interface.T)
    taken, numbers = paper_for(settings, trail.interface)
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        for t in range(len(episodes.starts)):
            control(t, rows, episodes, trail, panels)
            for b in range(rows.start, rows.stop):
                held = before(t, b, episodes, trail), trail.states[t + 1, b]
                step(settings, taken, numbers, trail.interface[t, b], held[0], held[1])


@compiled_apart
def retreat(
    team: int,
    step_backward: Callable[..., None],
    settings: Array,
    episodes: Episodes,
    trail: Trail,
    weights: Weights,
    d: Gradients,
) -> None:
    """The gradient of `advance`."""
    if in_threads(team):
        return
    first, stop = share(len(episodes.state), this_thread(), all_threads())
    read_size, panels = d.reads.shape[2], (in_panels(weights.from_past), in_panels(weights.to_interface))
    taken, numbers = paper_for(settings, trail.interface)
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        for t in range(len(episodes.starts) - 1, -1, -1):
            for b in range(rows.start, rows.stop):
                add(d.reads[t, b], d.state[b, -read_size:])
                held = before(t, b, episodes, trail), trail.states[t + 1, b]
                told, d_told = trail.interface[t, b], d.interface[t, b]
                step_backward(settings, taken, numbers, told, held[0], held[1], d.state[b], d_told)
            control_backward(t, rows, episodes, trail, panels, d)


@compiled
def before(t: int, b: int, episodes: Episodes, trail: Trail) -> Float[Array, " S"]:
    """What a memory holds before a step: what it held after the last, or that with which an episode begins."""
    held: Array = episodes.state[b] if episodes.starts[t, b] else trail.states[t, b]
    return held


@compiled
def control(t: int, rows: slice, episodes: Episodes, trail: Trail, panels: tuple[Array, Array]) -> None:
    """Hidden vector, cell and interface vector of a step."""
    has_cell, read_size = trail.cell.shape[2] > 0, trail.past.shape[2] - trail.cell.shape[2]
    for b in range(rows.start, rows.stop):
        starts, past = episodes.starts[t, b], trail.past[t, b]
        put(before(t, b, episodes, trail)[-read_size:], past[:read_size])
        if has_cell:
            put(episodes.hidden[b] if starts else trail.hidden[t, b], past[read_size:])
            put(episodes.cell[b] if starts else trail.cell[t, b], trail.cell_before[t, b])
    gates, hidden, interface = trail.gates[t, rows], trail.hidden[t + 1, rows], trail.interface[t, rows]
    multiply(gates, trail.past[t, rows], panels[0], 1)
    if has_cell:
        cells.lstm(gates, trail.cell_before[t, rows], hidden, trail.cell[t + 1, rows])
    else:
        cells.elman(gates, hidden)
    multiply(interface, hidden, panels[1], 1)


@compiled
def control_backward(
    t: int, rows: slice, episodes: Episodes, trail: Trail, panels: tuple[Array, Array], d: Gradients
) -> None:
    """From the gradients of the interface vector and of what is held after a step to that of what is held before it."""
    has_cell, read_size = d.cell.shape[1] > 0, d.reads.shape[2]
    gates, shown, d_gates, past = trail.gates[t, rows], d.shown[rows], d.gates[t, rows], d.past[rows]
    for b in range(rows.start, rows.stop):
        add(d.hidden[t, b], d.shown[b])
    multiply(shown, d.interface[t, rows], panels[1], 1)
    if has_cell:
        cells.lstm_backward(gates, trail.cell_before[t, rows], trail.cell[t + 1, rows], shown, d.cell[rows], d_gates)
    else:
        cells.elman_backward(gates, shown, d_gates)
    multiply(past, d_gates, panels[0], 0)
    for b in range(rows.start, rows.stop):
        if episodes.starts[t, b]:
            d.state[b] = 0
            d.cell[b] = 0
        else:
            put(d.past[b, :read_size], d.state[b, -read_size:])
            add(d.past[b, read_size:], d.shown[b])
