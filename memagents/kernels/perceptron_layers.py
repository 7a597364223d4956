"""All layers of some perceptrons, forward and back.

Over sequences a thread takes some rows through all layers, and then some columns of the gradients of weights. When
acting rows are few, and stand across: then weights are read as they lie, for nothing of them is worth to be put in
order.

Axes: N rows, L layers, I features of the inputs, O of a layer's outputs, F of the outputs of all layers together, P
parameters, G threads.
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Int

from memagents.kernels.activations import tanh_
from memagents.kernels.borrowing import borrowed, matrix, matrix_at
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.parts import add, put
from memagents.kernels.products import DEPTH, in_panels, multiply, multiply_once, share_of_columns
from memagents.kernels.threads import all_threads, in_threads, share, this_thread, wait

INPUTS: Final = -1
"""Stands for the inputs where a layer is named."""

TOGETHER: Final = 64
"""Rows that go through a layer at once: they are bent while they are near."""

WEIGHT, BIAS, SOURCE, TOLD, WIDTH, BEGIN, BEND = range(7)
"""What a kernel is told of a layer: where its weights and its bias lie, which layer it reads, features of what it reads
and of its outputs, how many features of layers before it there are, and its f."""

IDENTITY, TANH, RELU = range(3)


@compiled
def outputs_of(layer: Int[Array, " 7"], line: Float[Array, " NF"], rows: int) -> Float[Array, "N O"]:
    """A layer's part of a line that has all layers' outputs, or their gradients."""
    begin, width = layer[BEGIN], layer[WIDTH]
    out: Array = matrix(line[rows * begin : rows * (begin + width)], rows, width)
    return out


@compiled
def source_of(
    layer: Int[Array, " 7"], table: Int[Array, "L 7"], x: Float[Array, "N I"], line: Float[Array, " NF"]
) -> Float[Array, "N O"]:
    """What a layer reads, or the gradient of that."""
    return x if layer[SOURCE] == INPUTS else outputs_of(table[layer[SOURCE]], line, len(x))


@compiled
def weights_of(layer: Int[Array, " 7"], like: Array) -> Float[Array, "O I"]:
    """A layer's weights."""
    weights: Array = matrix_at(layer[WEIGHT], layer[WIDTH], layer[TOLD], like)
    return weights


@compiled
def bias_of(layer: Int[Array, " 7"], like: Array) -> Float[Array, " O"]:
    """A layer's bias."""
    bias: Array = matrix_at(layer[BIAS], 1, layer[WIDTH], like)[0]
    return bias


@compiled
def run_across(table: Int[Array, "L 7"], x: Float[Array, "I N"], out: Float[Array, "F N"]) -> None:
    """All layers, of rows that stand across."""
    table, x, out = borrowed(table), borrowed(x), borrowed(out)
    for number in range(len(table)):
        layer = table[number]
        told, bias, source = out[layer[BEGIN] : layer[BEGIN] + layer[WIDTH]], bias_of(layer, x), x
        if layer[SOURCE] != INPUTS:
            below = table[layer[SOURCE]]
            source = out[below[BEGIN] : below[BEGIN] + below[WIDTH]]
        for o in range(len(told)):
            told[o] = bias[o]
        multiply_once(told, weights_of(layer, x), source, 1)
        bend(layer[BEND], told.reshape(-1))


@compiled_apart
def advance(team: int, table: Int[Array, "L 7"], x: Float[Array, "N I"], out: Float[Array, " NF"]) -> None:
    """All layers, over sequences."""
    if in_threads(team):
        return
    table, x, out, rows = borrowed(table), borrowed(x), borrowed(out), len(x)
    first, stop = share(rows, this_thread(), all_threads())
    for number in range(len(table)):
        layer = table[number]
        bias, panels = bias_of(layer, x), in_panels(weights_of(layer, x).T)
        told, source = outputs_of(layer, out, rows), source_of(layer, table, x, out)
        begin, width = rows * layer[BEGIN], layer[WIDTH]
        for top in range(first, stop, TOGETHER):
            bottom = min(top + TOGETHER, stop)
            for n in range(top, bottom):
                put(bias, told[n])
            multiply(told[top:bottom], source[top:bottom], panels, 1)
            bend(layer[BEND], out[begin + top * width : begin + bottom * width])


@compiled_apart
def retreat(
    team: int,
    table: Int[Array, "L 7"],
    x: Float[Array, "N I"],
    out: Float[Array, " NF"],
    d_out: Float[Array, " NF"],
    d_x: Float[Array, "N I"],
    d_parameters: Float[Array, " P"],
    d_biases: Float[Array, "G F"],
) -> None:
    """The gradient of `advance`. In `d_out` those of layers that no other reads are given, and the others are left.

    Each of G threads has its own gradients of biases, which begin at 0. `d_x` may have no rows, where nobody asks.
    """
    if in_threads(team):
        return
    table, x, out, d_out = borrowed(table), borrowed(x), borrowed(out), borrowed(d_out)
    d_x, d_parameters, d_biases = borrowed(d_x), borrowed(d_parameters), borrowed(d_biases)
    rows, thread, team = len(x), this_thread(), all_threads()
    first, stop = share(rows, thread, team)
    for number in range(len(table) - 1, -1, -1):
        layer = table[number]
        begin, width = rows * layer[BEGIN], layer[WIDTH]
        d_told, d_bias = outputs_of(layer, d_out, rows), d_biases[thread, layer[BEGIN] : layer[BEGIN] + width]
        panels, wanted = in_panels(weights_of(layer, x)), layer[SOURCE] != INPUTS or len(d_x) > 0
        d_source = d_x if layer[SOURCE] == INPUTS else outputs_of(table[layer[SOURCE]], d_out, rows)
        kept = 1 if np.any(table[number + 1 :, SOURCE] == layer[SOURCE]) else 0
        for top in range(first, stop, TOGETHER):
            bottom = min(top + TOGETHER, stop)
            part = slice(begin + top * width, begin + bottom * width)
            unbend(layer[BEND], out[part], d_out[part])
            for n in range(top, bottom):
                add(d_told[n], d_bias)
            if wanted:
                multiply(d_source[top:bottom], d_told[top:bottom], panels, kept)
    wait(team)
    weigh(table, x, out, d_out, d_parameters, d_biases)


@compiled
def bend(kind: int, y: Float[Array, " N"]) -> None:
    """f, written over its argument."""
    if kind == TANH:
        tanh_(y)
    elif kind == RELU:
        zero = y.dtype.type(0)
        for i in range(len(y)):
            y[i] = zero if y[i] < zero else y[i]  # NaN stays NaN


@compiled
def unbend(kind: int, y: Float[Array, " N"], d_y: Float[Array, " N"]) -> None:
    """The gradient of f, of which y came."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if kind == TANH:
        for i in range(len(y)):
            d_y[i] *= one - y[i] * y[i]
    elif kind == RELU:
        for i in range(len(y)):
            d_y[i] = d_y[i] if y[i] > zero else zero


@compiled
def weigh(
    table: Int[Array, "L 7"],
    x: Float[Array, "N I"],
    out: Float[Array, " NF"],
    d_out: Float[Array, " NF"],
    d_parameters: Float[Array, " P"],
    d_biases: Float[Array, "G F"],
) -> None:
    """The gradients of parameters: a thread takes some columns of what was read, for all layers that read it."""
    rows, thread, team = len(x), this_thread(), all_threads()
    for number in range(len(table)):
        layer = table[number]
        if np.any(table[:number, SOURCE] == layer[SOURCE]):
            continue
        source = source_of(layer, table, x, out)
        left, right = share_of_columns(source, thread, team)
        for top in range(0, rows if left < right else 0, DEPTH):
            some = slice(top, min(top + DEPTH, rows))
            panels, begin = in_panels(source[some, left:right]), 0
            for other in range(len(table)):
                each = table[other]
                size = each[WIDTH] * each[TOLD]
                if each[SOURCE] == layer[SOURCE]:
                    d_weights = matrix(d_parameters[begin : begin + size], each[WIDTH], each[TOLD])
                    multiply(d_weights[:, left:right], outputs_of(each, d_out, rows)[some].T, panels, min(top, 1))
                begin += size + each[WIDTH]
    if thread == 0:
        begin = 0
        for number in range(len(table)):
            layer = table[number]
            begin += layer[WIDTH] * layer[TOLD]
            d_bias = d_parameters[begin : begin + layer[WIDTH]]
            put(d_biases[0, layer[BEGIN] : layer[BEGIN] + layer[WIDTH]], d_bias)
            for other in range(1, team):
                add(d_biases[other, layer[BEGIN] : layer[BEGIN] + layer[WIDTH]], d_bias)
            begin += layer[WIDTH]
