"""One step of the Memory-Augmented Neural Network after its controller, for one row, and its gradient.

The equations are in `memories/mann.py`. Axes: R heads that read and write, N slots, W features of a word, I features of
the interface vector: a key and a gate for each head; S numbers of the state. The settings are R, N, W and the decay of
the usage.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.parts import (
    Array,
    dot,
    put,
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


class Held(NamedTuple):
    """Memory, usage, the weights for reading and for writing, and the words read."""

    memory: Float[Array, "N W"]
    usage: Float[Array, " N"]
    reading: Float[Array, "R N"]
    writing: Float[Array, "R N"]
    reads: Float[Array, "R W"]


@compiled
def held(settings: Array, row: Float[Array, " S"]) -> Held:
    """The parts of a row."""
    heads, slots, size = int(settings[0]), int(settings[1]), int(settings[2])
    usage = slots * size
    reading = usage + slots
    writing = reading + heads * slots
    reads = writing + heads * slots
    return Held(
        row[:usage].reshape(slots, size),
        row[usage:reading],
        row[reading:writing].reshape(heads, slots),
        row[writing:reads].reshape(heads, slots),
        row[reads:].reshape(heads, size),
    )


def step(
    settings: Array, interface: Float[Array, " I"], row_before: Float[Array, " S"], row_after: Float[Array, " S"]
) -> None:
    """Writes what is held after a step. What was written to before does not matter."""
    before, after = held(settings, row_before), held(settings, row_after)
    (heads, slots), size = before.reading.shape, before.memory.shape[1]
    decay = interface.dtype.type(settings[3])
    told = interface.reshape(heads, size + 1)
    near, lengths = np.empty_like(before.usage), np.empty_like(before.usage)
    order = by_usage(before.usage)
    for n in range(slots):
        put(before.memory[n], after.memory[n])
    after.memory[order[0]] = 0
    for r in range(heads):
        gate, was, writing = sigmoid(told[r, size]), before.reading[r], after.writing[r]
        for n in range(slots):
            writing[n] = gate * was[n]
        for n in order[:heads]:
            writing[n] += 1 - gate
        for n in range(slots):
            weight, word, key = writing[n], after.memory[n], told[r]
            for w in range(size):
                word[w] += weight * key[w]
    for n in range(slots):
        after.usage[n] = decay * before.usage[n]
    squares(after.memory, lengths)
    for r in range(heads):
        reading, writing = after.reading[r], after.writing[r]
        similarity(told[r, :size], after.memory, lengths, near)
        softmax(near, reading)
        read(reading, after.memory, after.reads[r])
        for n in range(slots):
            after.usage[n] += reading[n] + writing[n]


def step_backward(
    settings: Array,
    interface: Float[Array, " I"],
    row_before: Float[Array, " S"],
    row_after: Float[Array, " S"],
    d_row: Float[Array, " S"],
    d_interface: Float[Array, " I"],
) -> None:
    """Writes the gradient of the interface vector; that of what is held goes from after the step to before it."""
    before, after, d = held(settings, row_before), held(settings, row_after), held(settings, d_row)
    (heads, slots), size = before.reading.shape, before.memory.shape[1]
    decay = interface.dtype.type(settings[3])
    told, d_told = interface.reshape(heads, size + 1), d_interface.reshape(heads, size + 1)
    near, d_near, lengths = np.empty_like(before.usage), np.empty_like(before.usage), np.empty_like(before.usage)
    order = by_usage(before.usage)
    squares(after.memory, lengths)
    for r in range(heads):
        key, reading, d_reading = told[r, :size], after.reading[r], d.reading[r]
        d_told[r] = 0
        for n in range(slots):
            d_reading[n] += d.usage[n]
        read_backward(reading, after.memory, d.reads[r], d_reading, d.memory)
        softmax_backward(reading, d_reading, d_near)
        similarity(key, after.memory, lengths, near)
        similarity_backward(key, after.memory, lengths, near, d_near, d_told[r, :size], d.memory)
    for r in range(heads):
        gate, d_gate = sigmoid(told[r, size]), near.dtype.type(0)
        was, writing, d_was, d_writing = before.reading[r], after.writing[r], d.reading[r], d.writing[r]
        key, d_key = told[r, :size], d_told[r, :size]
        for n in range(slots):
            weight, d_word = writing[n], d.memory[n]
            d_writing[n] += d.usage[n] + dot(d_word, key)
            for w in range(size):
                d_key[w] += weight * d_word[w]
        for n in range(slots):
            d_gate += d_writing[n] * was[n]
            d_was[n] = gate * d_writing[n]
        for n in order[:heads]:
            d_gate -= d_writing[n]
        d_writing[:] = 0
        d_told[r, size] = d_gate * gate * (1 - gate)
    for n in range(slots):
        d.usage[n] *= decay
    d.memory[order[0]] = 0
