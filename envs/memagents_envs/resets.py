"""Which rows of a batch are reset, and with which seeds."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Seeds: TypeAlias = int | Sequence[int | None] | None


def seed_of_each_row(seed: Seeds, num_envs: int) -> Sequence[int | None]:
    """s gives row i the seed s + i; None lets every row's stream go on.

    Raises:
        ValueError: for a sequence that has not one seed for each row, and for what is no seed.
    """
    if seed is None:
        return [None] * num_envs
    if isinstance(seed, int | np.integer):
        return [int(seed) + row for row in range(num_envs)]
    if not isinstance(seed, Sequence) or len(seed) != num_envs:
        raise ValueError(f"seed must be None, a whole number or a list of {num_envs} of those, got {seed!r}")
    return seed


def rows_to_reset(options: dict[str, Any] | None, num_envs: int) -> NDArray[np.int64]:
    """The rows that `options["reset_mask"]` marks; all of them where there is no mask.

    Raises:
        ValueError: for a mask that marks none, or does not fit the rows.
    """
    mask = (options or {}).get("reset_mask", np.ones(num_envs, np.bool_))
    fits = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (num_envs,)
    if not (fits and mask.any()):
        raise ValueError(
            f"options['reset_mask'] must be a boolean array of shape ({num_envs},) with at least one True, got {mask!r}"
        )
    return np.flatnonzero(mask)
