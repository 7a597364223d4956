"""Elman's and the gated recurrent unit over packed segments, with gradients written by hand.

Torch's own kernels for the CPU record every small operation of every step for the backward pass. Here what the inputs
add is one product for all steps, and so is the gradient of every weight. The slopes of all gates are computed for all
steps at once; what is left to the loop is a matrix product and two or three operations beside it.

Axes: P places of the packed layout (`packed`), N segments, D features of an input, H of the hidden vector, G gates.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

ACTIVATIONS = {"tanh": torch.tanh_, "relu": torch.relu_}


def unroll_elman(
    inputs: Float[Tensor, "P D"],
    begin: Float[Tensor, "N H"],
    weights: list[Tensor],
    sizes: list[int],
    nonlinearity: str = "tanh",
) -> Float[Tensor, "P H"]:
    """Hidden vectors of an Elman network, each from the one before it in its segment.

    Args:
        inputs: packed.
        begin: the hidden vector before each segment.
        weights: from the input `[H, D]`, from the hidden vector `[H, H]`, and their biases `[H]`.
        sizes: segments that have a first element, a second one, and so on.
        nonlinearity: "tanh" or "relu".
    """
    hidden: Tensor = _Elman.apply(inputs, begin, *weights, sizes, nonlinearity)  # type: ignore[no-untyped-call]
    return hidden


def unroll_gru(
    inputs: Float[Tensor, "P D"], begin: Float[Tensor, "N H"], weights: list[Tensor], sizes: list[int]
) -> Float[Tensor, "P H"]:
    """Hidden vectors of a gated recurrent unit, each from the one before it in its segment.

    Args:
        inputs: packed.
        begin: the hidden vector before each segment.
        weights: from the input `[3H, D]`, from the hidden vector `[3H, H]`, and their biases `[3H]`; the blocks are
            those of the reset gate, the update gate and the new content.
        sizes: segments that have a first element, a second one, and so on.
    """
    hidden: Tensor = _GRU.apply(inputs, begin, *weights, sizes)  # type: ignore[no-untyped-call]
    return hidden


class _Elman(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        begin: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        sizes: list[int],
        nonlinearity: str,
    ) -> Tensor:
        activation = ACTIVATIONS[nonlinearity]
        hidden = torch.addmm(bias_ih + bias_hh, inputs, weight_ih.t())
        from_hidden, h = weight_hh.t(), begin
        for step in torch.split(hidden, sizes):
            h = activation(step.addmm_(h[: len(step)], from_hidden))
        ctx.save_for_backward(inputs, begin, weight_ih, weight_hh, hidden)
        ctx.sizes, ctx.nonlinearity = sizes, nonlinearity
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, begin, weight_ih, weight_hh, hidden = ctx.saved_tensors
        if ctx.nonlinearity == "tanh":
            slope = torch.ops.aten.tanh_backward(torch.ones_like(hidden), hidden)
        else:
            slope = (hidden > 0).to(hidden)
        change = gradient.clone()  # of what the activation is told, once its slope is on it
        carry = torch.zeros_like(begin)
        for told, slope_now in zip(*(reversed(torch.split(each, ctx.sizes)) for each in (change, slope)), strict=True):
            back = carry[: len(told)]
            told.add_(back).mul_(slope_now)
            torch.mm(told, weight_hh, out=back)
        return _gradients(ctx, inputs, _before(hidden, begin, ctx.sizes), weight_ih, change, change, carry)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        begin: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
        sizes: list[int],
    ) -> Tensor:
        size = begin.shape[1]
        gates = torch.addmm(bias_ih, inputs, weight_ih.t())  # becomes r, z and n
        hidden = inputs.new_empty(len(inputs), size)
        asked = torch.empty_like(hidden)  # what the reset gate is asked to let through
        from_hidden, h = weight_hh.t(), begin
        for gate, asked_now, hidden_now in zip(
            torch.split(gates, sizes), torch.split(asked, sizes), torch.split(hidden, sizes), strict=True
        ):
            h = h[: len(gate)]
            heard = torch.addmm(bias_hh, h, from_hidden)
            asked_now.copy_(heard[:, 2 * size :])
            reset_update = gate[:, : 2 * size].add_(heard[:, : 2 * size]).sigmoid_()
            reset_gate, update_gate = reset_update.chunk(2, 1)
            content = gate[:, 2 * size :].addcmul_(reset_gate, asked_now).tanh_()
            h = torch.lerp(content, h, update_gate, out=hidden_now)
        ctx.save_for_backward(inputs, begin, weight_ih, weight_hh, gates, asked, hidden)
        ctx.sizes = sizes
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, begin, weight_ih, weight_hh, gates, asked, hidden = ctx.saved_tensors
        before = _before(hidden, begin, ctx.sizes)
        reset_gate, update_gate, content = gates.chunk(3, 1)
        # How each block of what comes from the hidden vector moves the hidden vector: all gradients are multiples.
        slope_content = torch.ops.aten.tanh_backward(1 - update_gate, content)
        slopes = torch.empty_like(gates)
        slope_reset, slope_update, slope_asked = slopes.chunk(3, 1)
        torch.mul(slope_content, reset_gate, out=slope_asked)
        torch.mul(slope_content, torch.ops.aten.sigmoid_backward(asked, reset_gate), out=slope_reset)
        slope_update.copy_(torch.ops.aten.sigmoid_backward(before - content, update_gate))
        blocks = slopes.view(len(slopes), 3, -1)

        change = gradient.clone()  # of the hidden vector, once what comes back from later steps is in it
        carry = torch.zeros_like(begin)
        for change_now, block, heard, update_now in zip(
            *(reversed(torch.split(each, ctx.sizes)) for each in (change, blocks, slopes, update_gate)), strict=True
        ):
            back = carry[: len(change_now)]
            change_now.add_(back)
            block.mul_(change_now[:, None])
            torch.mul(change_now, update_now, out=back).addmm_(heard, weight_hh)
        told = torch.cat([slopes[:, : 2 * begin.shape[1]], change.mul_(slope_content)], 1)
        return _gradients(ctx, inputs, before, weight_ih, told, slopes, carry)


def _before(hidden: Tensor, begin: Tensor, sizes: list[int]) -> Tensor:
    """The hidden vector that each step starts from."""
    earlier: tuple[Tensor, ...] = torch.split(hidden, sizes)
    return torch.cat([begin, *(step[:size] for step, size in zip(earlier, sizes[1:], strict=False))])


def _gradients(
    ctx: Any, inputs: Tensor, before: Tensor, weight_ih: Tensor, told: Tensor, heard: Tensor, carry: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of all arguments of an unroll, given those of what every step is told by its input and its past."""
    needs = ctx.needs_input_grad
    return (
        told @ weight_ih if needs[0] else None,
        carry,
        (inputs.t() @ told).t(),
        (before.t() @ heard).t(),
        told.sum(0),
        heard.sum(0),
        *[None] * (len(needs) - 6),
    )
