"""With how many bits an agent computes on a GPU; on the CPU it is 32 whatever is asked.

`float32` is exact to the last digit that 32 bits have. `tf32` lets a GPU of NVIDIA's round the factors of matrix
products to 10 bits behind the point. `bfloat16` lets torch choose 16 bits where they are enough (`torch.autocast`):
parameters, states, losses and what an optimizer holds have 32 as ever.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

Precision: TypeAlias = Literal["float32", "tf32", "bfloat16"]


def check_precision(precision: str) -> None:
    """Raises ValueError for a precision that there is not."""
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Where torch may choose 16 bits, if that is the precision."""
    if precision == "bfloat16" and device.type == "cuda":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@contextmanager
def matrix_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Where a GPU computes products of 32 bits as the precision says; torch's own settings hold again afterwards.

    Torch lets cuDNN round unless it is told not to. Then acting, which asks cuDNN for nothing, and training, which
    asks it for whole sequences, would not agree.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def in_32_bits(x: Tensor) -> Tensor:
    """What autocast gave 16 bits, as the rest of an agent takes it."""
    return x.float() if x.dtype == torch.bfloat16 else x
