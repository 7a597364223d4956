"""Linear layers over whole sequences, by our own products where those are faster than torch's."""

from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from memagents.kernels.products import product, product_over_rows
from memagents.kernels.unroll import can_work_with

ENOUGH: Final = 1 << 24
"""Operations of a product from which on ours is faster: what it takes to call it outweighs less.

With two threads, of which torch's wake sooner, both then take as long, forward and back; with one ours takes less from
a quarter of it on.
"""

FEWEST_ROWS: Final = 64
"""Ours puts the weights in order at every call, which fewer rows do not outweigh, however large the weights are."""

FEWEST_OUTPUTS: Final = 8
"""Ours computes as many columns as a tile has, and throws away what a narrower layer does not want."""


class Linear(nn.Linear):
    """`torch.nn.Linear`, for inputs that are many."""

    def forward(self, input: Float[Tensor, "... D"]) -> Float[Tensor, "... O"]:
        """x W^T + b."""
        return linear(input, self.weight, self.bias)


def linear(
    x: Float[Tensor, "... D"], weight: Float[Tensor, "O D"], bias: Float[Tensor, " O"] | None = None
) -> Float[Tensor, "... O"]:
    """What `torch.nn.functional.linear` is asked and answers; it has no second derivative where there is enough to do.

    Where a processor has wide registers that torch's library does not use, as those of AMD, it is twice as fast.
    """
    if not (can_work_with(x) and is_faster(x, weight) and fits(x, weight, bias)):
        return F.linear(x, weight, bias)
    told: Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)  # type: ignore[no-untyped-call]
    return told.view(*x.shape[:-1], -1)


def is_faster(x: Tensor, weight: Tensor) -> bool:
    """Whether our product is, of as many numbers."""
    rows, outputs = x.shape[:-1].numel(), len(weight)
    return 2 * x.numel() * outputs >= ENOUGH and rows >= FEWEST_ROWS and outputs >= FEWEST_OUTPUTS


def fits(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether all are of one kind and size, so that kernels, which do not look, may take them; torch says what is not.

    Under autocast torch chooses the kind.
    """
    wanted = [(weight, (len(weight), x.shape[-1])), *([] if bias is None else [(bias, (len(weight),))])]
    alike = all(each.shape == shape and each.dtype is x.dtype and each.device == x.device for each, shape in wanted)
    return alike and not torch.is_autocast_enabled("cpu")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        ctx.save_for_backward(x, weight)
        out = product(x, weight.t())
        return out if bias is None else out.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), d_out = ctx.saved_tensors, d_out.contiguous()
        d_x = product(d_out, weight) if ctx.needs_input_grad[0] else None
        d_weight = d_bias = None
        if ctx.needs_input_grad[1]:
            # Threads share the columns of such a product, so that there should be many.
            wide = x.shape[1] >= len(weight)
            d_weight = product_over_rows(d_out, x) if wide else product_over_rows(x, d_out).t()
        if ctx.needs_input_grad[2]:
            d_bias = d_out.sum(0)
        return d_x, d_weight, d_bias
