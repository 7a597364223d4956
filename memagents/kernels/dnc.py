"""One step of the Differentiable Neural Computer after its controller, for one row, and its gradient.

The equations are in `memories/dnc.py`; the repairs of its options are not here. Axes: R heads that read, N slots, W
features of a word, L slots that are linked (N, or none), I features of the interface vector: for each head that reads
key, strength, free gate and, with links, modes; then for the one that writes key, strength, what is erased, what is
written, allocation gate and write gate; S numbers of the state. The settings are R, N, W and L.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.links import follow, follow_backward, link, link_backward
from memagents.kernels.parts import (
    Array,
    Number,
    dot,
    put,
    read,
    read_backward,
    sigmoid,
    similarity,
    similarity_backward,
    softmax,
    softmax_backward,
    softplus,
    squares,
)
from memagents.kernels.usage import allocation, allocation_backward, by_usage, retention, retention_backward


class Held(NamedTuple):
    """Memory, usage, links, precedence, write weights, read weights, and the words read."""

    memory: Float[Array, "N W"]
    usage: Float[Array, " N"]
    links: Float[Array, "L L"]
    precedence: Float[Array, " L"]
    writing: Float[Array, " N"]
    reading: Float[Array, "R N"]
    reads: Float[Array, "R W"]


class Write(NamedTuple):
    """What the head that writes was told, and where that led it."""

    erase: Array
    vector: Array
    allocation_gate: Number
    write_gate: Number
    lengths: Array
    similarity: Array
    content: Array
    order: Array
    allocation: Array


@compiled
def look_up(
    key: Array,
    strength: Number,
    memory: Float[Array, "N W"],
    lengths: Float[Array, " N"],
    near: Float[Array, " N"],
    content: Float[Array, " N"],
) -> None:
    """Attention to words that resemble a key."""
    similarity(key, memory, lengths, near)
    bounded = 1 + softplus(strength)
    for n in range(len(near)):
        content[n] = bounded * near[n]
    softmax(content, content)


@compiled
def look_up_backward(
    key: Array,
    strength: Number,
    memory: Float[Array, "N W"],
    lengths: Float[Array, " N"],
    near: Float[Array, " N"],
    content: Float[Array, " N"],
    d_content: Float[Array, " N"],
    d_told: Array,
    d_memory: Float[Array, "N W"],
) -> None:
    """Writes the gradients of a key and of the strength that stands after it, and adds to that of the memory."""
    size, d_strength, d_logits, bounded = len(key), near.dtype.type(0), np.empty_like(near), 1 + softplus(strength)
    softmax_backward(content, d_content, d_logits)
    for n in range(len(near)):
        d_strength += d_logits[n] * near[n]
        d_logits[n] *= bounded
    d_told[: size + 1] = 0
    similarity_backward(key, memory, lengths, near, d_logits, d_told[:size], d_memory)
    d_told[size] = d_strength * sigmoid(strength)


@compiled
def aim(told: Array, memory: Float[Array, "N W"], usage: Float[Array, " N"]) -> Write:
    """Where the head that writes looks up its key, and which slots are free."""
    size = memory.shape[1]
    near, content, lengths = np.empty_like(usage), np.empty_like(usage), np.empty_like(usage)
    squares(memory, lengths)
    look_up(told[:size], told[size], memory, lengths, near, content)
    erase = np.empty_like(told[:size])
    for w in range(size):
        erase[w] = sigmoid(told[size + 1 + w])
    order, free = by_usage(usage), np.empty_like(usage)
    allocation(usage, order, free)
    vector = told[2 * size + 1 : 3 * size + 1]
    gates = sigmoid(told[3 * size + 1]), sigmoid(told[3 * size + 2])
    return Write(erase, vector, gates[0], gates[1], lengths, near, content, order, free)


@compiled
def held(settings: Array, row: Float[Array, " S"]) -> Held:
    """The parts of a row."""
    heads, slots, size, linked = int(settings[0]), int(settings[1]), int(settings[2]), int(settings[3])
    usage = slots * size
    links = usage + slots
    precedence = links + linked * linked
    writing = precedence + linked
    reading = writing + slots
    reads = reading + heads * slots
    return Held(
        row[:usage].reshape(slots, size),
        row[usage:links],
        row[links:precedence].reshape(linked, linked),
        row[precedence:writing],
        row[writing:reading],
        row[reading:reads].reshape(heads, slots),
        row[reads:].reshape(heads, size),
    )


def step(
    settings: Array, interface: Float[Array, " I"], row_before: Float[Array, " S"], row_after: Float[Array, " S"]
) -> None:
    """Writes what is held after a step."""
    before, after = held(settings, row_before), held(settings, row_after)
    (heads, slots), size, linked = before.reading.shape, before.memory.shape[1], len(before.links) > 0
    about = size + 2 + 3 * linked
    told, said = interface[: heads * about].reshape(heads, about), interface[heads * about :]
    near, lengths, modes = np.empty_like(before.usage), np.empty_like(before.usage), np.empty((heads, 3), told.dtype)
    kept = retention(told, size, before.reading)
    for n in range(slots):
        after.usage[n] = (before.usage[n] + before.writing[n] * (1 - before.usage[n])) * kept[n]
    write = aim(said, before.memory, after.usage)
    for n in range(slots):
        aimed = write.content[n] + write.allocation_gate * (write.allocation[n] - write.content[n])
        weight = write.write_gate * aimed
        after.writing[n] = weight
        was, word = before.memory[n], after.memory[n]
        for w in range(size):
            word[w] = was[w] + weight * (write.vector[w] - write.erase[w] * was[w])
    if linked:
        link(before.links, before.precedence, after.writing, after.links, after.precedence)
    squares(after.memory, lengths)
    for r in range(heads):
        reading = after.reading[r]
        look_up(told[r, :size], told[r, size], after.memory, lengths, near, reading)
        if linked:
            softmax(told[r, size + 2 :], modes[r])
            for n in range(slots):
                reading[n] *= modes[r, 1]
    follow(after.links, before.reading, modes, after.reading)
    for r in range(heads):
        read(after.reading[r], after.memory, after.reads[r])


@compiled
def write_backward(
    write: Write,
    told: Array,
    memory: Float[Array, "N W"],
    weights: Float[Array, " N"],
    used: Float[Array, " N"],
    d_weights: Float[Array, " N"],
    d_told: Array,
    d_memory: Float[Array, "N W"],
    d_used: Float[Array, " N"],
) -> None:
    """Writes the gradient of what the head that writes was told; that of the memory goes from after to before.

    Adds to that of the usage.
    """
    slots, size = memory.shape
    d_told[:] = 0
    d_erase, d_vector = d_told[size + 1 : 2 * size + 1], d_told[2 * size + 1 : 3 * size + 1]
    for n in range(slots):
        weight, d_weight, word, d_word = weights[n], memory.dtype.type(0), memory[n], d_memory[n]
        for w in range(size):
            d_weight += d_word[w] * (write.vector[w] - write.erase[w] * word[w])
            d_vector[w] += d_word[w] * weight
            d_erase[w] -= d_word[w] * weight * word[w]
            d_word[w] *= 1 - weight * write.erase[w]
        d_weights[n] += d_weight
    for w in range(size):
        d_erase[w] *= write.erase[w] * (1 - write.erase[w])
    d_content, d_allocation = np.empty_like(weights), np.empty_like(weights)
    d_allocation_gate = d_write_gate = memory.dtype.type(0)
    for n in range(slots):
        further = write.allocation[n] - write.content[n]
        d_write_gate += d_weights[n] * (write.content[n] + write.allocation_gate * further)
        d_aimed = d_weights[n] * write.write_gate
        d_allocation_gate += d_aimed * further
        d_content[n], d_allocation[n] = d_aimed * (1 - write.allocation_gate), d_aimed * write.allocation_gate
    d_told[3 * size + 1] = d_allocation_gate * write.allocation_gate * (1 - write.allocation_gate)
    d_told[3 * size + 2] = d_write_gate * write.write_gate * (1 - write.write_gate)
    near = write.lengths, write.similarity, write.content
    look_up_backward(told[:size], told[size], memory, *near, d_content, d_told, d_memory)
    allocation_backward(used, write.order, d_allocation, d_used)


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
    (heads, slots), size, linked = before.reading.shape, before.memory.shape[1], len(before.links) > 0
    about = size + 2 + 3 * linked
    told, said = interface[: heads * about].reshape(heads, about), interface[heads * about :]
    d_told, d_said = d_interface[: heads * about].reshape(heads, about), d_interface[heads * about :]
    near, content, lengths = np.empty_like(before.usage), np.empty_like(before.usage), np.empty_like(before.usage)
    modes, d_modes = np.empty((heads, 3), near.dtype), np.empty((heads, 3), near.dtype)
    d_reading = np.empty_like(before.reading)
    squares(after.memory, lengths)
    for r in range(heads):
        put(d.reading[r], d_reading[r])
        d.reading[r] = 0
        read_backward(after.reading[r], after.memory, d.reads[r], d_reading[r], d.memory)
        if linked:
            softmax(told[r, size + 2 :], modes[r])
    follow_backward(after.links, before.reading, modes, d_reading, d.links, d.reading, d_modes)
    for r in range(heads):
        key, strength, d_weights = told[r, :size], told[r, size], d_reading[r]
        look_up(key, strength, after.memory, lengths, near, content)
        if linked:
            d_modes[r, 1] = dot(d_weights, content)
            softmax_backward(modes[r], d_modes[r], d_told[r, size + 2 :])
            for n in range(slots):
                d_weights[n] *= modes[r, 1]
        look_up_backward(key, strength, after.memory, lengths, near, content, d_weights, d_told[r], d.memory)
    if linked:
        link_backward(before.links, before.precedence, after.writing, d.links, d.precedence, d.writing)
    write = aim(said, before.memory, after.usage)
    write_backward(write, said, before.memory, after.writing, after.usage, d.writing, d_said, d.memory, d.usage)
    kept, d_kept = retention(told, size, before.reading), np.empty_like(near)
    for n in range(slots):
        d_used = d.usage[n]
        d_kept[n] = d_used * (before.usage[n] + before.writing[n] * (1 - before.usage[n]))
        d.usage[n] = d_used * kept[n] * (1 - before.writing[n])
        d.writing[n] = d_used * kept[n] * (1 - before.usage[n])
    retention_backward(told, size, before.reading, d_kept, d_told, d.reading)
