"""A recurrent network over packed segments, by kernels.

What the inputs add is one product for all steps, and so is the gradient of every weight. What is left to the loop is
one product with what was remembered, and one call of the cell's kernel.

Axes: P places of the packed layout (`ops/packed.py`), N segments, D features of an input, H of the hidden vector, G
gates.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.cells import CELLS


def unroll_cell(
    cell: str,
    inputs: Float[Tensor, "P D"],
    begin: Float[Tensor, "N H"],
    weights: list[Tensor],
    sizes: list[int],
) -> Float[Tensor, "P H"]:
    """The hidden vector after every step, each made of the one before it in its segment.

    Args:
        cell: its name in `cells`.
        inputs: packed.
        begin: the hidden vector before each segment.
        weights: from the input `[GH, D]`, from the hidden vector `[GH, H]`, and their biases `[GH]`.
        sizes: segments that have a first element, a second one, and so on.
    """
    hidden: Tensor = _Unroll.apply(cell, sizes, inputs, begin, *weights)  # type: ignore[no-untyped-call]
    return hidden


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cell: str,
        sizes: list[int],
        inputs: Tensor,
        begin: Tensor,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor,
        bias_hh: Tensor,
    ) -> Tensor:
        step, _, apart = CELLS[cell]
        told = torch.addmm(bias_ih if apart else bias_ih + bias_hh, inputs, weight_ih.t())
        heard = bias_hh.repeat(len(told), 1) if apart else told
        begin, hidden = begin.contiguous(), inputs.new_empty(len(inputs), weight_hh.shape[1])
        from_hidden, before = weight_hh.t(), begin
        for told_now, heard_now, after in zip(
            *(torch.split(each, sizes) for each in (told, heard, hidden)), strict=True
        ):
            heard_now.addmm_(before[: len(after)], from_hidden)
            step(told_now.numpy(), heard_now.numpy(), before.numpy(), after.numpy())
            before = after
        ctx.save_for_backward(inputs, begin, weight_ih, weight_hh, told, heard, hidden)
        ctx.cell, ctx.sizes = cell, sizes
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        inputs, begin, weight_ih, weight_hh, told, heard, hidden = ctx.saved_tensors
        _, step, apart = CELLS[ctx.cell]
        d_told, d_begin = torch.empty_like(told), torch.zeros_like(begin)
        d_heard = torch.empty_like(heard) if apart else d_told
        steps = [torch.split(each, ctx.sizes) for each in (told, heard, d_hidden.contiguous(), d_told, d_heard)]
        before = begin, *torch.split(hidden, ctx.sizes)[:-1]
        for was, *now in reversed(list(zip(before, *steps, strict=True))):
            gates, heard_now, d_after, d_told_now, d_heard_now = (each.numpy() for each in now)
            d_before = d_begin[: len(gates)]
            step(gates, heard_now, was.numpy(), d_after, d_before.numpy(), d_told_now, d_heard_now)
            d_before.addmm_(now[-1], weight_hh)
        remembered = torch.cat([h[:size] for h, size in zip(before, ctx.sizes, strict=True)])
        return (
            None,
            None,
            d_told @ weight_ih if ctx.needs_input_grad[2] else None,
            d_begin,
            (inputs.t() @ d_told).t(),
            (remembered.t() @ d_heard).t(),
            d_told.sum(0),
            d_heard.sum(0),
        )
