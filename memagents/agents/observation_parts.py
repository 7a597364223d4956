"""What observations of a space must look like: one part for each of their arrays."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from memagents.errors import ObservationOutsideSpace


@dataclass(frozen=True)
class Part:
    """One array of an observation.

    Attributes:
        key: its entry in a Dict observation; None where there is one array only.
        space: of one environment; `shape` and `dtype` are its own, at hand.
        bounds: the lowest and highest values; None where every value of the type is inside.
    """

    key: str | None
    space: spaces.Space[Any]
    bounds: tuple[np.ndarray, np.ndarray] | None
    shape: tuple[int, ...] | None
    dtype: np.dtype[Any] | None

    @property
    def name(self) -> str:
        """What follows "observation" in a message."""
        return "" if self.key is None else f" {self.key!r}"

    @property
    def is_categorical(self) -> bool:
        """Whether a value outside the range cannot be encoded at all."""
        return isinstance(self.space, spaces.Discrete | spaces.MultiDiscrete)

    def of(self, observations: Any) -> np.ndarray:
        """This part of one observation, or of a batch of them."""
        return np.asarray(observations if self.key is None else observations[self.key])

    def fits(self, observation: Any) -> bool:
        """Whether this part of one environment's observation is an array of the space's shape and type."""
        values: Any = observation.get(self.key) if isinstance(observation, dict) else observation
        return getattr(values, "shape", None) == self.shape and values.dtype == self.dtype

    def has_foreign_type(self, values: np.ndarray) -> bool:
        """Whether values of this type can lose something when they become the space's type."""
        return values.dtype != self.dtype and self.dtype is not None and not np.can_cast(values.dtype, self.dtype)

    def types(self, values: np.ndarray) -> str:
        """Both types, for a message."""
        return f"type {values.dtype}, its space {self.dtype}"


def parts_of(space: spaces.Space[Any]) -> list[Part]:
    """The arrays of an observation; none for spaces that are not made of arrays, as a Tuple, which agents refuse."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {None: space}
    return [
        Part(key, part, bounds_of(part), part.shape, part.dtype)
        for key, part in parts.items()
        if part.shape is not None
    ]


def bounds_of(space: spaces.Space[Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """The lowest and highest values of a space; None where its type has no others, or none are known."""
    if isinstance(space, spaces.Discrete):
        return np.asarray(space.start), np.asarray(space.start + space.n - 1)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return np.asarray(0), np.asarray(1)
    if not isinstance(space, spaces.Box) or space.dtype is None:
        return None
    limits = np.iinfo(space.dtype) if space.dtype.kind in "iu" else None
    low, high = (limits.min, limits.max) if limits else (-np.inf, np.inf)
    return None if (space.low == low).all() and (space.high == high).all() else (space.low, space.high)


def as_batch(observation: Any) -> Any:
    """One observation as a batch of one."""
    if isinstance(observation, dict):
        return {key: np.asarray(value)[None] for key, value in observation.items()}
    return np.asarray(observation)[None]


def check_shape(parts: list[Part], observation: Any, environment: int, step: int) -> None:
    """Checks the observation of one environment.

    Raises:
        ObservationOutsideSpace: for an array of another shape than the space has, and for one that is not there.
    """
    for part in parts:
        if part.fits(observation):
            continue
        if part.key is not None and not (isinstance(observation, dict) and part.key in observation):
            found = "is not there, and its space has it"
        elif (shape := np.shape(part.of(observation))) != part.shape:
            found = f"has shape {shape}, its space {part.shape}"
        else:
            continue
        raise ObservationOutsideSpace(
            f"observation{part.name} of environment {environment} at step {step} {found}; correct the environment or "
            "its space",
            environment=environment,
            step=step,
        )


def warn_once(found: str) -> None:
    """Warns of observations that can be used all the same."""
    warnings.warn(
        f"{found}; correct the environment or its space. Training goes on, and this is said once", stacklevel=2
    )
