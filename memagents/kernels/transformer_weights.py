"""What kernels know of a transformer's layers: their weights, and the order in which these are multiplied.

Axes: L layers, H features, F features between the two products of a feed-forward network, R ages that a step can reach,
N weights of a layer, P numbers of its panels.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from memagents.kernels.borrowing import cube, matrix_at
from memagents.kernels.compilation import Array, compiled
from memagents.kernels.dots import dots
from memagents.kernels.gates import Gate
from memagents.kernels.products import lay, panels_for, width_of
from memagents.kernels.threads import all_threads, share, this_thread

PLAIN, RELATIVE, GATED = range(3)
"""Sums of normalised branches; normalised sums; gates of normalised branches."""

NUM_VECTORS: Final = 11
"""Of a layer."""


class Given(NamedTuple):
    """What all kernels are given.

    Attributes:
        weights: where each layer's lie: vectors, matrices, and what makes keys of ages.
        nothing: zeros, where vectors lie that layers have not.
        ages: how long ago, as it is encoded, the oldest first; none, where layers have no keys of ages.
        times: for how long each step's episode has been running.
        room: for panels.
    """

    weights: Int[Array, "L N"]
    nothing: Float[Array, " H"]
    ages: Float[Array, "R H"]
    times: Int[Array, " S"]
    room: Float[Array, "L P"]


class Vectors(NamedTuple):
    """A layer's. Those that it has not are zeros."""

    attention_norm_weight: Float[Array, " H"]
    attention_norm_bias: Float[Array, " H"]
    content_bias: Float[Array, " H"]
    position_bias: Float[Array, " H"]
    output_bias: Float[Array, " H"]
    attention_gate_bias: Float[Array, " H"]
    feedforward_norm_weight: Float[Array, " H"]
    feedforward_norm_bias: Float[Array, " H"]
    narrow_bias: Float[Array, " H"]
    feedforward_gate_bias: Float[Array, " H"]
    widen_bias: Float[Array, " F"]


class Matrices(NamedTuple):
    """A layer's, or their panels. Gates that it has not have no rows."""

    queries: Any
    keys_values: Any
    output: Any
    widen: Any
    narrow: Any
    attention_gate: Gate
    feedforward_gate: Gate


@compiled
def vectors_of(at: Int[Array, " N"], size: int, inner: int, like: Array) -> Vectors:
    """A layer's vectors, which lie there."""
    return Vectors(
        matrix_at(at[0], 1, size, like)[0],
        matrix_at(at[1], 1, size, like)[0],
        matrix_at(at[2], 1, size, like)[0],
        matrix_at(at[3], 1, size, like)[0],
        matrix_at(at[4], 1, size, like)[0],
        matrix_at(at[5], 1, size, like)[0],
        matrix_at(at[6], 1, size, like)[0],
        matrix_at(at[7], 1, size, like)[0],
        matrix_at(at[8], 1, size, like)[0],
        matrix_at(at[9], 1, size, like)[0],
        matrix_at(at[10], 1, inner, like)[0],
    )


@compiled
def matrices_of(kind: int, at: Int[Array, " N"], size: int, inner: int, like: Array) -> Matrices:
    """A layer's matrices, which lie there."""
    return Matrices(
        matrix_at(at[0], size, size, like),
        matrix_at(at[1], 2 * size, size, like),
        matrix_at(at[2], size, size, like),
        matrix_at(at[3], inner, size, like),
        matrix_at(at[4], size, inner, like),
        gate_of(kind, at[5:8], size, like),
        gate_of(kind, at[8:11], size, like),
    )


@compiled
def gate_of(kind: int, at: Int[Array, " 3"], size: int, like: Array) -> Gate:
    """A gate's."""
    rows = size * (kind == GATED)
    return Gate(
        matrix_at(at[0], 3 * rows, size, like),
        matrix_at(at[1], 2 * rows, size, like),
        matrix_at(at[2], rows, size, like),
    )


@compiled
def weights_of(kind: int, layer: int, given: Given, size: int, inner: int) -> tuple[Vectors, Matrices]:
    """A layer's vectors and matrices."""
    vectors = vectors_of(given.weights[layer], size, inner, given.nothing)
    return vectors, matrices_of(kind, given.weights[layer, NUM_VECTORS:], size, inner, given.nothing)


@compiled
def keys_of_ages(layer: int, given: Given) -> Float[Array, "R H"]:
    """W_kR R of each age; none, where layers have no such keys."""
    ages = given.ages
    out = np.empty_like(ages)
    if len(ages) > 0:
        dots(out, ages, matrix_at(given.weights[layer, -1], ages.shape[1], ages.shape[1], ages), 0)
    return out


@compiled
def turned(m: Matrices) -> Matrices:
    """Matrices as they are multiplied on the way forward; as they are, it is on the way back."""
    one, other = m.attention_gate, m.feedforward_gate
    return Matrices(
        m.queries.T,
        m.keys_values.T,
        m.output.T,
        m.widen.T,
        m.narrow.T,
        Gate(one.branch.T, one.stream.T, one.reset.T),
        Gate(other.branch.T, other.stream.T, other.reset.T),
    )


@compiled
def panels_of(m: Matrices, room: Float[Array, " P"]) -> Matrices:
    """Where a layer's panels lie, one matrix's after the other's."""
    queries, room = panels_first(m.queries, room)
    keys_values, room = panels_first(m.keys_values, room)
    output, room = panels_first(m.output, room)
    widen, room = panels_first(m.widen, room)
    narrow, room = panels_first(m.narrow, room)
    attention_gate, room = gate_first(m.attention_gate, room)
    feedforward_gate, room = gate_first(m.feedforward_gate, room)
    return Matrices(queries, keys_values, output, widen, narrow, attention_gate, feedforward_gate)


@compiled
def gate_first(m: Gate, room: Float[Array, " P"]) -> tuple[Gate, Float[Array, " Q"]]:
    """A gate's, and the rest of the room."""
    branch, room = panels_first(m.branch, room)
    stream, room = panels_first(m.stream, room)
    reset, room = panels_first(m.reset, room)
    return Gate(branch, stream, reset), room


@compiled
def panels_first(b: Float[Array, "K N"], room: Float[Array, " P"]) -> tuple[Array, Float[Array, " Q"]]:
    """A matrix's, and the rest of the room."""
    number, depth, width = panels_for(b), len(b), width_of(b)
    size = number * depth * width
    return cube(room[:size], number, depth, width), room[size:]


@compiled
def lay_all(m: Matrices, panels: Matrices) -> None:
    """Writes a layer's panels, of which each thread takes some."""
    lay_share(m.queries, panels.queries)
    lay_share(m.keys_values, panels.keys_values)
    lay_share(m.output, panels.output)
    lay_share(m.widen, panels.widen)
    lay_share(m.narrow, panels.narrow)
    lay_gate(m.attention_gate, panels.attention_gate)
    lay_gate(m.feedforward_gate, panels.feedforward_gate)


@compiled
def lay_gate(m: Gate, panels: Gate) -> None:
    """A gate's."""
    lay_share(m.branch, panels.branch)
    lay_share(m.stream, panels.stream)
    lay_share(m.reset, panels.reset)


@compiled
def lay_share(b: Float[Array, "K N"], panels: Float[Array, "P K W"]) -> None:
    """A thread's share of a matrix's."""
    start, stop = share(len(panels), this_thread(), all_threads())
    lay(b, panels, start, stop)
