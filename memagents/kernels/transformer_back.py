"""The gradient of a transformer's layers, by kernels: from the last to the first, as `transformer.py` goes forward.

A thread takes some steps, from what comes after a layer back to what was read; then some entries, back from all steps
that read them; then some rows of the gradients of matrices. Between these, threads wait for each other.

Axes: as in `transformer.py`.
"""

import numpy as np
from jaxtyping import Float

from memagents.kernels.attention import attend_backward, read_backward
from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.gates import gate_backward, let_in, reset_stream
from memagents.kernels.norms import normalise, normalise_backward
from memagents.kernels.parts import add, put
from memagents.kernels.products import multiply
from memagents.kernels.threads import all_threads, in_threads, share, this_thread, wait
from memagents.kernels.transformer import FEW, Trail
from memagents.kernels.transformer_gradients import Gradients, weigh, weigh_known
from memagents.kernels.transformer_weights import (
    GATED,
    PLAIN,
    RELATIVE,
    Given,
    Matrices,
    Vectors,
    keys_of_ages,
    lay_all,
    matrices_of,
    panels_of,
    vectors_of,
    weights_of,
)


@compiled_apart
def retreat(team: int, kind: int, heads: int, given: Given, trail: Trail, d: Gradients) -> None:
    """The gradient of `advance`."""
    if in_threads(team):
        return
    given, trail, d = borrowed(given), borrowed(trail), borrowed(d)
    layers, size, inner, thread = len(trail.inner), trail.out.shape[1], trail.inner.shape[2], this_thread()
    for layer in range(layers):
        matrices = weights_of(kind, layer, given, size, inner)[1]
        lay_all(matrices, panels_of(matrices, given.room[layer]))
    wait(all_threads())
    for layer in range(layers - 1, -1, -1):
        vectors, matrices = weights_of(kind, layer, given, size, inner)
        panels = panels_of(matrices, given.room[layer])
        d_vectors = vectors_of(d.vectors[thread, layer], size, inner, trail.out)
        d_matrices = matrices_of(kind, d.matrices[layer], size, inner, trail.out)
        take_steps_backward(kind, heads, layer, vectors, panels, given, trail, d, d_vectors)
        wait(all_threads())
        know_backward(kind, heads, layer, vectors, panels, trail, d, d_vectors)
        weigh(kind, layer, trail, d, d_matrices)
        wait(all_threads())
        weigh_known(trail, d, d_matrices)
        wait(all_threads())


@compiled
def take_steps_backward(
    kind: int,
    heads: int,
    layer: int,
    vectors: Vectors,
    panels: Matrices,
    given: Given,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """From what comes after a layer to its stream, to queries and scores, and to what was read."""
    entries, (_, layers, length, size), positions = trail.entries, trail.entries.shape, keys_of_ages(layer, given)
    window = trail.weights.shape[2] // heads - 1
    steps = length - window
    stream, after = np.empty((FEW, size), entries.dtype), np.empty((FEW, size), entries.dtype)
    middle, before = np.empty((FEW, size), entries.dtype), np.empty((FEW, size), entries.dtype)
    first, stop = share(len(trail.out), this_thread(), all_threads())
    for top in range(first, stop, FEW):
        rows, number = slice(top, min(top + FEW, stop)), min(FEW, stop - top)
        x, d_after, d_middle, d_x = stream[:number], after[:number], middle[:number], before[:number]
        for i in range(number):
            row, step = (top + i) // steps, window + (top + i) % steps
            put(entries[row, layer, step], x[i])
            put(d.out[top + i] if layer + 1 == layers else d.entries[row, layer + 1, step], d_after[i])
        join_attended_again(kind, layer, rows, x, vectors, trail)
        join_fed_backward(kind, layer, rows, d_after, d_middle, vectors, panels, trail, d, d_vectors)
        join_attended_backward(kind, layer, rows, x, d_after, d_middle, d_x, vectors, panels, trail, d, d_vectors)
        for i in range(number):
            add(d_x[i], d.entries[(top + i) // steps, layer, window + (top + i) % steps])
        read_all_backward(heads, layer, rows, positions, vectors, trail, d, d_vectors)


@compiled
def join_attended_again(
    kind: int, layer: int, rows: slice, x: Float[Array, "Q H"], vectors: Vectors, trail: Trail
) -> None:
    """The stream between the branches, and what the feed-forward network was told of it."""
    attended, middle, asked = trail.attended[layer, rows], trail.middle[rows], trail.asked[rows]
    if kind == GATED:
        kept = trail.attention_gate[layer, rows]
        reset_stream(x, kept, trail.attention_reset[rows])
        let_in(x, kept, middle)
    for i in range(len(x)):
        if kind == PLAIN:
            put(attended[i], middle[i])
        if kind == RELATIVE:
            normalise(attended[i], vectors.attention_norm_weight, vectors.attention_norm_bias, asked[i])
        else:
            normalise(middle[i], vectors.feedforward_norm_weight, vectors.feedforward_norm_bias, asked[i])


@compiled
def join_fed_backward(
    kind: int,
    layer: int,
    rows: slice,
    d_after: Float[Array, "Q H"],
    d_middle: Float[Array, "Q H"],
    vectors: Vectors,
    panels: Matrices,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """Writes over the gradient of what comes after a layer that of what its feed-forward network was told."""
    fed, d_fed, d_inner = trail.fed[layer, rows], d.fed[rows], d.inner[rows]
    if kind == GATED:
        x, kept, d_told = trail.middle[rows], trail.feedforward_gate[layer, rows], d.feedforward_gate[rows]
        d_bias = d_vectors.feedforward_gate_bias
        reset_stream(x, kept, trail.feedforward_reset[rows])
        gate_backward(x, panels.feedforward_gate, kept, d_after, d_middle, d_fed, d_told, d_bias)
        rectify_backward(fed, d_fed)
    else:
        d_weight, d_bias = d_vectors.feedforward_norm_weight, d_vectors.feedforward_norm_bias
        for i in range(len(fed)):
            if kind == PLAIN:
                put(d_after[i], d_fed[i])
            else:
                clear(d_fed[i])
                normalise_backward(fed[i], vectors.feedforward_norm_weight, d_after[i], d_fed[i], d_weight, d_bias)
            put(d_fed[i], d_middle[i])
    multiply(d_inner, d_fed, panels.narrow, 0)
    rectify_backward(trail.inner[layer, rows], d_inner)
    for i in range(len(fed)):
        add(d_fed[i], d_vectors.narrow_bias)
        add(d_inner[i], d_vectors.widen_bias)
    multiply(d_after, d_inner, panels.widen, 0)


@compiled
def join_attended_backward(
    kind: int,
    layer: int,
    rows: slice,
    x: Float[Array, "Q H"],
    d_asked: Float[Array, "Q H"],
    d_middle: Float[Array, "Q H"],
    d_x: Float[Array, "Q H"],
    vectors: Vectors,
    panels: Matrices,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """From what the feed-forward network was told, and the stream beside it, to what was read and the stream before."""
    attended, middle, d_attended = trail.attended[layer, rows], trail.middle[rows], d.attended[rows]
    for i in range(len(x)):
        if kind == RELATIVE:
            d_weight, d_bias = d_vectors.attention_norm_weight, d_vectors.attention_norm_bias
            add(d_asked[i], d_middle[i])
            clear(d_attended[i])
            normalise_backward(attended[i], vectors.attention_norm_weight, d_middle[i], d_attended[i], d_weight, d_bias)
        else:
            d_weight, d_bias = d_vectors.feedforward_norm_weight, d_vectors.feedforward_norm_bias
            normalise_backward(middle[i], vectors.feedforward_norm_weight, d_asked[i], d_middle[i], d_weight, d_bias)
            put(d_middle[i], d_attended[i])
    if kind == GATED:
        kept, d_told, d_bias = trail.attention_gate[layer, rows], d.attention_gate[rows], d_vectors.attention_gate_bias
        gate_backward(x, panels.attention_gate, kept, d_middle, d_x, d_attended, d_told, d_bias)
        rectify_backward(attended, d_attended)
    else:
        for i in range(len(x)):
            put(d_attended[i], d_x[i])
            add(d_attended[i], d_vectors.output_bias)
    multiply(d.read[rows], d_attended, panels.output, 0)


@compiled
def read_all_backward(
    heads: int,
    layer: int,
    rows: slice,
    positions: Float[Array, "R H"],
    vectors: Vectors,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """From what was read to scores and queries, in one row after the other."""
    length, window = trail.entries.shape[2], trail.weights.shape[2] // heads - 1
    steps, begin = length - window, rows.start
    while begin < rows.stop:
        row, step = begin // steps, begin % steps
        end, place = min(rows.stop, (row + 1) * steps), row * length + step
        attend_backward(
            heads,
            trail.queries[layer, begin:end],
            trail.keys_values[layer, place : place + window + end - begin],
            positions,
            (vectors.content_bias, vectors.position_bias),
            trail.weights[layer, begin:end],
            d.read[begin:end],
            d.scores[begin:end],
            d.queries[begin:end],
            d.positions[this_thread(), layer],
            (d_vectors.content_bias, d_vectors.position_bias),
        )
        begin = end


@compiled
def know_backward(
    kind: int,
    heads: int,
    layer: int,
    vectors: Vectors,
    panels: Matrices,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """From scores and what was read to entries, by way of keys, values and queries."""
    entries, (_, _, length, size), window = trail.entries, trail.entries.shape, trail.weights.shape[2] // heads - 1
    steps, told = length - window, np.empty((FEW, size), entries.dtype)
    top, stop = share(len(d.keys_values), this_thread(), all_threads())
    while top < stop:
        row = top // length
        bottom = min(top + FEW, stop, (row + 1) * length)
        entry, end = top - row * length, bottom - row * length
        begin, d_known = max(0, entry - window), told[: bottom - top]
        by = slice(row * steps + begin, row * steps + min(steps, end))
        known = trail.queries[layer, by], vectors.content_bias, trail.weights[layer, by], d.scores[by], d.read[by]
        read_backward(heads, entry - begin, *known, d.keys_values[top:bottom])
        multiply(d_known, d.keys_values[top:bottom], panels.keys_values, 0)
        asked = max(entry, window)
        if asked < end:
            own = slice(row * steps + asked - window, row * steps + end - window)
            multiply(d_known[asked - entry :], d.queries[own], panels.queries, 1)
        for i in range(bottom - top):
            x, d_x = entries[row, layer, entry + i], d.entries[row, layer, entry + i]
            if kind == RELATIVE:
                put(x, trail.known[top + i])
                add(d_known[i], d_x)
            else:
                normalise(x, vectors.attention_norm_weight, vectors.attention_norm_bias, trail.known[top + i])
                d_weight, d_bias = d_vectors.attention_norm_weight, d_vectors.attention_norm_bias
                normalise_backward(x, vectors.attention_norm_weight, d_known[i], d_x, d_weight, d_bias)
        top = bottom


@compiled
def rectify_backward(x: Float[Array, "N H"], d_x: Float[Array, "N H"]) -> None:
    """The gradient of `rectify`, of which x came."""
    zero = x.dtype.type(0)
    for i in range(len(x)):
        row, d_row = x[i], d_x[i]
        for h in range(len(row)):
            d_row[h] = d_row[h] if row[h] > 0 else zero


@compiled
def clear(x: Float[Array, " H"]) -> None:
    """All become zero."""
    for h in range(len(x)):
        x[h] = 0
