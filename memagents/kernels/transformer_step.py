"""A single step of a transformer's layers, by kernels: as `transformer.py`, for an agent that acts.

A thread takes some rows through all layers, and waits for nobody. Keys and values of a whole window are not made for
one step that reads them: q·(W x) = (Wᵀ q)·x, and Σ w (W x) = W (Σ w x).

Axes: L layers, B rows, C = W + 1 entries, as many ages, of W before the step and itself; N rows that are taken at a
time, H features, K heads.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

from memagents.kernels.attention import ask
from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.dots import dots
from memagents.kernels.gates import Gate, close_gate, let_in, open_gate, reset_stream
from memagents.kernels.norms import normalise
from memagents.kernels.parts import add, put, softmax
from memagents.kernels.products import multiply_once
from memagents.kernels.threads import all_threads, in_threads, share, this_thread
from memagents.kernels.tiles import ROWS
from memagents.kernels.transformer import rectify
from memagents.kernels.transformer_weights import GATED, RELATIVE, Given, Matrices, Vectors, keys_of_ages, weights_of

FEW: Final = ROWS
"""Rows that are taken at a time."""


@compiled_apart
def step(
    team: int,
    kind: int,
    heads: int,
    inner: int,
    given: Given,
    entries: Float[Array, "B L C H"],
    out: Float[Array, "B H"],
) -> None:
    """One step of all rows. Of the first layer all entries are given, of the others those from before the step."""
    if in_threads(team):
        return
    given, entries, out = borrowed(given), borrowed(entries), borrowed(out)
    (layers, length, size), now = entries.shape[1:], entries.shape[2] - 1
    known, x = np.empty((FEW, length, size), out.dtype), np.empty((FEW, size), out.dtype)
    read = np.empty((FEW, size), out.dtype)
    first, stop = share(len(out), this_thread(), all_threads())
    for layer in range(layers):
        (vectors, matrices), positions = weights_of(kind, layer, given, size, inner), keys_of_ages(layer, given)
        for top in range(first, stop, FEW):
            number = min(FEW, stop - top)
            for i in range(number):
                row = entries[top + i, layer]
                put(row[now], x[i])
                for c in range(max(0, now - given.times[top + i]), length):
                    if kind == RELATIVE:
                        put(row[c], known[i, c])
                    else:
                        normalise(row[c], vectors.attention_norm_weight, vectors.attention_norm_bias, known[i, c])
            times = given.times[top : top + number]
            read_known(heads, known[:number], times, positions, vectors, matrices, read[:number])
            join(kind, x[:number], read[:number], vectors, matrices)
            for i in range(number):
                put(x[i], entries[top + i, layer + 1, now] if layer + 1 < layers else out[top + i])


@compiled
def read_known(
    heads: int,
    known: Float[Array, "N C H"],
    times: Array,
    positions: Float[Array, "C H"],
    vectors: Vectors,
    matrices: Matrices,
    read: Float[Array, "N H"],
) -> None:
    """What each head reads."""
    number, length, size = known.shape
    features = size // heads
    queries, told = np.empty((number, size), read.dtype), np.empty((number, size), read.dtype)
    asked, scores = np.empty((number, features), read.dtype), np.empty((number, length), read.dtype)
    dots(queries, known[:, length - 1], matrices.queries, 0)
    for head in range(heads):
        left, right = head * features, (head + 1) * features
        if len(positions) > 0:
            ask(heads, queries, left, vectors.position_bias, 0, asked)
            dots(scores, asked, positions[:, left:right], 0)
        else:
            for i in range(number):
                row = scores[i]
                for c in range(length):
                    row[c] = 0
        ask(heads, queries, left, vectors.content_bias, 0, asked)
        multiply_once(told, asked, matrices.keys_values[left:right], 0)
        for i in range(number):
            first = max(0, length - 1 - times[i])
            of_row = scores[i : i + 1, first:]
            dots(of_row, told[i : i + 1], known[i, first:], 1)
            softmax(of_row[0], of_row[0])
            multiply_once(told[i : i + 1], of_row, known[i, first:], 0)
        dots(read[:, left:right], told, matrices.keys_values[size + left : size + right], 0)


@compiled
def join(kind: int, x: Float[Array, "N H"], read: Float[Array, "N H"], vectors: Vectors, matrices: Matrices) -> None:
    """From a layer's stream to the next one's, which is written over it."""
    (number, size), inner = x.shape, len(matrices.widen)
    branch, asked = np.empty((number, size), x.dtype), np.empty((number, size), x.dtype)
    between, kept = np.empty((number, inner), x.dtype), np.empty((number, 3 * size), x.dtype)
    dots(branch, read, matrices.output, 0)
    if kind == GATED:
        pass_gate(x, branch, matrices.attention_gate, vectors.attention_gate_bias, kept)
    else:
        for i in range(number):
            add(vectors.output_bias, branch[i])
            add(branch[i], x[i])
            if kind == RELATIVE:
                normalise(x[i], vectors.attention_norm_weight, vectors.attention_norm_bias, x[i])
    for i in range(number):
        if kind == RELATIVE:
            put(x[i], asked[i])
        else:
            normalise(x[i], vectors.feedforward_norm_weight, vectors.feedforward_norm_bias, asked[i])
        put(vectors.widen_bias, between[i])
        put(vectors.narrow_bias, branch[i])
    dots(between, asked, matrices.widen, 1)
    rectify(between)
    dots(branch, between, matrices.narrow, 1)
    if kind == GATED:
        pass_gate(x, branch, matrices.feedforward_gate, vectors.feedforward_gate_bias, kept)
    else:
        for i in range(number):
            add(branch[i], x[i])
            if kind == RELATIVE:
                normalise(x[i], vectors.feedforward_norm_weight, vectors.feedforward_norm_bias, x[i])


@compiled
def pass_gate(
    x: Float[Array, "N H"], y: Float[Array, "N H"], gate: Gate, bias: Float[Array, " H"], kept: Float[Array, "N 3H"]
) -> None:
    """A gate lets in what is above zero of a branch; what comes out is written over the stream."""
    size = x.shape[1]
    reset = np.empty_like(x)
    rectify(y)
    dots(kept, y, gate.branch, 0)
    dots(kept[:, : 2 * size], x, gate.stream, 1)
    open_gate(bias, kept)
    reset_stream(x, kept, reset)
    dots(kept[:, 2 * size :], reset, gate.reset, 1)
    close_gate(kept)
    let_in(x, kept, x)
