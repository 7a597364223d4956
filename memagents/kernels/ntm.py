"""One step of the Neural Turing Machine after its controller, and its gradient; the equations are in `memories/ntm.py`.

Axes: B batch, K heads that read, and as many that write, N slots, W features of a word, S places a head can move by,
I features of the interface vector: for each of the 2K heads key, strength, gate, moves and exponent, then what the K
heads that write erase, then what they add.
"""

import math
from typing import NamedTuple, TypeAlias

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

State: TypeAlias = tuple[Float[Array, "B N W"], Float[Array, "B K N"], Float[Array, "B K N"], Float[Array, "B K W"]]
"""Memory, weights of the heads that read, weights of those that write, and the words read."""


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
    d_previous: Float[Array, " N"],
) -> None:
    """Writes the gradient of what a head was told, and adds to those of the memory and of where it was."""
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
        d_previous[n] += (1 - head.gate) * d_gated[n]
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
def forward(
    interface: Float[Array, "B I"],
    memory: Float[Array, "B N W"],
    read_weights: Float[Array, "B K N"],
    write_weights: Float[Array, "B K N"],
) -> State:
    """What is held after a step."""
    heads, size = read_weights.shape[1], memory.shape[2]
    after = memory.copy()
    reading, writing = np.empty_like(read_weights), np.empty_like(write_weights)
    reads = np.empty((len(memory), heads, size), memory.dtype)
    about = (interface.shape[1] - 2 * heads * size) // (2 * heads)
    lengths = np.empty_like(read_weights[0, 0])
    for b in range(len(memory)):
        told = clipped(interface[b])
        squares(memory[b], lengths)
        for k in range(heads):
            reader = address(told[k * about : (k + 1) * about], memory[b], lengths, read_weights[b, k])
            put(reader.weights, reading[b, k])
            read(reader.weights, memory[b], reads[b, k])
            place = (heads + k) * about
            put(address(told[place : place + about], memory[b], lengths, write_weights[b, k]).weights, writing[b, k])
        erase, add = written(told[2 * heads * about :], heads)
        for n in range(memory.shape[1]):
            word = after[b, n]
            for k in range(heads):
                weight, gone = writing[b, k, n], erase[k]
                for w in range(size):
                    word[w] *= 1 - weight * gone[w]
            for k in range(heads):
                weight, new = writing[b, k, n], add[k]
                for w in range(size):
                    word[w] += weight * new[w]
    return after, reading, writing, reads


@compiled
def write_backward(
    said: Array,
    memory: Float[Array, "N W"],
    weights: Float[Array, "K N"],
    d_after: Float[Array, "N W"],
    d_said: Array,
    d_memory: Float[Array, "N W"],
    d_weights: Float[Array, "K N"],
) -> None:
    """Writes the gradients of what is erased and added, and of the memory before; adds to those of the weights."""
    heads, slots = weights.shape
    erase, add = written(said, heads)
    d_erase, d_add = np.zeros_like(erase), np.zeros_like(add)
    left, d_slot = np.empty_like(erase), np.empty_like(erase[0])
    for n in range(slots):
        put(memory[n], left[0])
        put(d_after[n], d_slot)
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
            weight, d_weight = weights[k, n], d_after.dtype.type(0)
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


@compiled
def backward(
    interface: Float[Array, "B I"],
    memory: Float[Array, "B N W"],
    read_weights: Float[Array, "B K N"],
    write_weights: Float[Array, "B K N"],
    after: State,
    d_after: State,
) -> tuple[Float[Array, "B I"], Float[Array, "B N W"], Float[Array, "B K N"], Float[Array, "B K N"]]:
    """The gradients of the interface vector, and of memory and weights before the step."""
    _, reading, writing, _ = after
    heads, size = read_weights.shape[1], memory.shape[2]
    d_interface, d_memory = np.empty_like(interface), np.empty_like(memory)
    d_before = (np.zeros_like(read_weights), np.zeros_like(write_weights))
    about = (interface.shape[1] - 2 * heads * size) // (2 * heads)
    lengths = np.empty_like(read_weights[0, 0])
    for b in range(len(memory)):
        told = clipped(interface[b])
        squares(memory[b], lengths)
        d_reading, d_writing = d_after[1][b].copy(), d_after[2][b].copy()
        place = 2 * heads * about
        write_backward(
            told[place:], memory[b], writing[b], d_after[0][b], d_interface[b, place:], d_memory[b], d_writing
        )
        for k in range(heads):
            read_backward(reading[b, k], memory[b], d_after[3][b, k], d_reading[k], d_memory[b])
        for h in range(2 * heads):
            place, k = h * about, h % heads
            previous = read_weights[b, k] if h < heads else write_weights[b, k]
            d_weights = d_reading[k] if h < heads else d_writing[k]
            d_previous = d_before[0][b, k] if h < heads else d_before[1][b, k]
            d_told, one = d_interface[b, place : place + about], told[place : place + about]
            head = address(one, memory[b], lengths, previous)
            address_backward(one, memory[b], lengths, previous, head, d_weights, d_told, d_memory[b], d_previous)
        for i in range(interface.shape[1]):
            if interface[b, i] > LIMIT or interface[b, i] < -LIMIT:
                d_interface[b, i] = 0
    return d_interface, d_memory, d_before[0], d_before[1]
