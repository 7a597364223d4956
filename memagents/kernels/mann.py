"""One step of the Memory-Augmented Neural Network after its controller, and its gradient.

The equations are in `memories/mann.py`. Axes: B batch, R heads that read and write, N slots, W features of a word,
I features of the interface vector: a key and a gate for each head.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.parts import (
    Array,
    dot,
    read,
    read_backward,
    sigmoid,
    similarity,
    similarity_backward,
    softmax,
    softmax_backward,
    squares,
)
from memagents.kernels.usage import by_usage

State: TypeAlias = tuple[
    Float[Array, "B N W"], Float[Array, "B N"], Float[Array, "B R N"], Float[Array, "B R N"], Float[Array, "B R W"]
]
"""Memory, usage, the weights for reading and for writing, and the words read."""


@compiled
def forward(
    decay: float,
    interface: Float[Array, "B I"],
    memory: Float[Array, "B N W"],
    usage: Float[Array, "B N"],
    read_weights: Float[Array, "B R N"],
    write_weights: Float[Array, "B R N"],
) -> State:
    """What is held after a step. What was written to before does not matter."""
    (rows, heads, slots), size = read_weights.shape, memory.shape[2]
    after, used = memory.copy(), np.empty_like(usage)
    reading, writing = np.empty_like(read_weights), np.empty_like(write_weights)
    reads, near = np.empty((rows, heads, size), memory.dtype), np.empty_like(usage[0])
    lengths = np.empty_like(near)
    for b in range(rows):
        told = interface[b].copy().reshape(heads, size + 1)
        order = by_usage(usage[b])
        after[b, order[0]] = 0
        for r in range(heads):
            gate = sigmoid(told[r, size])
            for n in range(slots):
                writing[b, r, n] = gate * read_weights[b, r, n]
            for n in order[:heads]:
                writing[b, r, n] += 1 - gate
            for n in range(slots):
                weight, word, key = writing[b, r, n], after[b, n], told[r]
                for w in range(size):
                    word[w] += weight * key[w]
        for n in range(slots):
            used[b, n] = decay * usage[b, n]
        squares(after[b], lengths)
        for r in range(heads):
            similarity(told[r, :size], after[b], lengths, near)
            softmax(near, reading[b, r])
            read(reading[b, r], after[b], reads[b, r])
            for n in range(slots):
                used[b, n] += reading[b, r, n] + writing[b, r, n]
    return after, used, reading, writing, reads


@compiled
def backward(
    decay: float,
    interface: Float[Array, "B I"],
    memory: Float[Array, "B N W"],
    usage: Float[Array, "B N"],
    read_weights: Float[Array, "B R N"],
    write_weights: Float[Array, "B R N"],
    after: State,
    d_after: State,
) -> tuple[
    Float[Array, "B I"], Float[Array, "B N W"], Float[Array, "B N"], Float[Array, "B R N"], Float[Array, "B R N"]
]:
    """The gradients of the interface vector, and of what was held before the step."""
    (rows, heads, slots), size = read_weights.shape, memory.shape[2]
    d_interface = np.zeros_like(interface)
    d_memory, d_usage = d_after[0].copy(), np.empty_like(usage)
    d_reading, d_writing = np.empty_like(read_weights), np.zeros_like(write_weights)
    near, d_near, lengths = np.empty_like(usage[0]), np.empty_like(usage[0]), np.empty_like(usage[0])
    for b in range(rows):
        told, d_told = interface[b].copy().reshape(heads, size + 1), d_interface[b].reshape(heads, size + 1)
        order = by_usage(usage[b])
        for n in range(slots):
            d_usage[b, n] = decay * d_after[1][b, n]
        squares(after[0][b], lengths)
        for r in range(heads):
            key, weights, d_weights = told[r, :size], after[2][b, r], d_after[2][b, r] + d_after[1][b]
            read_backward(weights, after[0][b], d_after[4][b, r], d_weights, d_memory[b])
            softmax_backward(weights, d_weights, d_near)
            similarity(key, after[0][b], lengths, near)
            similarity_backward(key, after[0][b], lengths, near, d_near, d_told[r, :size], d_memory[b])
        for r in range(heads):
            gate, d_gate = sigmoid(told[r, size]), memory.dtype.type(0)
            d_weights = d_after[3][b, r] + d_after[1][b]
            for n in range(slots):
                d_weights[n] += dot(d_memory[b, n], told[r, :size])
                d_gate += d_weights[n] * read_weights[b, r, n]
                d_reading[b, r, n] = gate * d_weights[n]
                weight, d_word, d_key = after[3][b, r, n], d_memory[b, n], d_told[r]
                for w in range(size):
                    d_key[w] += weight * d_word[w]
            for n in order[:heads]:
                d_gate -= d_weights[n]
            d_told[r, size] = d_gate * gate * (1 - gate)
        d_memory[b, order[0]] = 0
    return d_interface, d_memory, d_usage, d_reading, d_writing
