"""Weights of layers that are alike, each standing once for all of them, the layer on axis 0.

An optimizer then cares for as many tensors as one layer has, and a kernel finds those of all layers at once: the update
of ninety small tensors, which four layers of a transformer would have, takes half as long as their gradient.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from memagents.kernels.layers import Weights


class Stacked(nn.Module):
    """Layers' parameters.

    Args:
        parameters: under the names of `Weights`; those that layers have not are left out.
    """

    def __init__(self, **parameters: Float[Tensor, "L ..."]) -> None:
        super().__init__()
        for name in Weights._fields:
            self.register_parameter(name, nn.Parameter(parameters[name]) if name in parameters else None)

    def all(self) -> Weights:
        """Of all layers."""
        return Weights(**self._parameters)  # type: ignore[arg-type]

    def each(self) -> Iterator[Weights]:
        """Of one layer after the other."""
        number = len(self.all().widen_bias)
        fields = ([None] * number if each is None else each.unbind() for each in self.all())
        return (Weights(*of_layer) for of_layer in zip(*fields, strict=True))


def scaled(layers: int, outputs: int, inputs: int) -> Float[Tensor, "L O I"]:
    """Matrices whose products have the variance of what is multiplied; see `initialisation.linear`."""
    out: Tensor = torch.randn(layers, outputs, inputs) * inputs**-0.5
    return out
