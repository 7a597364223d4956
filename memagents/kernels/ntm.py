"""One step of the Neural Turing Machine after its controller, for one row, and its gradient.

The equations are in `memories/ntm.py`. Axes: K heads that read, and as many that write, N slots, W features of a word,
I features of the interface vector: for each of the 2K heads key, strength, gate, moves and exponent, then what the K
heads that write erase, then what they add; S numbers of the state. The settings are K, N and W.
"""

from typing import NamedTuple

from jaxtyping import Float, Int

from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.borrowing import borrowed, matrix
from memagents.kernels.compilation import Array, Number, compiled
from memagents.kernels.dots import dots
from memagents.kernels.exponentials import log_
from memagents.kernels.paper import Paper, blank, copied, line, sheet
from memagents.kernels.parts import (
    ONE,
    dot,
    erase_backward,
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
    softplus,
)
from memagents.kernels.products import multiply_once
from memagents.kernels.shifts import shift, shift_backward

LIMIT = 20.0
"""No part of the interface vector is larger, or smaller than minus this (Collier and Beel 2018)."""

FLOOR = 1e-16
"""What is added to weights before they are sharpened."""


class Held(NamedTuple):
    """Memory, where the heads are, those that read before those that write, and the words read."""

    memory: Float[Array, "N W"]
    weights: Float[Array, "2*K N"]
    reads: Float[Array, "K W"]


class Head(NamedTuple):
    """What a head was told, and where that led it, step by step."""

    strength: Number
    gate: Number
    exponent: Number
    shifts: Array
    content: Array
    gated: Array
    shifted: Array


@compiled
def clipped(paper: Paper, interface: Float[Array, " I"]) -> Float[Array, " I"]:
    """Within ±LIMIT."""
    told = copied(paper, interface)
    for i in range(len(told)):
        if told[i] > LIMIT:
            told[i] = LIMIT
        elif told[i] < -LIMIT:
            told[i] = -LIMIT
    return told


@compiled
def logarithms(weights: Float[Array, " N"], out: Float[Array, " N"]) -> None:
    """Of weights that may be 0."""
    for n in range(len(weights)):
        out[n] = weights[n] + out.dtype.type(FLOOR)
    log_(out)


@compiled
def address(
    paper: Paper,
    told: Array,
    size: int,
    near: Float[Array, " N"],
    previous: Float[Array, " N"],
    weights: Float[Array, " N"],
) -> Head:
    """Writes where one head goes (eqs 5 to 9), which is told a key of so many features, and near what that is."""
    slots, places = len(near), len(told) - size - 3
    strength, gate, exponent = softplus(told[size]), sigmoid(told[size + 1]), ONE + softplus(told[size + 2 + places])
    content, gated, shifted = line(paper, slots), line(paper, slots), line(paper, slots)
    shifts = line(paper, places)
    for n in range(slots):
        content[n] = strength * near[n]
    softmax(content, content)
    for n in range(slots):
        gated[n] = gate * content[n] + (ONE - gate) * previous[n]
    softmax(told[size + 2 : size + 2 + places], shifts)
    shift(gated, shifts, shifted)
    logarithms(shifted, weights)
    for n in range(slots):
        weights[n] *= exponent
    softmax(weights, weights)
    return Head(strength, gate, exponent, shifts, content, gated, shifted)


@compiled
def address_backward(
    paper: Paper,
    told: Array,
    size: int,
    near: Float[Array, " N"],
    previous: Float[Array, " N"],
    weights: Float[Array, " N"],
    d_weights: Float[Array, " N"],
    d_told: Array,
    d_near: Float[Array, " N"],
) -> None:
    """Writes the gradients of what a head was told, but for its key, and of what is near that.

    That of the weights goes from where the head went to where it was.
    """
    went = line(paper, len(weights))
    head = address(paper, told, size, near, previous, went)
    slots, places = len(near), len(head.shifts)
    d_powers, d_shifted, d_gated = line(paper, slots), line(paper, slots), line(paper, slots)
    softmax_backward(weights, d_weights, d_powers)
    logarithms(head.shifted, d_shifted)
    d_exponent = dot(d_powers, d_shifted)
    for n in range(slots):
        d_shifted[n] = d_powers[n] * head.exponent / (head.shifted[n] + told.dtype.type(FLOOR))
    d_shifts = line(paper, places)
    shift_backward(head.gated, head.shifts, d_shifted, d_gated, d_shifts)
    d_gate = dot(d_gated, head.content) - dot(d_gated, previous)
    for n in range(slots):
        d_weights[n] = (ONE - head.gate) * d_gated[n]
        d_gated[n] *= head.gate
    softmax_backward(head.content, d_gated, d_near)
    d_told[size] = dot(d_near, near) * sigmoid(told[size])
    for n in range(slots):
        d_near[n] *= head.strength
    d_told[size + 1] = d_gate * head.gate * (ONE - head.gate)
    softmax_backward(head.shifts, d_shifts, d_told[size + 2 : size + 2 + places])
    d_told[size + 2 + places] = d_exponent * sigmoid(told[size + 2 + places])


@compiled
def split(interface: Float[Array, " I"], heads: int, size: int) -> tuple[Float[Array, "2*K P"], Array]:
    """What each head is told, and what those that write erase and add."""
    stop = len(interface) - 2 * heads * size
    return matrix(interface[:stop], 2 * heads, stop // (2 * heads)), interface[stop:]


@compiled
def written(paper: Paper, said: Array, heads: int) -> tuple[Float[Array, "K W"], Float[Array, "K W"]]:
    """What the heads erase and add."""
    erase, add = copied(paper, said[: len(said) // 2]), copied(paper, said[len(said) // 2 :])
    sigmoid_(erase)
    tanh_(add)
    size = len(erase) // heads
    return matrix(erase, heads, size), matrix(add, heads, size)


@compiled
def held(settings: Array, row: Float[Array, " S"]) -> Held:
    """The parts of a row."""
    row = borrowed(row)
    heads, slots, size = int(settings[0]), int(settings[1]), int(settings[2])
    reads = len(row) - heads * size
    weights = reads - 2 * heads * slots
    return Held(
        matrix(row[:weights], slots, size),
        matrix(row[weights:reads], 2 * heads, slots),
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
    (heads, size), slots = before.reads.shape, len(before.memory)
    told, said = split(clipped(paper, interface), heads, size)
    near = similarity(paper, keys_of(paper, told, size), before.memory, shortness(paper, before.memory))
    for h in range(2 * heads):
        address(paper, told[h], size, near[h], before.weights[h], after.weights[h])
    read(after.weights[:heads], before.memory, after.reads)
    (erase, add), writing = written(paper, said, heads), after.weights[heads:]
    for n in range(slots):
        was, word = before.memory[n], after.memory[n]
        put(was, word)
        for k in range(heads):
            weight = writing[k, n]
            for w in range(size):
                word[w] *= ONE - weight * erase[k, w]
    multiply_once(after.memory, writing.T, add, 1)


@compiled
def write_backward(
    paper: Paper,
    said: Array,
    memory: Float[Array, "N W"],
    weights: Float[Array, "K N"],
    d_said: Array,
    d_memory: Float[Array, "N W"],
    d_weights: Float[Array, "K N"],
) -> None:
    """Writes the gradients of what is erased and added; that of the memory goes from after to before.

    Adds to those of the weights.
    """
    heads, slots = weights.shape
    erase, add = written(paper, said, heads)
    d_erase = matrix(d_said[: len(said) // 2], *erase.shape)
    d_add = matrix(d_said[len(said) // 2 :], *add.shape)
    dots(d_weights, add, d_memory, 1)
    multiply_once(d_add, weights, d_memory, 0)
    left = sheet(paper, heads * slots, erase.shape[1])  # what each head finds of the memory, one below the other
    for n in range(slots):
        for w in range(erase.shape[1]):
            left[n, w] = memory[n, w]
        for k in range(heads - 1):
            weight = weights[k, n]
            for w in range(erase.shape[1]):
                left[(k + 1) * slots + n, w] = left[k * slots + n, w] * (ONE - weight * erase[k, w])
    for k in range(heads - 1, -1, -1):
        one, found = slice(k, k + 1), left[k * slots : (k + 1) * slots]
        erase_backward(paper, found, weights[one], erase[one], d_memory, d_weights[one], d_erase[one])
    for k in range(heads):
        for w in range(erase.shape[1]):
            d_erase[k, w] *= erase[k, w] * (ONE - erase[k, w])
            d_add[k, w] *= ONE - add[k, w] * add[k, w]


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
    heads, size = before.reads.shape
    told, said = split(clipped(paper, interface), heads, size)
    d_told, d_said = split(d_interface, heads, size)
    write_backward(paper, said, before.memory, after.weights[heads:], d_said, d.memory, d.weights[heads:])
    read_backward(after.weights[:heads], before.memory, d.reads, d.weights[:heads], d.memory)
    keys, short = keys_of(paper, told, size), shortness(paper, before.memory)
    near = similarity(paper, keys, before.memory, short)
    d_keys, d_near = sheet(paper, *keys.shape), sheet(paper, *near.shape)
    for h in range(2 * heads):
        way = before.weights[h], after.weights[h], d.weights[h]
        address_backward(paper, told[h], size, near[h], *way, d_told[h], d_near[h])
    similarity_backward(paper, keys, before.memory, short, near, d_near, d_keys, d.memory)
    put_keys(d_keys, d_told)
    for i in range(len(interface)):
        if interface[i] > LIMIT or interface[i] < -LIMIT:
            d_interface[i] = 0
