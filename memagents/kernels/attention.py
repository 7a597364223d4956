"""Attention of some steps of one sequence, one after the other, over a window of the past, and its gradient.

The equations are in `memories/transformer.py` and `transformer_xl.py`. What a step reads is kept by age, the oldest
first: step i reads entries i to i + W of those that all of them read together.

Axes: Q steps, C = Q + W entries that they read, R = W + 1 that each reads, H features, E of a head, of which there are
H / E. Keys stand left of the values, `[C, 2H]`; of scores and weights, R of the first head, then of the next.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from memagents.kernels.compilation import Array, compiled
from memagents.kernels.dots import dots
from memagents.kernels.parts import add, put, softmax, softmax_backward
from memagents.kernels.products import multiply_columns, multiply_once
from memagents.kernels.tiles import REGISTER


@compiled
def attend(
    heads: int,
    queries: Float[Array, "Q H"],
    keys_values: Float[Array, "C 2H"],
    positions: Float[Array, "R H"],
    biases: tuple[Float[Array, " H"], Float[Array, " H"]],
    times: Int[Array, " Q"],
    weights: Float[Array, "Q KR"],
    read: Float[Array, "Q H"],
) -> None:
    """Writes the weights, and what is read with them. Without positions content alone counts."""
    (steps, size), window = queries.shape, len(keys_values) - len(queries)
    features, reach, whole = size // heads, window + 1, in_registers(size // heads, size, read)
    asked, scores = np.empty((steps, whole), read.dtype), np.empty((steps, steps + window), read.dtype)
    by_age = np.empty((steps, reach), read.dtype)
    for head in range(heads):
        left, right = head * features, (head + 1) * features
        begin = min(left, size - whole)
        ask(heads, queries, left, biases[0], left - begin, asked)
        dots(scores, asked, keys_values[:, begin : begin + whole], 0)
        if len(positions) > 0:
            ask(heads, queries, left, biases[1], left - begin, asked)
            dots(by_age, asked, positions[:, begin : begin + whole], 0)
            for i in range(steps):
                add(by_age[i], scores[i, i : i + reach])
        for i in range(steps):
            unread = window - min(times[i], window)
            row, kept = scores[i], weights[i, head * reach : (head + 1) * reach]
            for r in range(unread):
                kept[r] = 0
            softmax(row[i + unread : i + reach], kept[unread:])
            spread(kept, i, row)
        multiply_columns(read[:, left:right], scores, keys_values, size + left, 0)


@compiled
def attend_backward(
    heads: int,
    queries: Float[Array, "Q H"],
    keys_values: Float[Array, "C 2H"],
    positions: Float[Array, "R H"],
    biases: tuple[Float[Array, " H"], Float[Array, " H"]],
    weights: Float[Array, "Q KR"],
    d_read: Float[Array, "Q H"],
    d_scores: Float[Array, "Q KR"],
    d_queries: Float[Array, "Q H"],
    d_positions: Float[Array, "R H"],
    d_biases: tuple[Float[Array, " H"], Float[Array, " H"]],
) -> None:
    """Writes the gradients of scores and queries, and adds to those of positions and biases. See `read_backward`."""
    (steps, size), window = queries.shape, len(keys_values) - len(queries)
    features, reach, scale = size // heads, window + 1, queries.dtype.type(1 / math.sqrt(size // heads))
    whole = in_registers(features, size, d_read)
    d_of_head = np.empty((steps, whole), d_read.dtype)
    asked, by_entry = np.empty((steps, features), d_read.dtype), np.empty((steps, steps + window), d_read.dtype)
    for head in range(heads):
        left, right, ages = head * features, (head + 1) * features, slice(head * reach, (head + 1) * reach)
        begin = min(left, size - whole)
        take_head(d_read, left, right, left - begin, d_of_head)
        dots(by_entry, d_of_head, keys_values[:, size + begin : size + begin + whole], 0)
        for i in range(steps):
            row = by_entry[i]
            softmax_backward(weights[i, ages], row[i : i + reach], d_scores[i, ages])
            spread(d_scores[i, ages], i, row)
        multiply_columns(d_queries[:, left:right], by_entry, keys_values, left, 0)
        for i in range(steps):
            of_head = d_queries[i, left:right]
            for e in range(features):
                of_head[e] *= scale
            add(of_head, d_biases[0][left:right])
        if len(positions) > 0:
            multiply_columns(asked, d_scores[:, ages], positions, left, 0)
            for i in range(steps):
                row = asked[i]
                for e in range(features):
                    row[e] *= scale
                add(row, d_biases[1][left:right])
                add(row, d_queries[i, left:right])
            ask(heads, queries, left, biases[1], 0, asked)
            multiply_once(d_positions[:, left:right], d_scores[:, ages].T, asked, 1)


@compiled
def read_backward(
    heads: int,
    first: int,
    queries: Float[Array, "Q H"],
    bias: Float[Array, " H"],
    weights: Float[Array, "Q KR"],
    d_scores: Float[Array, "Q KR"],
    d_read: Float[Array, "Q H"],
    d_keys_values: Float[Array, "G 2H"],
) -> None:
    """Writes the gradient of G entries' keys and values, from all steps that read them.

    Of the first step, the first of these entries is number `first` of those that it reads; below zero, it cannot.
    """
    (steps, size), entries, reach = queries.shape, len(d_keys_values), weights.shape[1] // heads
    features = size // heads
    asked, by_entry = np.empty((steps, features), d_read.dtype), np.empty((steps, entries), d_read.dtype)
    for head in range(heads):
        left, right, ages = head * features, (head + 1) * features, slice(head * reach, (head + 1) * reach)
        for i in range(steps):
            spread(weights[i, ages], i - first, by_entry[i])
        multiply_columns(d_keys_values[:, size + left : size + right], by_entry.T, d_read, left, 0)
        ask(heads, queries, left, bias, 0, asked)
        for i in range(steps):
            spread(d_scores[i, ages], i - first, by_entry[i])
        multiply_once(d_keys_values[:, left:right], by_entry.T, asked, 0)


@compiled
def in_registers(features: int, size: int, like: Array) -> int:
    """A head's features, and as many more of the heads beside it that a register is full, if there are so many: a dot
    product of whole registers is faster, and zeros keep the others out."""
    lanes = REGISTER // like.itemsize
    return min((features + lanes - 1) // lanes * lanes, size)


@compiled
def ask(
    heads: int, queries: Float[Array, "Q H"], left: int, bias: Float[Array, " H"], place: int, out: Float[Array, "Q W"]
) -> None:
    """(q + bias) / √E of the head whose features begin there, from a place on; zeros elsewhere."""
    features = queries.shape[1] // heads
    scale, of_head = out.dtype.type(1 / math.sqrt(features)), bias[left : left + features]
    take_head(queries, left, left + features, place, out)
    for i in range(len(out)):
        at = out[i, place : place + features]
        for e in range(features):
            at[e] = (at[e] + of_head[e]) * scale


@compiled
def take_head(x: Float[Array, "Q H"], left: int, right: int, place: int, out: Float[Array, "Q W"]) -> None:
    """What one head has, from a place on; zeros elsewhere."""
    for i in range(len(x)):
        row = out[i]
        for e in range(len(row)):
            row[e] = 0
        put(x[i, left:right], row[place : place + right - left])


@compiled
def spread(by_age: Float[Array, " R"], place: int, out: Float[Array, " C"]) -> None:
    """What a step has for each age, from this place on, as far as there are places; zeros elsewhere."""
    for c in range(len(out)):
        out[c] = 0
    first, stop = max(place, 0), min(place + len(by_age), len(out))
    if first < stop:
        put(by_age[first - place : stop - place], out[first:stop])
