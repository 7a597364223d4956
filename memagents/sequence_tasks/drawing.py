"""Random draws that the tasks share, whole batches at a time.

Axes: B rows, N things to choose from.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def random_bits(*shape: int, generator: torch.Generator) -> Float[Tensor, "..."]:
    """Zeros and ones, with equal probability."""
    return torch.randint(0, 2, shape, generator=generator).float()


def permutations(rows: int, size: int, generator: torch.Generator) -> Int[Tensor, "B N"]:
    """The numbers from 0 to `size` in an order of its own for each row."""
    return torch.rand(rows, size, generator=generator).argsort(1)


def choose(where: Bool[Tensor, "B N"], generator: torch.Generator) -> Int[Tensor, " B"]:
    """The number of one true element of each row, all with equal probability; 0 where there is none."""
    return torch.where(where, torch.rand(where.shape, generator=generator), -1.0).argmax(1)
