"""What the kernels of several memories have in common, for one row of a batch and one head.

Axes: N slots, W features of a word.
"""

import math
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.exponentials import exp_

Array: TypeAlias = np.ndarray

Number: TypeAlias = Any
"""One of an array's numbers, of 32 or 64 bits."""

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
def sigmoid(x: Number) -> Number:
    """σ."""
    return 1 / (1 + math.exp(-x))


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
def squares(memory: Float[Array, "N W"], out: Float[Array, " N"]) -> None:
    """The squared length of each word."""
    for n in range(len(memory)):
        out[n] = square(memory[n])


@compiled
def similarity(
    key: Float[Array, " W"], memory: Float[Array, "N W"], lengths: Float[Array, " N"], out: Float[Array, " N"]
) -> None:
    """cos(k, M_i): `ops.addressing.cosine_similarity`. The lengths are squared."""
    key_square = square(key)
    for n in range(len(memory)):
        out[n] = dot(key, memory[n])
    for n in range(len(memory)):
        out[n] /= math.sqrt(key_square * lengths[n])


@compiled
def similarity_backward(
    key: Float[Array, " W"],
    memory: Float[Array, "N W"],
    lengths: Float[Array, " N"],
    out: Float[Array, " N"],
    d_out: Float[Array, " N"],
    d_key: Float[Array, " W"],
    d_memory: Float[Array, "N W"],
) -> None:
    """Adds to the gradients of key and words: ds/dk = (M_i / |M_i| - s k / |k|) / |k|, and the other way round."""
    key_square, along_key = square(key), key.dtype.type(0)
    for n in range(len(memory)):
        along_key += d_out[n] * out[n]
        across = d_out[n] / math.sqrt(key_square * lengths[n])
        along_word = d_out[n] * out[n] / lengths[n]
        word, d_word = memory[n], d_memory[n]
        for w in range(len(key)):
            d_key[w] += across * word[w]
            d_word[w] += across * key[w] - along_word * word[w]
    for w in range(len(key)):
        d_key[w] -= along_key / key_square * key[w]


@compiled
def read(weights: Float[Array, " N"], memory: Float[Array, "N W"], out: Float[Array, " W"]) -> None:
    """Σ_i w_i M_i."""
    out[:] = 0
    for n in range(len(memory)):
        weight, word = weights[n], memory[n]
        for w in range(len(out)):
            out[w] += weight * word[w]


@compiled
def read_backward(
    weights: Float[Array, " N"],
    memory: Float[Array, "N W"],
    d_out: Float[Array, " W"],
    d_weights: Float[Array, " N"],
    d_memory: Float[Array, "N W"],
) -> None:
    """Adds to the gradients of weights and words."""
    for n in range(len(memory)):
        d_weights[n] += dot(memory[n], d_out)
        weight, d_word = weights[n], d_memory[n]
        for w in range(len(d_out)):
            d_word[w] += weight * d_out[w]
