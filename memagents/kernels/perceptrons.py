"""Perceptrons that read the same inputs, by kernels, as an actor's and a critic's do.

A layer reads the inputs, or what a layer before it has made of them:

    y = f(W x + b)    f the identity, tanh, or max(0, ·)

Axes: N rows, L layers, I features of the inputs, O of a layer's outputs, F of the outputs of all layers together.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.perceptron_layers import BEGIN, SOURCE, TOLD, WIDTH, advance, retreat, run_across
from memagents.kernels.threads import in_team
from memagents.kernels.unroll import arrays, can_work_with

FEWEST_ROWS: Final = 16
"""From so many on they are faster than by torch, forward and back; of fewer, a tile is not filled."""


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
        few = len(inputs) < FEWEST_ROWS or torch.is_autocast_enabled("cpu")
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
