"""What `predict` hands out and takes back: the memory's state as arrays that a user keeps between two calls."""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from memagents.memories import State


def to_arrays(state: State) -> tuple[np.ndarray, ...]:
    """A state as the user keeps it: the same named fields, as arrays."""
    return cast(tuple[np.ndarray, ...], type(state)(*(field.cpu().numpy() for field in state)))


def from_arrays(state: tuple[np.ndarray, ...], expected: State, memory: str) -> State:
    """A state of a memory that came back from the user, as tensors like those of `expected`.

    Raises:
        ValueError: if it has other fields or shapes.
    """
    got = [np.shape(field) for field in state]
    wanted = [tuple(field.shape) for field in expected]
    if got != wanted:
        raise ValueError(
            f"the state must be what predict() returned for the same environments: memory {memory!r} "
            f"expected arrays of shapes {wanted}, got {got}; pass state=None to begin new episodes"
        )
    fields = zip(state, expected, strict=True)
    return type(expected)(*(torch.as_tensor(new, dtype=old.dtype, device=old.device) for new, old in fields))


def starts_of_rows(episode_start: np.ndarray | None, batch_size: int, device: torch.device) -> Tensor:
    """Which of the environments begin an episode, `[S]`; None means that none does.

    Raises:
        ValueError: if there are not `batch_size` of them.
    """
    starts = np.zeros(batch_size, bool) if episode_start is None else np.atleast_1d(episode_start).astype(bool)
    if starts.shape != (batch_size,):
        raise ValueError(f"episode_start must have shape ({batch_size},), as the observation; got {starts.shape}")
    return torch.as_tensor(starts, device=device)
