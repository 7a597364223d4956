"""Perceptrons that read the same inputs, by kernels, as an actor's and a critic's do.

A layer reads the inputs, or what a layer before it has made of them:

    y = f(W x + b)    f the identity, tanh, or max(0, ·)

Over sequences a thread takes some rows through all layers, forward or back, and then some columns of the gradients of
weights. When acting rows are few, and stand across: then weights are read as they lie, for nothing of them is worth to
be put in order.

Axes: N rows, L layers, I features of the inputs, O of a layer's outputs, F of the outputs of all layers together, P
parameters.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.activations import tanh_
from memagents.kernels.borrowing import borrowed, matrix, matrix_at
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.parts import add, put
from memagents.kernels.products import DEPTH, in_panels, multiply, multiply_once, share_of_columns
from memagents.kernels.threads import all_threads, in_team, in_threads, share, this_thread, wait
from memagents.kernels.unroll import arrays, can_work_with

INPUTS: Final = -1
"""Stands for the inputs where a layer is named."""

TOGETHER: Final = 64
"""Rows that go through a layer at once: they are bent while they are near."""

FEWEST_ACROSS: Final = 16
"""Rows from which on they are faster across than by torch: a tile has twice as many columns at least."""

WEIGHT, BIAS, SOURCE, TOLD, WIDTH, BEGIN, BEND = range(7)
"""What a kernel is told of a layer: where its weights and its bias lie, which layer it reads, features of what it reads
and of its outputs, how many features of layers before it there are, and its f."""

IDENTITY, TANH, RELU = range(3)


class Layer(NamedTuple):
    """A layer of a perceptron.

    Attributes:
        source: number of the layer that it reads, which comes before it, or INPUTS.
        bend: its f, IDENTITY, TANH or RELU.
    """

    weight: Float[Tensor, "O I"]
    bias: Float[Tensor, " O"]
    source: int
    bend: int


class Perceptrons:
    """Layers as kernels are told of them: where their parameters lie, and nothing else of them.

    That holds as long as these stay there, as they do while an optimizer changes them.

    Args:
        layers: each after that which it reads.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.parameters = [each for layer in layers for each in (layer.weight, layer.bias)]
        self.num_inputs, self.num_features = layers[0].weight.shape[1], 0
        table = []
        for weight, bias, source, bend in layers:
            width, told = weight.shape
            table.append((weight.data_ptr(), bias.data_ptr(), source, told, width, self.num_features, bend))
            self.num_features += width
        self.table = np.array(table, np.int64)
        self._addresses = [address for row in table for address in row[:SOURCE]]
        read = {layer.source for layer in layers}
        self.ends = [(row[BEGIN], row[WIDTH]) for number, row in enumerate(table) if number not in read]

    def hold(self) -> bool:
        """Whether parameters lie where they did."""
        return all(map(int.__eq__, self._addresses, map(Tensor.data_ptr, self.parameters)))

    def told_whole(self) -> bool:
        """Whether kernels can be told of all parameters."""
        widths, kind = [*self.table[:, WIDTH], self.num_inputs], self.parameters[0].dtype
        fitting = all(widths[row[SOURCE]] == row[TOLD] for row in self.table)
        return fitting and all(each.dtype is kind and each.is_cpu and each.is_contiguous() for each in self.parameters)

    def can_read(self, inputs: Float[Tensor, "N I"]) -> bool:
        """Whether they are faster by kernels than by torch, which chooses the numbers under autocast."""
        kind = self.parameters[0].dtype
        few = len(inputs) < FEWEST_ACROSS or torch.is_autocast_enabled("cpu")
        return not few and can_work_with(inputs) and inputs.dtype is kind and inputs.shape[1] == self.num_inputs

    def read(self, inputs: Float[Tensor, "N I"]) -> list[Float[Tensor, "N O"]]:
        """The outputs of every layer that no other reads."""
        if torch.is_grad_enabled():
            return list(_Perceptrons.apply(self, inputs, *self.parameters))  # type: ignore[no-untyped-call]
        rows, across = len(inputs), inputs.detach().t().contiguous()
        out = inputs.new_empty(self.num_features, rows)
        run_across(self.table, across.numpy(), out.numpy())
        return [part.t() for part in self.parts(out)]

    def parts(self, out: Float[Tensor, "FN ..."]) -> list[Tensor]:
        """Of the outputs of all layers, one layer after the other, those that no other layer reads."""
        rows = len(out) // self.num_features
        return [out[rows * begin : rows * (begin + width)] for begin, width in self.ends]

    def operations(self, rows: int) -> int:
        """Of the products of so many rows."""
        return 2 * rows * sum(each.numel() for each in self.parameters)


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


class _Perceptrons(torch.autograd.Function):
    """Its gradient is written by hand."""

    @staticmethod
    def forward(ctx: Any, perceptrons: Perceptrons, inputs: Tensor, *parameters: Tensor) -> tuple[Tensor, ...]:
        inputs, rows = inputs.contiguous(), len(inputs)
        out = inputs.new_empty(rows * perceptrons.num_features)
        walked = perceptrons.table, *arrays((inputs, out))
        in_team(advance, walked, perceptrons.operations(rows))
        ctx.save_for_backward(inputs, out, *parameters)
        ctx.perceptrons = perceptrons
        return tuple(part.view(rows, -1).clone() for part in perceptrons.parts(out))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d_ends: Tensor) -> tuple[Tensor | None, ...]:
        (inputs, out, *parameters), perceptrons = ctx.saved_tensors, ctx.perceptrons
        d_out, sizes = torch.empty_like(out), [each.numel() for each in parameters]
        for part, d_end in zip(perceptrons.parts(d_out), d_ends, strict=True):
            part.copy_(d_end.reshape(-1))
        d_inputs = torch.empty_like(inputs[: len(inputs) * ctx.needs_input_grad[1]])
        d_biases = inputs.new_zeros(torch.get_num_threads(), perceptrons.num_features)
        d_parameters = inputs.new_empty(sum(sizes))
        walked = perceptrons.table, *arrays((inputs, out, d_out, d_inputs, d_parameters, d_biases))
        in_team(retreat, walked, 2 * perceptrons.operations(len(inputs)))
        each = (part.view(like.shape) for part, like in zip(d_parameters.split(sizes), parameters, strict=True))
        return None, d_inputs if ctx.needs_input_grad[1] else None, *each
