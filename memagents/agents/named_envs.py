"""Single environments whose errors are not lost: with a name, or as an answer of a worker process."""

import pickle
import traceback
from typing import Any, NamedTuple

import gymnasium as gym

from memagents.errors import EnvironmentFailed


class NamedEnv(gym.Wrapper[Any, Any, Any, Any]):
    """Adds to an error in `step` or `reset` which environment it was, and at which of its steps.

    Args:
        env: the environment.
        index: its place among the others.
    """

    def __init__(self, env: gym.Env[Any, Any], index: int) -> None:
        super().__init__(env)
        self.index, self.steps = index, 0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """A step of the environment; EnvironmentFailed if it raises an error."""
        self.steps += 1
        try:
            return self.env.step(action)
        except Exception as error:
            raise failed("step", describe(error), self.index, self.steps) from error

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """A reset of the environment; EnvironmentFailed if it raises an error."""
        try:
            return self.env.reset(**options)
        except Exception as error:
            raise failed("reset", describe(error), self.index, self.steps) from error


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
