"""The random generators of a process: Python's, NumPy's and torch's."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def generator_states() -> dict[str, Any]:
    """Where all generators stand."""
    version, numbers, spare = random.getstate()
    return {
        # As an array: a list of 625 numbers takes a tenth of a small checkpoint's time.
        "python": (version, np.array(numbers, np.uint32), spare),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_generator_states(states: dict[str, Any]) -> None:
    """Puts all generators where they stood.

    Raises:
        ValueError: for what are no states of theirs.
    """
    # NumPy would go on reading beyond the end of what it keeps.
    place, length = states["numpy"]["state"]["pos"], len(states["numpy"]["state"]["key"])
    if not 0 <= place <= length:
        raise ValueError(f"NumPy's generator must stand from 0 to {length}, got {place}")
    version, numbers, spare = states["python"]
    random.setstate((version, tuple(map(int, numbers)), spare))
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


@contextmanager
def kept_generators() -> Iterator[None]:
    """What happens inside draws nothing from the process's generators, as seen from outside."""
    states = generator_states()
    try:
        yield
    finally:
        set_generator_states(states)
