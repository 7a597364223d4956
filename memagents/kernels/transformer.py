"""Layers of a transformer over sequences, by kernels: the steps of all rows, layer by layer, and back.

A thread takes some entries, whose keys and values it makes, and then some steps, with all that comes after attention; a
few at a time, so that what is made of them stays near the processor. Threads wait for each other between the two, for a
step reads what others have made.

Axes: L layers, B rows, T steps, W entries from before them, C = W + T, N = B T, M = B C, R = W + 1 ages, K heads, H
features, F features between the two products of a feed-forward network, V numbers of a layer's vectors, U of its
matrices.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from memagents.kernels.attention import attend, attend_backward, read_backward
from memagents.kernels.borrowing import borrowed, matrix_at
from memagents.kernels.compilation import Array, compiled
from memagents.kernels.dots import dots
from memagents.kernels.gates import GatePanels, gate, gate_backward
from memagents.kernels.norms import normalise, normalise_backward
from memagents.kernels.parts import add, put
from memagents.kernels.products import in_panels, multiply, multiply_once
from memagents.kernels.threads import all_threads, share, this_thread, wait
from memagents.kernels.tiles import ROWS

PLAIN, RELATIVE, GATED = range(3)
"""Sums of normalised branches; normalised sums; gates of normalised branches."""

FEW: Final = 2 * ROWS
"""Entries or steps that are taken at a time."""


class Given(NamedTuple):
    """Where each layer's parameters lie, in their order; ages as they are encoded, the oldest first, or none; and how
    long each step's episode has been running."""

    vectors: Int[Array, "L 11"]
    matrices: Int[Array, "L M"]
    position_keys: Int[Array, " L"]
    ages: Float[Array, "R H"]
    times: Int[Array, " N"]


class Trail(NamedTuple):
    """What is kept of every layer. `entries` are what it is told, `known` what it makes keys and values of; `attended`
    and `fed` are its branches, as they are joined with the stream (where sums are normalised, the sums), `middle` is
    the stream between, `asked` what the feed-forward network is told, and `inner` what is between its two products.
    """

    entries: Float[Array, "B L C H"]
    known: Float[Array, "L M H"]
    keys_values: Float[Array, "L M 2H"]
    queries: Float[Array, "L N H"]
    weights: Float[Array, "L N KR"]
    read: Float[Array, "L N H"]
    attended: Float[Array, "L N H"]
    attention_gate: Float[Array, "L N 4H"]
    middle: Float[Array, "L N H"]
    asked: Float[Array, "L N H"]
    inner: Float[Array, "L N F"]
    fed: Float[Array, "L N H"]
    feedforward_gate: Float[Array, "L N 4H"]
    out: Float[Array, "N H"]


class Gradients(NamedTuple):
    """Of what came of the layers, which is given; of what they were told (`entries`), and are; and those of one layer
    that its matrices' are made of. Of vectors and positions each thread has its own."""

    out: Float[Array, "N H"]
    entries: Float[Array, "B L C H"]
    vectors: Int[Array, "G L 11"]
    matrices: Int[Array, "L M"]
    positions: Float[Array, "G L R H"]
    keys_values: Float[Array, "M 2H"]
    queries: Float[Array, "N H"]
    scores: Float[Array, "N KR"]
    read: Float[Array, "N H"]
    attended: Float[Array, "N H"]
    attention_gate: Float[Array, "N 3H"]
    inner: Float[Array, "N F"]
    fed: Float[Array, "N H"]
    feedforward_gate: Float[Array, "N 3H"]


class Vectors(NamedTuple):
    """A layer's, of H numbers each, and the last of F: arrays here, tensors where kernels are called. Those that it has
    not are zero here, and None there."""

    attention_weight: Any
    attention_bias: Any
    content: Any
    position: Any
    output: Any
    attention_gate: Any
    feedforward_weight: Any
    feedforward_bias: Any
    narrow: Any
    feedforward_gate: Any
    widen: Any


class Gate(NamedTuple):
    """A gate's matrices, `[3H, H]`, `[2H, H]` and `[H, H]`."""

    branch: Any
    stream: Any
    reset: Any


class Matrices(NamedTuple):
    """A layer's: `[H, H]`, `[2H, H]`, `[H, H]`, `[F, H]`, `[H, F]`, and gates where branches are not summed up."""

    queries: Any
    keys_values: Any
    output: Any
    widen: Any
    narrow: Any
    attention_gate: Any
    feedforward_gate: Any


@compiled
def vectors_of(at: Int[Array, " 11"], size: int, inner: int, like: Array) -> Vectors:
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
def matrices_of(at: Int[Array, " M"], size: int, inner: int, like: Array) -> Matrices:
    """A layer's matrices, which lie there; gates without rows, where there are none."""
    return Matrices(
        matrix_at(at[0], size, size, like),
        matrix_at(at[1], 2 * size, size, like),
        matrix_at(at[2], size, size, like),
        matrix_at(at[3], inner, size, like),
        matrix_at(at[4], size, inner, like),
        gate_of(at[5:8], size, like),
        gate_of(at[8:], size, like),
    )


@compiled
def gate_of(at: Int[Array, " 3"], size: int, like: Array) -> Gate:
    """A gate's matrices."""
    if len(at) == 0:
        return Gate(matrix_at(0, 0, size, like), matrix_at(0, 0, size, like), matrix_at(0, 0, size, like))
    return Gate(
        matrix_at(at[0], 3 * size, size, like),
        matrix_at(at[1], 2 * size, size, like),
        matrix_at(at[2], size, size, like),
    )


@compiled
def keys_of_ages(layer: int, given: Given) -> Float[Array, "R H"]:
    """W_kR R of each age; none, where layers have no such keys."""
    ages = given.ages
    out = np.empty_like(ages)
    if len(ages) > 0:
        dots(out, ages, matrix_at(given.position_keys[layer], ages.shape[1], ages.shape[1], ages), 0)
    return out


@compiled
def advance(kind: int, heads: int, given: Given, trail: Trail, _: None) -> None:
    """All layers, of which the first's entries are given, and of the others those from before the steps."""
    given, trail = borrowed(given), borrowed(trail)
    size, inner = trail.known.shape[2], trail.inner.shape[2]
    for layer in range(len(trail.known)):
        vectors = vectors_of(given.vectors[layer], size, inner, trail.out)
        matrices = matrices_of(given.matrices[layer], size, inner, trail.out)
        know(kind, layer, vectors, in_panels(matrices.keys_values.T), trail)
        wait(all_threads())
        take_steps(kind, heads, layer, vectors, matrices, given, trail)
        wait(all_threads())


@compiled
def know(kind: int, layer: int, vectors: Vectors, panels: Array, trail: Trail) -> None:
    """Keys and values of all entries."""
    entries, known, keys_values = trail.entries, trail.known[layer], trail.keys_values[layer]
    first, stop = share(len(known), this_thread(), all_threads())
    length = entries.shape[2]
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        for m in range(rows.start, rows.stop):
            entry = entries[m // length, layer, m % length]
            if kind == RELATIVE:
                put(entry, known[m])
            else:
                normalise(entry, vectors.attention_weight, vectors.attention_bias, known[m])
        multiply(keys_values[rows], known[rows], panels, 0)


@compiled
def take_steps(
    kind: int, heads: int, layer: int, vectors: Vectors, matrices: Matrices, given: Given, trail: Trail
) -> None:
    """All that comes after keys and values."""
    entries, window = trail.entries, trail.weights.shape[2] // heads - 1
    known, keys_values, weights = trail.known[layer], trail.keys_values[layer], trail.weights[layer]
    layers, length, size = len(trail.known), entries.shape[2], entries.shape[3]
    steps = length - window
    to_queries, to_output = in_panels(matrices.queries.T), in_panels(matrices.output.T)
    to_inner, to_fed = in_panels(matrices.widen.T), in_panels(matrices.narrow.T)
    attention_gate, feedforward_gate = panels_of(matrices.attention_gate), panels_of(matrices.feedforward_gate)
    stream, asking = np.empty((FEW, size), known.dtype), np.empty((FEW, size), known.dtype)
    positions = keys_of_ages(layer, given)
    first, stop = share(len(trail.out), this_thread(), all_threads())
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        number = rows.stop - rows.start
        for i in range(number):
            row, step = (top + i) // steps, (top + i) % steps
            put(entries[row, layer, window + step], stream[i])
            put(known[row * length + window + step], asking[i])
        queries, read, attended = trail.queries[layer, rows], trail.read[layer, rows], trail.attended[layer, rows]
        middle, asked, inner = trail.middle[layer, rows], trail.asked[layer, rows], trail.inner[layer, rows]
        fed, x = trail.fed[layer, rows], stream[:number]
        multiply(queries, asking[:number], to_queries, 0)
        begin = top
        while begin < rows.stop:
            row, step = begin // steps, begin % steps
            end = min(rows.stop, (row + 1) * steps)
            place, own = row * length + step, slice(begin - top, end - top)
            attend(
                heads,
                queries[own],
                keys_values[place : place + window + end - begin],
                positions,
                (vectors.content, vectors.position),
                given.times[begin:end],
                weights[begin:end],
                read[own],
            )
            begin = end
        multiply(attended, read, to_output, 0)
        if kind == GATED:
            rectify(attended)
            gate(x, attended, attention_gate, vectors.attention_gate, trail.attention_gate[layer, rows], middle)
        else:
            for i in range(number):
                add(vectors.output, attended[i])
                add(x[i], attended[i])
        for i in range(number):
            if kind == PLAIN:
                put(attended[i], middle[i])
            if kind == RELATIVE:
                normalise(attended[i], vectors.attention_weight, vectors.attention_bias, middle[i])
                put(middle[i], asked[i])
            else:
                normalise(middle[i], vectors.feedforward_weight, vectors.feedforward_bias, asked[i])
        for i in range(number):
            put(vectors.widen, inner[i])
            put(vectors.narrow, fed[i])
        multiply(inner, asked, to_inner, 1)
        rectify(inner)
        multiply(fed, inner, to_fed, 1)
        after = asking[:number]
        if kind == GATED:
            rectify(fed)
            gate(middle, fed, feedforward_gate, vectors.feedforward_gate, trail.feedforward_gate[layer, rows], after)
        else:
            for i in range(number):
                add(middle[i], fed[i])
                if kind == PLAIN:
                    put(fed[i], after[i])
                else:
                    normalise(fed[i], vectors.feedforward_weight, vectors.feedforward_bias, after[i])
        for i in range(number):
            if layer + 1 == layers:
                put(after[i], trail.out[top + i])
            else:
                put(after[i], entries[(top + i) // steps, layer + 1, window + (top + i) % steps])


@compiled
def panels_of(gate: Gate) -> GatePanels:
    """A gate's weights, to multiply rows by them."""
    return GatePanels(in_panels(gate.branch.T), in_panels(gate.stream.T), in_panels(gate.reset.T))


@compiled
def rectify(x: Float[Array, "N H"]) -> None:
    """What is below zero becomes zero."""
    for i in range(len(x)):
        row = x[i]
        for h in range(len(row)):
            if row[h] < 0:
                row[h] = 0


@compiled
def rectify_backward(x: Float[Array, "N H"], d_x: Float[Array, "N H"]) -> None:
    """The gradient of `rectify`, of which x came."""
    zero = x.dtype.type(0)
    for i in range(len(x)):
        row, d_row = x[i], d_x[i]
        for h in range(len(row)):
            d_row[h] = d_row[h] if row[h] > 0 else zero


@compiled
def retreat(kind: int, heads: int, given: Given, trail: Trail, d: Gradients, _: None) -> None:
    """The gradient of `advance`. That of entries, in which what is told of them is, is added up on the way."""
    given, trail, d = borrowed(given), borrowed(trail), borrowed(d)
    size, inner = trail.known.shape[2], trail.inner.shape[2]
    for layer in range(len(trail.known) - 1, -1, -1):
        vectors = vectors_of(given.vectors[layer], size, inner, trail.out)
        matrices = matrices_of(given.matrices[layer], size, inner, trail.out)
        d_vectors = vectors_of(d.vectors[this_thread(), layer], size, inner, trail.out)
        d_matrices = matrices_of(d.matrices[layer], size, inner, trail.out)
        take_steps_backward(kind, heads, layer, vectors, matrices, given, trail, d, d_vectors)
        wait(all_threads())
        know_backward(kind, heads, layer, vectors, matrices, given, trail, d, d_vectors)
        weigh_backward(kind, heads, layer, trail, d, d_matrices)
        wait(all_threads())


@compiled
def take_steps_backward(
    kind: int,
    heads: int,
    layer: int,
    vectors: Vectors,
    matrices: Matrices,
    given: Given,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """From the gradient of what comes after a layer to that of its stream, of scores, and of what was read."""
    entries, window = trail.entries, trail.weights.shape[2] // heads - 1
    keys_values, weights = trail.keys_values[layer], trail.weights[layer]
    layers, length, size = len(trail.known), entries.shape[2], entries.shape[3]
    steps = length - window
    of_output, of_inner, of_fed = in_panels(matrices.output), in_panels(matrices.widen), in_panels(matrices.narrow)
    attention_gate, feedforward_gate = panels_back(matrices.attention_gate), panels_back(matrices.feedforward_gate)
    stream, after = np.empty((FEW, size), entries.dtype), np.empty((FEW, size), entries.dtype)
    between, before = np.empty((FEW, size), entries.dtype), np.empty((FEW, size), entries.dtype)
    positions = keys_of_ages(layer, given)
    first, stop = share(len(trail.out), this_thread(), all_threads())
    for top in range(first, stop, FEW):
        rows = slice(top, min(top + FEW, stop))
        number = rows.stop - rows.start
        for i in range(number):
            row, step = (top + i) // steps, window + (top + i) % steps
            put(entries[row, layer, step], stream[i])
            put(d.out[top + i] if layer + 1 == layers else d.entries[row, layer + 1, step], after[i])
        d_after, d_middle, d_stream, x = after[:number], between[:number], before[:number], stream[:number]
        middle, fed, inner, asked = (
            trail.middle[layer, rows],
            trail.fed[layer, rows],
            trail.inner[layer, rows],
            trail.asked[layer, rows],
        )
        d_fed, d_inner = d.fed[rows], d.inner[rows]
        if kind == GATED:
            kept, d_told = trail.feedforward_gate[layer, rows], d.feedforward_gate[rows]
            gate_backward(middle, feedforward_gate, kept, d_after, d_middle, d_fed, d_told, d_vectors.feedforward_gate)
            rectify_backward(fed, d_fed)
        else:
            for i in range(number):
                if kind == PLAIN:
                    put(d_after[i], d_fed[i])
                else:
                    clear(d_fed[i])
                    d_weight, d_bias = d_vectors.feedforward_weight, d_vectors.feedforward_bias
                    normalise_backward(fed[i], vectors.feedforward_weight, d_after[i], d_fed[i], d_weight, d_bias)
                put(d_fed[i], d_middle[i])
        multiply(d_inner, d_fed, of_fed, 0)
        rectify_backward(inner, d_inner)
        for i in range(number):
            add(d_fed[i], d_vectors.narrow)
            add(d_inner[i], d_vectors.widen)
        multiply(d_after, d_inner, of_inner, 0)  # that of what the feed-forward network was told
        attended, d_attended = trail.attended[layer, rows], d.attended[rows]
        for i in range(number):
            if kind == RELATIVE:
                add(d_after[i], d_middle[i])
                clear(d_attended[i])
                d_weight, d_bias = d_vectors.attention_weight, d_vectors.attention_bias
                normalise_backward(attended[i], vectors.attention_weight, d_middle[i], d_attended[i], d_weight, d_bias)
            else:
                d_weight, d_bias = d_vectors.feedforward_weight, d_vectors.feedforward_bias
                normalise_backward(middle[i], vectors.feedforward_weight, d_after[i], d_middle[i], d_weight, d_bias)
                put(d_middle[i], d_attended[i])
        if kind == GATED:
            kept, d_told = trail.attention_gate[layer, rows], d.attention_gate[rows]
            gate_backward(x, attention_gate, kept, d_middle, d_stream, d_attended, d_told, d_vectors.attention_gate)
            rectify_backward(attended, d_attended)
        else:
            for i in range(number):
                put(d_attended[i], d_stream[i])
                add(d_attended[i], d_vectors.output)
        d_read = d.read[rows]
        multiply(d_read, d_attended, of_output, 0)
        for i in range(number):
            add(d_stream[i], d.entries[(top + i) // steps, layer, window + (top + i) % steps])
        begin = top
        while begin < rows.stop:
            row, step = begin // steps, begin % steps
            end = min(rows.stop, (row + 1) * steps)
            place, own = row * length + step, slice(begin - top, end - top)
            attend_backward(
                heads,
                trail.queries[layer, begin:end],
                keys_values[place : place + window + end - begin],
                positions,
                (vectors.content, vectors.position),
                weights[begin:end],
                d_read[own],
                d.scores[begin:end],
                d.queries[begin:end],
                d.positions[this_thread(), layer],
                (d_vectors.content, d_vectors.position),
            )
            begin = end


@compiled
def clear(x: Float[Array, " H"]) -> None:
    """All become zero."""
    for h in range(len(x)):
        x[h] = 0


@compiled
def panels_back(gate: Gate) -> GatePanels:
    """A gate's weights, to multiply gradients by them."""
    return GatePanels(in_panels(gate.branch), in_panels(gate.stream), in_panels(gate.reset))


@compiled
def know_backward(
    kind: int,
    heads: int,
    layer: int,
    vectors: Vectors,
    matrices: Matrices,
    given: Given,
    trail: Trail,
    d: Gradients,
    d_vectors: Vectors,
) -> None:
    """From the gradients of scores and of what was read to those of entries, by way of keys, values and queries."""
    entries, window = trail.entries, trail.weights.shape[2] // heads - 1
    queries, weights = trail.queries[layer], trail.weights[layer]
    length, size = entries.shape[2], entries.shape[3]
    steps = length - window
    of_keys_values, of_queries = in_panels(matrices.keys_values), in_panels(matrices.queries)
    told = np.empty((FEW, size), entries.dtype)
    first, stop = share(len(d.keys_values), this_thread(), all_threads())
    top = first
    while top < stop:
        row = top // length
        bottom = min(top + FEW, stop, (row + 1) * length)
        entry, end = top - row * length, bottom - row * length
        begin, last = max(0, entry - window), min(steps, end)
        by = slice(row * steps + begin, row * steps + last)
        read_backward(
            heads,
            entry - begin,
            queries[by],
            vectors.content,
            weights[by],
            d.scores[by],
            d.read[by],
            d.keys_values[top:bottom],
        )
        d_known = told[: bottom - top]
        multiply(d_known, d.keys_values[top:bottom], of_keys_values, 0)
        asked = max(entry, window)
        if asked < end:
            own = slice(row * steps + asked - window, row * steps + end - window)
            multiply(d_known[asked - entry :], d.queries[own], of_queries, 1)
        for i in range(bottom - top):
            of_entry = d.entries[row, layer, entry + i]
            if kind == RELATIVE:
                add(d_known[i], of_entry)
            else:
                d_weight, d_bias = d_vectors.attention_weight, d_vectors.attention_bias
                x = entries[row, layer, entry + i]
                normalise_backward(x, vectors.attention_weight, d_known[i], of_entry, d_weight, d_bias)
        top = bottom


@compiled
def weigh_backward(kind: int, heads: int, layer: int, trail: Trail, d: Gradients, d_matrices: Matrices) -> None:
    """The gradient of a layer's matrices."""
    window, length, size = trail.weights.shape[2] // heads - 1, trail.entries.shape[2], trail.entries.shape[3]
    steps, known = length - window, trail.known[layer]
    over_rows(d_matrices.output, d.attended, trail.read[layer], 0)
    over_rows(d_matrices.widen, d.inner, trail.asked[layer], 0)
    over_rows(d_matrices.narrow, d.fed, trail.inner[layer], 0)
    for row in range(len(trail.entries)):
        of_row = slice(row * steps, (row + 1) * steps)
        over_rows(d_matrices.queries, d.queries[of_row], known[row * length + window : (row + 1) * length], min(row, 1))
    if kind == GATED:
        told, kept = d.attention_gate, trail.attention_gate[layer]
        over_rows(d_matrices.attention_gate.branch, told, trail.attended[layer], 0)
        over_rows(d_matrices.attention_gate.reset, told[:, 2 * size :], kept[:, 3 * size :], 0)
        for row in range(len(trail.entries)):
            of_row, stream = slice(row * steps, (row + 1) * steps), trail.entries[row, layer, window:]
            over_rows(d_matrices.attention_gate.stream, told[of_row, : 2 * size], stream, min(row, 1))
        told, kept = d.feedforward_gate, trail.feedforward_gate[layer]
        over_rows(d_matrices.feedforward_gate.branch, told, trail.fed[layer], 0)
        over_rows(d_matrices.feedforward_gate.reset, told[:, 2 * size :], kept[:, 3 * size :], 0)
        over_rows(d_matrices.feedforward_gate.stream, told[:, : 2 * size], trail.middle[layer], 0)
    wait(all_threads())
    over_rows(d_matrices.keys_values, d.keys_values, known, 0)


@compiled
def over_rows(out: Float[Array, "O I"], d_told: Float[Array, "N O"], x: Float[Array, "N I"], kept: int) -> None:
    """d_told^T x, of which a thread makes some rows."""
    first, stop = share((len(out) + ROWS - 1) // ROWS, this_thread(), all_threads())
    rows = slice(first * ROWS, min(stop * ROWS, len(out)))
    if rows.start < rows.stop:
        multiply_once(out[rows], d_told[:, rows].T, x, kept)
