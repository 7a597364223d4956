"""Layers of a transformer over sequences, by kernels: all steps of all rows, layer by layer.

A thread takes some entries, whose keys and values it makes, and then some steps, with all that comes of them in this
layer; a few at a time, so that what is made of them stays near the processor. Threads wait for each other between the
two, for a step reads what others have made.

Axes: L layers, B rows, T steps, W entries from before them, C = W + T, N = B T, M = B C, R = W + 1 ages, K heads, H
features, F features between the two products of a feed-forward network, Q of the N that are taken at a time.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float

from memagents.kernels.attention import attend
from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.gates import gate
from memagents.kernels.norms import normalise
from memagents.kernels.parts import add, put
from memagents.kernels.products import multiply
from memagents.kernels.threads import all_threads, in_threads, share, this_thread, wait
from memagents.kernels.tiles import ROWS
from memagents.kernels.transformer_weights import (
    GATED,
    PLAIN,
    RELATIVE,
    Given,
    Matrices,
    Vectors,
    keys_of_ages,
    lay_all,
    panels_of,
    turned,
    weights_of,
)

FEW: Final = 4 * ROWS
"""Entries or steps that are taken at a time."""


class Trail(NamedTuple):
    """What is kept of every layer, and, without an axis for that, what is made anew on the way back.

    `entries` are what it is told, `known` what it makes keys and values of, `read` what its heads read. `attended` and
    `fed` are its branches as they are joined with the stream (where sums are normalised, the sums), `middle` is the
    stream between the two, `asked` what the feed-forward network is told and `inner` what is between its products.
    Numbers that are kept have to be fetched from afar, and several of them take longer than to compute one again.
    """

    entries: Float[Array, "B L C H"]
    keys_values: Float[Array, "L M 2H"]
    queries: Float[Array, "L N H"]
    weights: Float[Array, "L N KR"]
    read: Float[Array, "L N H"]
    attended: Float[Array, "L N H"]
    attention_gate: Float[Array, "L N 3H"]
    inner: Float[Array, "L N F"]
    fed: Float[Array, "L N H"]
    feedforward_gate: Float[Array, "L N 3H"]
    known: Float[Array, "M H"]
    attention_reset: Float[Array, "N H"]
    middle: Float[Array, "N H"]
    asked: Float[Array, "N H"]
    feedforward_reset: Float[Array, "N H"]
    out: Float[Array, "N H"]


@compiled_apart
def advance(team: int, kind: int, heads: int, given: Given, trail: Trail) -> None:
    """All layers. Of the first all entries are given, of the others those from before the steps."""
    if in_threads(team):
        return
    given, trail = borrowed(given), borrowed(trail)
    layers, size, inner = len(trail.inner), trail.out.shape[1], trail.inner.shape[2]
    for layer in range(layers):
        matrices = turned(weights_of(kind, layer, given, size, inner)[1])
        lay_all(matrices, panels_of(matrices, given.room[layer]))
    wait(all_threads())
    for layer in range(layers):
        vectors, matrices = weights_of(kind, layer, given, size, inner)
        panels = panels_of(turned(matrices), given.room[layer])
        know(kind, layer, vectors, panels, trail)
        wait(all_threads())
        take_steps(kind, heads, layer, vectors, panels, given, trail)
        wait(all_threads())


@compiled
def know(kind: int, layer: int, vectors: Vectors, panels: Matrices, trail: Trail) -> None:
    """Keys and values of all entries."""
    entries, known, keys_values = trail.entries, trail.known, trail.keys_values[layer]
    first, stop = share(len(known), this_thread(), all_threads())
    length = entries.shape[2]
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        for m in range(rows.start, rows.stop):
            entry = entries[m // length, layer, m % length]
            if kind == RELATIVE:
                put(entry, known[m])
            else:
                normalise(entry, vectors.attention_norm_weight, vectors.attention_norm_bias, known[m])
        multiply(keys_values[rows], known[rows], panels.keys_values, 0)


@compiled
def take_steps(
    kind: int, heads: int, layer: int, vectors: Vectors, panels: Matrices, given: Given, trail: Trail
) -> None:
    """All that comes after keys and values."""
    entries, (_, layers, length, size), positions = trail.entries, trail.entries.shape, keys_of_ages(layer, given)
    window = trail.weights.shape[2] // heads - 1
    steps = length - window
    stream, asking = np.empty((FEW, size), entries.dtype), np.empty((FEW, size), entries.dtype)
    first, stop = share(len(trail.out), this_thread(), all_threads())
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        x, after = stream[: rows.stop - top], asking[: rows.stop - top]
        for i in range(len(x)):
            row, step = (top + i) // steps, (top + i) % steps
            put(entries[row, layer, window + step], x[i])
            put(trail.known[row * length + window + step], asking[i])
        multiply(trail.queries[layer, rows], after, panels.queries, 0)
        read_all(heads, layer, rows, positions, vectors, given, trail)
        join_attended(kind, layer, rows, x, vectors, panels, trail)
        join_fed(kind, layer, rows, after, vectors, panels, trail)
        for i in range(len(x)):
            if layer + 1 == layers:
                put(after[i], trail.out[top + i])
            else:
                put(after[i], entries[(top + i) // steps, layer + 1, window + (top + i) % steps])


@compiled
def read_all(
    heads: int, layer: int, rows: slice, positions: Float[Array, "R H"], vectors: Vectors, given: Given, trail: Trail
) -> None:
    """What the heads read, of one row's entries after the other's."""
    length, window = trail.entries.shape[2], trail.weights.shape[2] // heads - 1
    steps, begin = length - window, rows.start
    while begin < rows.stop:
        row, step = begin // steps, begin % steps
        end, place = min(rows.stop, (row + 1) * steps), row * length + step
        attend(
            heads,
            trail.queries[layer, begin:end],
            trail.keys_values[layer, place : place + window + end - begin],
            positions,
            (vectors.content_bias, vectors.position_bias),
            given.times[begin:end],
            trail.weights[layer, begin:end],
            trail.read[layer, begin:end],
        )
        begin = end


@compiled
def join_attended(
    kind: int, layer: int, rows: slice, x: Float[Array, "Q H"], vectors: Vectors, panels: Matrices, trail: Trail
) -> None:
    """From what was read to the stream between the branches, and to what the feed-forward network is told of it."""
    attended, middle, asked = trail.attended[layer, rows], trail.middle[rows], trail.asked[rows]
    multiply(attended, trail.read[layer, rows], panels.output, 0)
    if kind == GATED:
        rectify(attended)
        kept, reset = trail.attention_gate[layer, rows], trail.attention_reset[rows]
        gate(x, attended, panels.attention_gate, vectors.attention_gate_bias, kept, reset, middle)
    for i in range(len(x)):
        if kind != GATED:
            add(vectors.output_bias, attended[i])
            add(x[i], attended[i])
        if kind == PLAIN:
            put(attended[i], middle[i])
        if kind == RELATIVE:
            normalise(attended[i], vectors.attention_norm_weight, vectors.attention_norm_bias, middle[i])
            put(middle[i], asked[i])
        else:
            normalise(middle[i], vectors.feedforward_norm_weight, vectors.feedforward_norm_bias, asked[i])


@compiled
def join_fed(
    kind: int, layer: int, rows: slice, after: Float[Array, "Q H"], vectors: Vectors, panels: Matrices, trail: Trail
) -> None:
    """From the stream between the branches to what comes after the layer."""
    middle, inner, fed = trail.middle[rows], trail.inner[layer, rows], trail.fed[layer, rows]
    for i in range(len(middle)):
        put(vectors.widen_bias, inner[i])
        put(vectors.narrow_bias, fed[i])
    multiply(inner, trail.asked[rows], panels.widen, 1)
    rectify(inner)
    multiply(fed, inner, panels.narrow, 1)
    if kind == GATED:
        rectify(fed)
        kept, reset = trail.feedforward_gate[layer, rows], trail.feedforward_reset[rows]
        gate(middle, fed, panels.feedforward_gate, vectors.feedforward_gate_bias, kept, reset, after)
    else:
        for i in range(len(middle)):
            add(middle[i], fed[i])
            if kind == PLAIN:
                put(fed[i], after[i])
            else:
                normalise(fed[i], vectors.feedforward_norm_weight, vectors.feedforward_norm_bias, after[i])


@compiled
def rectify(x: Float[Array, "N H"]) -> None:
    """What is below zero becomes zero."""
    for i in range(len(x)):
        row = x[i]
        for h in range(len(row)):
            if row[h] < 0:
                row[h] = 0
