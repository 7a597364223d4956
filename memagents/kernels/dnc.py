"""One step of the Differentiable Neural Computer after its controller, for one row, and its gradient.

The equations are in `memories/dnc.py`; the repairs of its options are not here. Axes: R heads that read, N slots, W
features of a word, L slots that are linked (N, or none), I features of the interface vector: for each head that reads
key, strength, free gate and, with links, modes; then for the one that writes key, strength, what is erased, what is
written, allocation gate and write gate; S numbers of the state. The settings are R, N, W and L.
"""

from typing import NamedTuple

from jaxtyping import Float, Int

from memagents.kernels.activations import sigmoid_
from memagents.kernels.borrowing import borrowed, matrix
from memagents.kernels.compilation import Array, Number, compiled
from memagents.kernels.dots import dots
from memagents.kernels.links import follow, follow_backward, link, link_backward
from memagents.kernels.paper import Paper, blank, copied, line, sheet
from memagents.kernels.parts import (
    ONE,
    dot,
    erase_backward,
    keys_of,
    one_row,
    put_keys,
    read,
    read_backward,
    shortness,
    sigmoid,
    similarity,
    similarity_backward,
    softmax,
    softmax_backward,
    softplus,
)
from memagents.kernels.products import multiply_once
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
    short: Array
    similarity: Array
    content: Array
    order: Array
    allocation: Array


@compiled
def look_up(
    paper: Paper,
    told: Float[Array, "H P"],
    memory: Float[Array, "N W"],
    short: Float[Array, " N"],
    content: Float[Array, "H N"],
) -> Float[Array, "H N"]:
    """Attention to words that resemble the keys of H heads, each of which is told a key and, after it, a strength.

    Returns:
        How similar they are.
    """
    size = memory.shape[1]
    near = similarity(paper, keys_of(paper, told, size), memory, short)
    for h in range(len(told)):
        bounded, like, attention = ONE + softplus(told[h, size]), near[h], content[h]
        for n in range(len(memory)):
            attention[n] = bounded * like[n]
        softmax(attention, attention)
    return near


@compiled
def look_up_backward(
    paper: Paper,
    told: Float[Array, "H P"],
    memory: Float[Array, "N W"],
    short: Float[Array, " N"],
    near: Float[Array, "H N"],
    content: Float[Array, "H N"],
    d_content: Float[Array, "H N"],
    d_told: Float[Array, "H P"],
    d_memory: Float[Array, "N W"],
) -> None:
    """Writes the gradients of keys and strengths, and adds to that of the memory."""
    size, d_near = memory.shape[1], sheet(paper, *near.shape)
    keys, d_keys = keys_of(paper, told, size), sheet(paper, len(told), size)
    for h in range(len(told)):
        d_like, strength = d_near[h], told[h, size]
        softmax_backward(content[h], d_content[h], d_like)
        d_told[h, size] = dot(d_like, near[h]) * sigmoid(strength)
        bounded = ONE + softplus(strength)
        for n in range(len(memory)):
            d_like[n] *= bounded
    similarity_backward(paper, keys, memory, short, near, d_near, d_keys, d_memory)
    put_keys(d_keys, d_told)


@compiled
def aim(paper: Paper, told: Array, memory: Float[Array, "N W"], usage: Float[Array, " N"]) -> Write:
    """Where the head that writes looks up its key, and which slots are free."""
    size = memory.shape[1]
    short, content = shortness(paper, memory), sheet(paper, 1, len(memory))
    near = look_up(paper, one_row(told), memory, short, content)
    erase = copied(paper, told[size + 1 : 2 * size + 1])
    sigmoid_(erase)
    order, free = by_usage(paper, usage), line(paper, len(usage))
    allocation(usage, order, free)
    vector = told[2 * size + 1 : 3 * size + 1]
    gates = sigmoid(told[3 * size + 1]), sigmoid(told[3 * size + 2])
    return Write(erase, vector, gates[0], gates[1], short, near, content, order, free)


@compiled
def held(settings: Array, row: Float[Array, " S"]) -> Held:
    """The parts of a row."""
    row = borrowed(row)
    heads, slots, size, linked = int(settings[0]), int(settings[1]), int(settings[2]), int(settings[3])
    usage = slots * size
    links = usage + slots
    precedence = links + linked * linked
    writing = precedence + linked
    reading = writing + slots
    reads = reading + heads * slots
    return Held(
        matrix(row[:usage], slots, size),
        row[usage:links],
        matrix(row[links:precedence], linked, linked),
        row[precedence:writing],
        row[writing:reading],
        matrix(row[reading:reads], heads, slots),
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
    """Writes what is held after a step."""
    paper, interface = blank(taken, numbers), borrowed(interface)
    before, after = held(settings, row_before), held(settings, row_after)
    (heads, slots), size, linked = before.reading.shape, before.memory.shape[1], len(before.links) > 0
    about = size + 2 + 3 * linked
    told, said = matrix(interface[: heads * about], heads, about), interface[heads * about :]
    kept, modes = retention(paper, told, size, before.reading), sheet(paper, heads, 3)
    for n in range(slots):
        after.usage[n] = (before.usage[n] + before.writing[n] * (ONE - before.usage[n])) * kept[n]
    write = aim(paper, said, before.memory, after.usage)
    for n in range(slots):
        aimed = write.content[0, n] + write.allocation_gate * (write.allocation[n] - write.content[0, n])
        weight = write.write_gate * aimed
        after.writing[n] = weight
        was, word = before.memory[n], after.memory[n]
        for w in range(size):
            word[w] = was[w] + weight * (write.vector[w] - write.erase[w] * was[w])
    if linked:
        link(before.links, before.precedence, after.writing, after.links, after.precedence)
    look_up(paper, told, after.memory, shortness(paper, after.memory), after.reading)
    if linked:
        for r in range(heads):
            softmax(told[r, size + 2 :], modes[r])
            for n in range(slots):
                after.reading[r, n] *= modes[r, 1]
        follow(paper, after.links, before.reading, modes, after.reading)
    read(after.reading, after.memory, after.reads)


@compiled
def write_backward(
    paper: Paper,
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
    d_erase, d_vector = d_told[size + 1 : 2 * size + 1], d_told[2 * size + 1 : 3 * size + 1]
    one, d_one, d_gone = one_row(weights), one_row(d_weights), one_row(d_erase)
    dots(d_one, one_row(write.vector), d_memory, 1)
    multiply_once(one_row(d_vector), one, d_memory, 0)
    erase_backward(paper, memory, one, one_row(write.erase), d_memory, d_one, d_gone)
    for w in range(size):
        d_erase[w] *= write.erase[w] * (ONE - write.erase[w])
    d_content, d_allocation, further = sheet(paper, 1, slots), line(paper, slots), line(paper, slots)
    gate, content = write.allocation_gate, write.content[0]
    for n in range(slots):
        further[n] = write.allocation[n] - content[n]
        d_aimed = d_weights[n] * write.write_gate
        d_content[0, n], d_allocation[n] = d_aimed * (ONE - gate), d_aimed * gate
    along = dot(d_weights, further)
    d_told[3 * size + 1] = along * write.write_gate * gate * (ONE - gate)
    d_write_gate = dot(d_weights, content) + gate * along
    d_told[3 * size + 2] = d_write_gate * write.write_gate * (ONE - write.write_gate)
    found = write.short, write.similarity, write.content
    look_up_backward(paper, one_row(told), memory, *found, d_content, one_row(d_told), d_memory)
    allocation_backward(paper, used, write.order, d_allocation, d_used)


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
    (heads, slots), size, linked = before.reading.shape, before.memory.shape[1], len(before.links) > 0
    about = size + 2 + 3 * linked
    told, said = matrix(interface[: heads * about], heads, about), interface[heads * about :]
    d_told, d_said = matrix(d_interface[: heads * about], heads, about), d_interface[heads * about :]
    modes, d_modes, short = sheet(paper, heads, 3), sheet(paper, heads, 3), shortness(paper, after.memory)
    content, d_reading = sheet(paper, heads, slots), sheet(paper, heads, slots)
    d_reading[:] = d.reading
    d.reading[:] = 0
    read_backward(after.reading, after.memory, d.reads, d_reading, d.memory)
    near = look_up(paper, told, after.memory, short, content)
    if linked:
        for r in range(heads):
            softmax(told[r, size + 2 :], modes[r])
        follow_backward(paper, after.links, before.reading, modes, d_reading, d.links, d.reading, d_modes)
        for r in range(heads):
            d_modes[r, 1] = dot(d_reading[r], content[r])
            softmax_backward(modes[r], d_modes[r], d_told[r, size + 2 :])
            for n in range(slots):
                d_reading[r, n] *= modes[r, 1]
    look_up_backward(paper, told, after.memory, short, near, content, d_reading, d_told, d.memory)
    if linked:
        link_backward(before.links, before.precedence, after.writing, d.links, d.precedence, d.writing)
    write = aim(paper, said, before.memory, after.usage)
    write_backward(paper, write, said, before.memory, after.writing, after.usage, d.writing, d_said, d.memory, d.usage)
    kept, d_kept = retention(paper, told, size, before.reading), line(paper, slots)
    for n in range(slots):
        d_used = d.usage[n]
        d_kept[n] = d_used * (before.usage[n] + before.writing[n] * (ONE - before.usage[n]))
        d.usage[n] = d_used * kept[n] * (ONE - before.writing[n])
        d.writing[n] = d_used * kept[n] * (ONE - before.usage[n])
    retention_backward(paper, told, size, before.reading, d_kept, d_told, d.reading)
