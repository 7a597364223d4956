"""What the kernels of several memories have in common, for one row of a batch.

A loop that sums does not write, and the other way round: of one that does both, machine code takes another way where
arrays lie close to each other, and sums then round otherwise from one call to the next.

Axes: R heads, N slots, W features of a word.
"""

import math

import numpy as np
from jaxtyping import Float

from memagents.kernels.borrowing import matrix
from memagents.kernels.compilation import Array, Number, compiled
from memagents.kernels.dots import dots
from memagents.kernels.exponentials import exp_
from memagents.kernels.paper import Paper, line, sheet
from memagents.kernels.products import multiply_once

ONE = np.float32(1)
"""Beside numbers of 32 bits it leaves them as they are, where Python's makes 64 of them, half as many at a time."""

SHORT = 1e-3
"""The length below which a word has hardly a direction: an empty slot is similar to nothing."""

SHORT_SQUARED = SHORT**2


@compiled
def put(x: Float[Array, " N"], out: Float[Array, " N"]) -> None:
    """Writes one vector over another. (For `out[:] = x` Numba compiles errors and their texts as well, for seconds.)"""
    for n in range(len(x)):
        out[n] = x[n]


@compiled
def add(x: Float[Array, " N"], out: Float[Array, " N"]) -> None:
    """Adds one vector to another."""
    for n in range(len(x)):
        out[n] += x[n]


@compiled
def one_row(x: Float[Array, " N"]) -> Float[Array, "1 N"]:
    """A vector as a matrix; it belongs to whom the vector does."""
    row: Array = matrix(x, 1, len(x))
    return row


@compiled
def sigmoid(x: Number) -> Number:
    """σ."""
    return ONE / (ONE + math.exp(-x))


@compiled
def softplus(x: Number) -> Number:
    """log(1 + e^x); its derivative is σ."""
    return x if x > 20 else math.log1p(math.exp(x))


@compiled
def softmax(x: Float[Array, " N"], out: Float[Array, " N"]) -> None:
    """Attention. It may be written over what it is made of."""
    highest, total = x[0], x.dtype.type(0)
    for n in range(1, len(x)):
        if x[n] > highest:
            highest = x[n]
    for n in range(len(x)):
        out[n] = x[n] - highest
    exp_(out)
    for n in range(len(x)):
        total += out[n]
    for n in range(len(x)):
        out[n] /= total


@compiled
def softmax_backward(out: Float[Array, " N"], d_out: Float[Array, " N"], d_x: Float[Array, " N"]) -> None:
    """From the gradient of the attention to that of what it was made of."""
    mean = d_out.dtype.type(0)
    for n in range(len(out)):
        mean += out[n] * d_out[n]
    for n in range(len(out)):
        d_x[n] = out[n] * (d_out[n] - mean)


@compiled
def square(x: Float[Array, " W"]) -> Number:
    """The squared length of a word."""
    total = x.dtype.type(SHORT_SQUARED)
    for w in range(len(x)):
        total += x[w] * x[w]
    return total


@compiled
def dot(x: Float[Array, " W"], y: Float[Array, " W"]) -> Number:
    """The product of two words."""
    total = x.dtype.type(0)
    for w in range(len(x)):
        total += x[w] * y[w]
    return total


@compiled
def shortness(paper: Paper, words: Float[Array, "N W"]) -> Float[Array, " N"]:
    """One by the length of each word."""
    out = line(paper, len(words))
    for n in range(len(words)):
        out[n] = square(words[n])
    for n in range(len(words)):
        out[n] = ONE / math.sqrt(out[n])
    return out


@compiled
def similarity(
    paper: Paper, keys: Float[Array, "R W"], memory: Float[Array, "N W"], short: Float[Array, " N"]
) -> Float[Array, "R N"]:
    """cos(k, M_i) for each key: `ops.addressing.cosine_similarity`."""
    short_keys, out = shortness(paper, keys), sheet(paper, len(keys), len(memory))
    dots(out, keys, memory, 0)
    for r in range(len(keys)):
        near, short_key = out[r], short_keys[r]
        for n in range(len(memory)):
            near[n] *= short_key * short[n]
    return out


@compiled
def similarity_backward(
    paper: Paper,
    keys: Float[Array, "R W"],
    memory: Float[Array, "N W"],
    short: Float[Array, " N"],
    out: Float[Array, "R N"],
    d_out: Float[Array, "R N"],
    d_keys: Float[Array, "R W"],
    d_memory: Float[Array, "N W"],
) -> None:
    """Writes the gradient of keys, ds/dk = (M_i / |M_i| - s k / |k|) / |k|, and adds that of words, which is alike."""
    short_keys, across = shortness(paper, keys), sheet(paper, len(keys), len(memory))
    along_word = line(paper, len(memory))
    along_word[:] = 0
    for r in range(len(keys)):
        near, d_near, short_key, to_other = out[r], d_out[r], short_keys[r], across[r]
        for n in range(len(memory)):
            to_other[n] = d_near[n] * short_key * short[n]
        for n in range(len(memory)):
            along_word[n] += d_near[n] * near[n]
        along_key = dot(near, d_near) * short_key * short_key
        for w in range(keys.shape[1]):
            d_keys[r, w] = -along_key * keys[r, w]
    for n in range(len(memory)):
        along, word, d_word = along_word[n] * short[n] * short[n], memory[n], d_memory[n]
        for w in range(len(word)):
            d_word[w] -= along * word[w]
    multiply_once(d_keys, across, memory, 1)
    multiply_once(d_memory, across.T, keys, 1)


@compiled
def keys_of(paper: Paper, told: Float[Array, "R P"], size: int) -> Float[Array, "R W"]:
    """The keys with which what heads are told begins, side by side: loops over what is cut out are slow."""
    keys = sheet(paper, len(told), size)
    for r in range(len(told)):
        for w in range(size):
            keys[r, w] = told[r, w]
    return keys


@compiled
def put_keys(keys: Float[Array, "R W"], told: Float[Array, "R P"]) -> None:
    """Undoes `keys_of`."""
    for r in range(len(told)):
        for w in range(keys.shape[1]):
            told[r, w] = keys[r, w]


@compiled
def read(weights: Float[Array, "R N"], memory: Float[Array, "N W"], out: Float[Array, "R W"]) -> None:
    """Σ_i w_i M_i, for each head."""
    multiply_once(out, weights, memory, 0)


@compiled
def read_backward(
    weights: Float[Array, "R N"],
    memory: Float[Array, "N W"],
    d_out: Float[Array, "R W"],
    d_weights: Float[Array, "R N"],
    d_memory: Float[Array, "N W"],
) -> None:
    """Adds to the gradients of weights and words."""
    dots(d_weights, d_out, memory, 1)
    multiply_once(d_memory, weights.T, d_out, 1)


@compiled
def erase_backward(
    paper: Paper,
    memory: Float[Array, "N W"],
    weights: Float[Array, "1 N"],
    gone: Float[Array, "1 W"],
    d_memory: Float[Array, "N W"],
    d_weights: Float[Array, "1 N"],
    d_gone: Float[Array, "1 W"],
) -> None:
    """Writes the gradient of what a head erases: M_i (1 - w_i e); that of the memory goes from after to before.

    Adds to that of the weights.
    """
    lost = sheet(paper, *memory.shape)
    for n in range(len(memory)):
        word, d_word, weight = memory[n], d_memory[n], weights[0, n]
        for w in range(len(word)):
            lost[n, w] = -d_word[w] * word[w]
        for w in range(len(word)):
            d_word[w] *= ONE - weight * gone[0, w]
    dots(d_weights, gone, lost, 1)
    multiply_once(d_gone, weights, lost, 0)
