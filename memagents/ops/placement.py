"""Moving the elements of a batch to other places and back, each way a single gather or copy, forward and backward.

The gradient that torch has for a gather adds row by row, because a row might be read twice. Here none is, and the
gradient of one way is the other way.

Axes: T time, B batch rows, D features, Q places, of which T * B hold an element.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


def spread(elements: Float[Tensor, "T B D"], places: Int[Tensor, "T B"], size: int) -> Float[Tensor, "Q D"]:
    """Puts every element at its place among `size`; the other places are zero. No two elements share a place."""
    spread_out: Tensor = _Spread.apply(elements.flatten(0, 1), places.flatten(), size)  # type: ignore[no-untyped-call]
    return spread_out


def pick(source: Float[Tensor, "Q D"], places: Int[Tensor, "T B"]) -> Float[Tensor, "T B D"]:
    """Undoes `spread`: reads every element from its place."""
    picked: Tensor = _Pick.apply(source, places.flatten())  # type: ignore[no-untyped-call]
    return picked.view(*places.shape, -1)


def _scatter(elements: Tensor, places: Tensor, size: int) -> Tensor:
    if size > len(elements):
        return elements.new_zeros(size, elements.shape[1]).index_copy_(0, places, elements)
    # Where every place is taken, to ask each for its element is three times as fast as to send each element.
    element_at = torch.empty_like(places).scatter_(0, places, torch.arange(size, device=places.device))
    return elements.index_select(0, element_at)


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, elements: Tensor, places: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(places)
        return _scatter(elements, places, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradient.index_select(0, places), None, None


class _Pick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, source: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(source)
        return source.index_select(0, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return _scatter(gradient, places, ctx.size), None
