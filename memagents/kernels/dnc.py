"""One step of the Differentiable Neural Computer after its controller, and its gradient.

The equations are in `memories/dnc.py`; the repairs of its options are not here. Axes: B batch, R heads that read, P
features of what one of them is told, N slots, W features of a word, L slots that are linked (N, or none), I features of
the interface vector: for each head that reads key, strength, free gate and, with links, modes; then for the one that
writes key, strength, what is erased, what is written, allocation gate and write gate.
"""

from typing import NamedTuple, TypeAlias

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

State: TypeAlias = tuple[
    Float[Array, "B N W"],
    Float[Array, "B N"],
    Float[Array, "B L L"],
    Float[Array, "B L"],
    Float[Array, "B N"],
    Float[Array, "B R N"],
    Float[Array, "B R W"],
]
"""Memory, usage, links, precedence, write weights, read weights, and the words read."""


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
def forward(
    interface: Float[Array, "B I"],
    memory: Float[Array, "B N W"],
    usage: Float[Array, "B N"],
    links: Float[Array, "B L L"],
    precedence: Float[Array, "B L"],
    write_weights: Float[Array, "B N"],
    read_weights: Float[Array, "B R N"],
) -> State:
    """What is held after a step."""
    (rows, heads, slots), size, linked = read_weights.shape, memory.shape[2], links.shape[1] > 0
    after, used = memory.copy(), np.empty_like(usage)
    linking, preceding = np.empty_like(links), np.empty_like(precedence)
    writing, reading = np.empty_like(write_weights), np.empty_like(read_weights)
    reads, modes = np.empty((rows, heads, size), memory.dtype), np.empty(3, memory.dtype)
    near, lengths = np.empty_like(usage[0]), np.empty_like(usage[0])
    about = size + 2 + 3 * linked
    for b in range(rows):
        told = interface[b, : heads * about].copy().reshape(heads, about)
        kept = retention(told, size, read_weights[b])
        for n in range(slots):
            used[b, n] = (usage[b, n] + write_weights[b, n] * (1 - usage[b, n])) * kept[n]
        write = aim(interface[b, heads * about :], memory[b], used[b])
        for n in range(slots):
            aimed = write.content[n] + write.allocation_gate * (write.allocation[n] - write.content[n])
            writing[b, n] = write.write_gate * aimed
            weight, word = writing[b, n], after[b, n]
            for w in range(size):
                word[w] += weight * (write.vector[w] - write.erase[w] * word[w])
        if linked:
            link(links[b], precedence[b], writing[b], linking[b], preceding[b])
        squares(after[b], lengths)
        for r in range(heads):
            look_up(told[r, :size], told[r, size], after[b], lengths, near, reading[b, r])
            if linked:
                softmax(told[r, size + 2 :], modes)
                reading[b, r] *= modes[1]
                follow(linking[b], read_weights[b, r], modes, reading[b, r])
            read(reading[b, r], after[b], reads[b, r])
    return after, used, linking, preceding, writing, reading, reads


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


@compiled
def backward(
    interface: Float[Array, "B I"],
    memory: Float[Array, "B N W"],
    usage: Float[Array, "B N"],
    links: Float[Array, "B L L"],
    precedence: Float[Array, "B L"],
    write_weights: Float[Array, "B N"],
    read_weights: Float[Array, "B R N"],
    after: State,
    d_after: State,
) -> tuple[
    Float[Array, "B I"],
    Float[Array, "B N W"],
    Float[Array, "B N"],
    Float[Array, "B L L"],
    Float[Array, "B L"],
    Float[Array, "B N"],
    Float[Array, "B R N"],
]:
    """The gradients of the interface vector, and of what was held before the step."""
    (rows, heads, slots), size, linked = read_weights.shape, memory.shape[2], links.shape[1] > 0
    d_interface, d_memory, d_usage = np.empty_like(interface), d_after[0].copy(), np.empty_like(usage)
    d_links, d_precedence = np.empty_like(links), np.empty_like(precedence)
    d_writing, d_reading = np.empty_like(write_weights), np.zeros_like(read_weights)
    near, content, lengths = np.empty_like(usage[0]), np.empty_like(usage[0]), np.empty_like(usage[0])
    modes, d_modes = np.empty(3, memory.dtype), np.empty(3, memory.dtype)
    about = size + 2 + 3 * linked
    for b in range(rows):
        told, said = interface[b, : heads * about].copy().reshape(heads, about), interface[b, heads * about :]
        d_told = np.zeros_like(told)
        squares(after[0][b], lengths)
        d_written, d_used, d_linking = d_after[4][b].copy(), d_after[1][b].copy(), d_after[2][b].copy()
        for r in range(heads):
            d_weights = d_after[5][b, r].copy()
            read_backward(after[5][b, r], after[0][b], d_after[6][b, r], d_weights, d_memory[b])
            key, strength = told[r, :size], told[r, size]
            look_up(key, strength, after[0][b], lengths, near, content)
            if linked:
                softmax(told[r, size + 2 :], modes)
                previous, d_previous = read_weights[b, r], d_reading[b, r]
                follow_backward(after[2][b], previous, modes, d_weights, d_linking, d_previous, d_modes)
                d_modes[1] = dot(d_weights, content)
                softmax_backward(modes, d_modes, d_told[r, size + 2 :])
                for n in range(slots):
                    d_weights[n] *= modes[1]
            look_up_backward(key, strength, after[0][b], lengths, near, content, d_weights, d_told[r], d_memory[b])
        if linked:
            held, d_held = (links[b], precedence[b]), (d_links[b], d_precedence[b])
            link_backward(*held, after[4][b], d_linking, d_after[3][b], *d_held, d_written)
        write = aim(said, memory[b], after[1][b])
        d_said = d_interface[b, heads * about :]
        write_backward(write, said, memory[b], after[4][b], after[1][b], d_written, d_said, d_memory[b], d_used)
        kept, d_kept = retention(told, size, read_weights[b]), np.empty_like(d_used)
        for n in range(slots):
            used = usage[b, n] + write_weights[b, n] * (1 - usage[b, n])
            d_kept[n] = d_used[n] * used
            d_usage[b, n] = d_used[n] * kept[n] * (1 - write_weights[b, n])
            d_writing[b, n] = d_used[n] * kept[n] * (1 - usage[b, n])
        retention_backward(told, size, read_weights[b], d_kept, d_told, d_reading[b])
        put(d_told.ravel(), d_interface[b, : heads * about])
    return d_interface, d_memory, d_usage, d_links, d_precedence, d_writing, d_reading
