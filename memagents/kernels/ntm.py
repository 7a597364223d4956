"""One step of the Neural Turing Machine after its controller, for one row, and its gradient.

The equations are in `memories/ntm.py`. Axes: K heads that read, and as many that write, N slots, W features of a word,
I features of the interface vector: for each of the 2K heads key, strength, gate, moves and exponent, then what the K
heads that write erase, then what they add; S numbers of the state. The settings are K, N and W.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.exponentials import log_
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

    key: Array
    strength: Number
    gate: Number
    exponent: Number
    shifts: Array
    similarity: Array
    content: Array
    gated: Array
    shifted: Array
    weights: Array


@compiled
def clipped(interface: Float[Array, " I"]) -> Float[Array, " I"]:
    """Within ±LIMIT."""
    told = interface.copy()
    for i in range(len(told)):
        if told[i] > LIMIT:
            told[i] = LIMIT
        elif told[i] < -LIMIT:
            told[i] = -LIMIT
    return told


@compiled
def around(move: int, slots: int) -> tuple[int, int]:
    """How many slots come from so many places on without turning around at the end, and how many after that."""
    turn = move % slots
    return slots - turn, turn


@compiled
def logarithms(weights: Float[Array, " N"], out: Float[Array, " N"]) -> None:
    """Of weights that may be 0."""
    for n in range(len(weights)):
        out[n] = weights[n] + out.dtype.type(FLOOR)
    log_(out)


@compiled
def address(
    told: Array, memory: Float[Array, "N W"], lengths: Float[Array, " N"], previous: Float[Array, " N"]
) -> Head:
    """Where one head goes (eqs 5 to 9)."""
    slots, size = memory.shape
    places = len(told) - size - 3
    key, strength, gate = told[:size], softplus(told[size]), sigmoid(told[size + 1])
    exponent = 1 + softplus(told[size + 2 + places])
    near, content, gated = np.empty_like(previous), np.empty_like(previous), np.empty_like(previous)
    shifted, weights, shifts = np.zeros_like(previous), np.empty_like(previous), np.empty_like(told[:places])
    similarity(key, memory, lengths, near)
    softmax(strength * near, content)
    for n in range(slots):
        gated[n] = gate * content[n] + (1 - gate) * previous[n]
    softmax(told[size + 2 : size + 2 + places], shifts)
    for s in range(places):
        stay, turn = around(places // 2 - s, slots)
        for n in range(stay):
            shifted[n] += gated[n + turn] * shifts[s]
        for n in range(turn):
            shifted[n + stay] += gated[n] * shifts[s]
    logarithms(shifted, weights)
    for n in range(slots):
        weights[n] *= exponent
    softmax(weights, weights)
    return Head(key, strength, gate, exponent, shifts, near, content, gated, shifted, weights)


@compiled
def address_backward(
    told: Array,
    memory: Float[Array, "N W"],
    lengths: Float[Array, " N"],
    previous: Float[Array, " N"],
    head: Head,
    d_weights: Float[Array, " N"],
    d_told: Array,
    d_memory: Float[Array, "N W"],
) -> None:
    """Writes the gradient of what a head was told, and adds to that of the memory.

    That of the weights goes from where the head went to where it was.
    """
    slots, size = memory.shape
    places = len(head.shifts)
    d_powers, d_shifted, d_gated = np.empty_like(d_weights), np.empty_like(d_weights), np.zeros_like(d_weights)
    d_exponent = d_gate = d_strength = told.dtype.type(0)
    softmax_backward(head.weights, d_weights, d_powers)
    logarithms(head.shifted, d_shifted)
    for n in range(slots):
        d_exponent += d_powers[n] * d_shifted[n]
        d_shifted[n] = d_powers[n] * head.exponent / (head.shifted[n] + told.dtype.type(FLOOR))
    d_shifts = np.zeros_like(head.shifts)
    for s in range(places):
        stay, turn = around(places // 2 - s, slots)
        for n in range(stay):
            d_gated[n + turn] += d_shifted[n] * head.shifts[s]
            d_shifts[s] += d_shifted[n] * head.gated[n + turn]
        for n in range(turn):
            d_gated[n] += d_shifted[n + stay] * head.shifts[s]
            d_shifts[s] += d_shifted[n + stay] * head.gated[n]
    d_content, d_logits = np.empty_like(d_weights), np.empty_like(d_weights)
    for n in range(slots):
        d_content[n] = head.gate * d_gated[n]
        d_weights[n] = (1 - head.gate) * d_gated[n]
        d_gate += d_gated[n] * (head.content[n] - previous[n])
    softmax_backward(head.content, d_content, d_logits)
    for n in range(slots):
        d_strength += d_logits[n] * head.similarity[n]
        d_logits[n] *= head.strength
    d_told[:] = 0
    similarity_backward(head.key, memory, lengths, head.similarity, d_logits, d_told[:size], d_memory)
    d_told[size] = d_strength * sigmoid(told[size])
    d_told[size + 1] = d_gate * head.gate * (1 - head.gate)
    softmax_backward(head.shifts, d_shifts, d_told[size + 2 : size + 2 + places])
    d_told[size + 2 + places] = d_exponent * sigmoid(told[size + 2 + places])


@compiled
def written(said: Array, heads: int) -> tuple[Float[Array, "K W"], Float[Array, "K W"]]:
    """What the heads erase and add."""
    erase, add = np.empty_like(said[: len(said) // 2]), np.empty_like(said[len(said) // 2 :])
    for i in range(len(erase)):
        erase[i], add[i] = sigmoid(said[i]), math.tanh(said[len(erase) + i])
    return erase.reshape(heads, -1), add.reshape(heads, -1)


@compiled
def held(settings: Array, row: Float[Array, " S"]) -> Held:
    """The parts of a row."""
    heads, slots, size = int(settings[0]), int(settings[1]), int(settings[2])
    reads = len(row) - heads * size
    weights = reads - 2 * heads * slots
    return Held(
        row[:weights].reshape(slots, size),
        row[weights:reads].reshape(2 * heads, slots),
        row[reads:].reshape(heads, size),
    )


def step(
    settings: Array, interface: Float[Array, " I"], row_before: Float[Array, " S"], row_after: Float[Array, " S"]
) -> None:
    """Writes what is held after a step."""
    before, after = held(settings, row_before), held(settings, row_after)
    (heads, size), slots = before.reads.shape, len(before.memory)
    told, lengths = clipped(interface), np.empty_like(before.weights[0])
    about = (len(told) - 2 * heads * size) // (2 * heads)
    squares(before.memory, lengths)
    for h in range(2 * heads):
        head = address(told[h * about : (h + 1) * about], before.memory, lengths, before.weights[h])
        put(head.weights, after.weights[h])
    for k in range(heads):
        read(after.weights[k], before.memory, after.reads[k])
    erase, add = written(told[2 * heads * about :], heads)
    for n in range(slots):
        word = after.memory[n]
        put(before.memory[n], word)
        for k in range(heads):
            weight, gone = after.weights[heads + k, n], erase[k]
            for w in range(size):
                word[w] *= 1 - weight * gone[w]
        for k in range(heads):
            weight, new = after.weights[heads + k, n], add[k]
            for w in range(size):
                word[w] += weight * new[w]


@compiled
def write_backward(
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
    erase, add = written(said, heads)
    d_erase, d_add = np.zeros_like(erase), np.zeros_like(add)
    left, d_slot = np.empty_like(erase), np.empty_like(erase[0])
    for n in range(slots):
        put(memory[n], left[0])
        put(d_memory[n], d_slot)
        for k in range(heads):
            weight = weights[k, n]
            d_weights[k, n] += dot(d_slot, add[k])
            d_new = d_add[k]
            for w in range(len(d_slot)):
                d_new[w] += d_slot[w] * weight
            if k + 1 < heads:
                here, further, gone = left[k], left[k + 1], erase[k]
                for w in range(len(d_slot)):
                    further[w] = here[w] * (1 - weight * gone[w])
        for k in range(heads - 1, -1, -1):
            weight, d_weight = weights[k, n], memory.dtype.type(0)
            here, gone, d_gone = left[k], erase[k], d_erase[k]
            for w in range(len(d_slot)):
                erased = d_slot[w] * here[w]
                d_weight -= erased * gone[w]
                d_gone[w] -= erased * weight
                d_slot[w] *= 1 - weight * gone[w]
            d_weights[k, n] += d_weight
        put(d_slot, d_memory[n])
    size = erase.shape[1]
    for k in range(heads):
        for w in range(size):
            d_said[k * size + w] = d_erase[k, w] * erase[k, w] * (1 - erase[k, w])
            d_said[(heads + k) * size + w] = d_add[k, w] * (1 - add[k, w] * add[k, w])


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
    heads, size = before.reads.shape
    told, lengths = clipped(interface), np.empty_like(before.weights[0])
    about = (len(told) - 2 * heads * size) // (2 * heads)
    place = 2 * heads * about
    squares(before.memory, lengths)
    writing, d_writing = after.weights[heads:], d.weights[heads:]
    write_backward(told[place:], before.memory, writing, d_interface[place:], d.memory, d_writing)
    for k in range(heads):
        read_backward(after.weights[k], before.memory, d.reads[k], d.weights[k], d.memory)
    for h in range(2 * heads):
        one, d_one = told[h * about : (h + 1) * about], d_interface[h * about : (h + 1) * about]
        head = address(one, before.memory, lengths, before.weights[h])
        address_backward(one, before.memory, lengths, before.weights[h], head, d.weights[h], d_one, d.memory)
    for i in range(len(told)):
        if interface[i] > LIMIT or interface[i] < -LIMIT:
            d_interface[i] = 0
