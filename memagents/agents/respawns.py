"""Environments that failed and were made anew: how often they may be, where it happened, and why."""

import warnings
from abc import abstractmethod
from typing import Any, TypeAlias

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from memagents.errors import BoundaryError

Event: TypeAlias = dict[str, Any]


class Respawns:
    """How often environments that fail are made anew before their error is raised.

    Args:
        limit: how often, over all environments together.

    Attributes:
        seed: of environment 0, from which those of new environments are derived; None where none was set.
        events: what failed, in order: the index of the environment, its step, the error, and the seed of the new one.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.seed: int | None = None
        self.events: list[Event] = []

    def take(self, failure: BoundaryError, cause: BaseException | None) -> Event:
        """Notes that the environment of this failure is made anew, and warns of it.

        Raises:
            BoundaryError: the failure itself, if environments were made anew as often as they may be.
        """
        if len(self.events) >= self.limit:
            if self.limit:
                failure.add_note(f"Environments were made anew before, as often as respawn={self.limit} allows.")
            raise failure from cause
        event = {
            "environment": failure.environment,
            "step": failure.step,
            "error": type(failure).__name__,
            "message": str(failure),
            "seed": self._next_seed(failure.environment),
        }
        self.events.append(event)
        count = f"{len(self.events)} of respawn={self.limit} times"
        warnings.warn(f"{failure}. Now it is made anew ({count}), and begins a new episode", stacklevel=2)
        return event

    def _next_seed(self, environment: int | None) -> int | None:
        if self.seed is None:
            return None
        before = sum(event["environment"] == environment for event in self.events)
        return int(np.random.SeedSequence((self.seed, environment or 0, before)).generate_state(1)[0])

    def get_state(self) -> tuple[int | None, list[Event]]:
        """What decides the seeds to come, and how often there may be another."""
        return self.seed, list(self.events)

    def set_state(self, state: tuple[int | None, list[Event]]) -> None:
        """Goes on from a state of before; the limit may be another than then."""
        self.seed, self.events[:] = state[0], state[1]


class RespawningVecEnv(VecEnv):
    """What the vectorised environments that can make an environment anew share."""

    respawns: Respawns

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Sets the seeds of the next reset, and of all environments that will be made anew."""
        seeds = list(super().seed(seed))
        self.respawns.seed = seeds[0]
        return seeds

    @abstractmethod
    def count_from(self, steps: int) -> None:
        """Takes so many steps of each environment as taken, for the errors that say at which step they were."""


def respawns_of(env: VecEnv | None) -> Respawns:
    """Those of the environments below all wrappers; of others, which cannot be made anew, none."""
    assert env is not None
    respawns: Respawns = getattr(env.unwrapped, "respawns", Respawns())
    return respawns


def check_respawn(respawn: int, vectorization: str) -> None:
    """Raises ValueError for a count that is none, and for environments that cannot be made anew one by one.

    Args:
        respawn: how often environments may be made anew.
        vectorization: how they are stepped, where it is decided.
    """
    if respawn < 0:
        raise ValueError(f"respawn must be at least 0, got {respawn}")
    if respawn and vectorization == "batched":
        raise ValueError(
            f"respawn={respawn} needs vectorization='subproc' or 'dummy': here all environments are stepped as one "
            "batch (vectorization='batched'), which fails as a whole"
        )
