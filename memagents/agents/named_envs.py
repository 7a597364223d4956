"""Single environments whose errors are not lost: with a name, or as an answer of a worker process."""

import copy
import pickle
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import gymnasium as gym

from memagents.agents.respawns import Event, Respawns
from memagents.errors import EnvironmentFailed

MakeEnv: TypeAlias = Callable[[], gym.Env[Any, Any]]


class NamedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Adds to an error in `step` or `reset` which environment it was, and at which of its steps; or makes it anew.

    An episode that is interrupted so is truncated where it stood: its last observation is that of the step before, and
    the step that failed has no reward.

    Args:
        make_env: makes the environment.
        index: its place among the others.
        respawns: how often environments may be made anew.
    """

    def __init__(self, make_env: MakeEnv, index: int, respawns: Respawns) -> None:
        super().__init__(make_env())
        self.index, self.steps = index, 0
        self._make_env, self._respawns = make_env, respawns
        self._first_reset: dict[str, Any] = {}
        self._last_observation: Any = None

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """A step of the environment; EnvironmentFailed if it raises an error and may not be made anew."""
        self.steps += 1
        try:
            result = self.env.step(action)
        except Exception as error:
            return self._last_observation, 0.0, False, True, {"respawned": self._make_anew("step", error)}
        if self._respawns.limit:
            self._last_observation = copy.deepcopy(result[0])  # the step that fails may change the array before
        return result

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """A reset of the environment; EnvironmentFailed if it raises an error and may not be made anew."""
        while True:
            try:
                result = self.env.reset(**options | self._first_reset)
            except Exception as error:
                self._make_anew("reset", error)
            else:
                self._first_reset = {}
                self._last_observation = copy.deepcopy(result[0]) if self._respawns.limit else None
                return result

    def _make_anew(self, doing: str, error: Exception) -> Event:
        while True:
            event = self._respawns.take(failed(doing, describe(error), self.index, self.steps), error)
            with suppress(Exception):
                self.env.close()
            try:
                self.env = self._make_env()
            except Exception as another:
                doing, error = "__init__", another
            else:
                self._first_reset = {"seed": event["seed"]}
                return event


class ReportingEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Gives a `Failure` in the place of an observation where the environment raises an error.

    SB3's worker processes end with an error, and whoever waits for them hears of a broken pipe.
    """

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """A step of the environment."""
        try:
            return self.env.step(action)
        except Exception as error:
            return Failure.of("step", error), 0.0, False, False, {}

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """A reset of the environment."""
        try:
            return self.env.reset(**options)
        except Exception as error:
            return Failure.of("reset", error), {}


class Failure(NamedTuple):
    """An error of an environment on its way out of a worker process.

    Attributes:
        doing: "step" or "reset".
        description: the error in one line.
        details: its traceback in the worker.
        pickled: the error itself, or None if it cannot be pickled.
    """

    doing: str
    description: str
    details: str
    pickled: bytes | None

    @classmethod
    def of(cls, doing: str, error: Exception) -> "Failure":
        """Describes an error where it happened."""
        try:
            pickled = pickle.dumps(error)
        except Exception:  # anything can be in the way of pickling, such as a lock that the error holds
            pickled = None
        return cls(doing, describe(error), "".join(traceback.format_exception(error)), pickled)

    def cause(self) -> BaseException:
        """The error itself, or one that describes it, with the worker's traceback as a note."""
        try:
            cause = pickle.loads(self.pickled) if self.pickled else None
        except Exception:  # errors whose constructor wants more than they keep come apart here
            cause = None
        found = cause if isinstance(cause, BaseException) else RuntimeError(self.description)
        found.add_note(f"In the worker process:\n{self.details}")
        return found


def describe(error: Exception) -> str:
    """An error in one line: `ValueError: no such door`."""
    return f"{type(error).__name__}: {error}"


def failed(doing: str, description: str, environment: int, step: int) -> EnvironmentFailed:
    """What is raised for an error of an environment."""
    return EnvironmentFailed(
        f"environment {environment} failed in {doing}() at step {step} with {description}. An environment must go on "
        "until its episode ends: correct it, or end the episode there",
        environment=environment,
        step=step,
    )
