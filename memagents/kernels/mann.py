"""One step of the Memory-Augmented Neural Network after its controller, for one row, and its gradient.

The equations are in `memories/mann.py`. Axes: R heads that read and write, N slots, W features of a word, I features of
the interface vector: a key and a gate for each head; S numbers of the state. The settings are R, N, W and the decay of
the usage.
"""

from typing import NamedTuple

from jaxtyping import Float, Int

from memagents.kernels.borrowing import borrowed, matrix
from memagents.kernels.compilation import Array, compiled
from memagents.kernels.dots import dots
from memagents.kernels.paper import blank, sheet
from memagents.kernels.parts import (
    ONE,
    dot,
    keys_of,
    put,
    put_keys,
    read,
    read_backward,
    shortness,
    sigmoid,
    similarity,
    similarity_backward,
    softmax,
    softmax_backward,
)
from memagents.kernels.products import multiply_once
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
    row = borrowed(row)
    heads, slots, size = int(settings[0]), int(settings[1]), int(settings[2])
    usage = slots * size
    reading = usage + slots
    writing = reading + heads * slots
    reads = writing + heads * slots
    return Held(
        matrix(row[:usage], slots, size),
        row[usage:reading],
        matrix(row[reading:writing], heads, slots),
        matrix(row[writing:reads], heads, slots),
        matrix(row[reads:], heads, size),
    )


def step(
    settings: Array,
    taken: Int[Array, " 1"],
    numbers: Float[Array, " P"],
    interface: Float[Array, " I"],
    row_before: Float[Array, " S"],
    row_after: Float[Array, " S"],
) -> None:
    """Writes what is held after a step. What was written to before does not matter."""
    paper, interface = blank(taken, numbers), borrowed(interface)
    before, after = held(settings, row_before), held(settings, row_after)
    (heads, slots), size = before.reading.shape, before.memory.shape[1]
    decay = interface.dtype.type(settings[3])
    told = matrix(interface, heads, size + 1)
    keys, order = keys_of(paper, told, size), by_usage(paper, before.usage)
    for n in range(slots):
        put(before.memory[n], after.memory[n])
    after.memory[order[0]] = 0
    for r in range(heads):
        gate, was, writing = sigmoid(told[r, size]), before.reading[r], after.writing[r]
        for n in range(slots):
            writing[n] = gate * was[n]
        for n in order[:heads]:
            writing[n] += ONE - gate
    multiply_once(after.memory, after.writing.T, keys, 1)
    for n in range(slots):
        after.usage[n] = decay * before.usage[n]
    near = similarity(paper, keys, after.memory, shortness(paper, after.memory))
    for r in range(heads):
        reading, writing = after.reading[r], after.writing[r]
        softmax(near[r], reading)
        for n in range(slots):
            after.usage[n] += reading[n] + writing[n]
    read(after.reading, after.memory, after.reads)


def step_backward(
    settings: Array,
    taken: Int[Array, " 1"],
    numbers: Float[Array, " P"],
    interface: Float[Array, " I"],
    row_before: Float[Array, " S"],
    row_after: Float[Array, " S"],
    d_row: Float[Array, " S"],
    d_interface: Float[Array, " I"],
) -> None:
    """Writes the gradient of the interface vector; that of what is held goes from after the step to before it."""
    paper, interface, d_interface = blank(taken, numbers), borrowed(interface), borrowed(d_interface)
    before, after, d = held(settings, row_before), held(settings, row_after), held(settings, d_row)
    (heads, slots), size = before.reading.shape, before.memory.shape[1]
    decay = interface.dtype.type(settings[3])
    told, d_told = matrix(interface, heads, size + 1), matrix(d_interface, heads, size + 1)
    keys, order, short = keys_of(paper, told, size), by_usage(paper, before.usage), shortness(paper, after.memory)
    near = similarity(paper, keys, after.memory, short)
    d_keys, d_near = sheet(paper, *keys.shape), sheet(paper, *near.shape)
    for r in range(heads):
        for n in range(slots):
            d.reading[r, n] += d.usage[n]
            d.writing[r, n] += d.usage[n]
    read_backward(after.reading, after.memory, d.reads, d.reading, d.memory)
    for r in range(heads):
        softmax_backward(after.reading[r], d.reading[r], d_near[r])
    similarity_backward(paper, keys, after.memory, short, near, d_near, d_keys, d.memory)
    dots(d.writing, keys, d.memory, 1)
    multiply_once(d_keys, after.writing, d.memory, 1)
    put_keys(d_keys, d_told)
    for r in range(heads):
        gate, was, d_was, d_writing = sigmoid(told[r, size]), before.reading[r], d.reading[r], d.writing[r]
        d_gate = dot(d_writing, was)
        for n in range(slots):
            d_was[n] = gate * d_writing[n]
        for n in order[:heads]:
            d_gate -= d_writing[n]
        d_writing[:] = 0
        d_told[r, size] = d_gate * gate * (ONE - gate)
    for n in range(slots):
        d.usage[n] *= decay
    d.memory[order[0]] = 0
