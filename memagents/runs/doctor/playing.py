"""Playing an environment with random actions, and comparing what came of it."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import gymnasium as gym
import numpy as np

from memagents.runs.config import DoctorConfig
from memagents.runs.doctor.findings import first_line

Env: TypeAlias = gym.Env[Any, Any]


class UnplayableError(Exception):
    """An environment that cannot be made, or raises when it is reset or stepped; the message says where."""


class Moment(NamedTuple):
    """What an environment returned, copied. After a reset there is no reward, and nothing has ended."""

    observation: Any
    reward: Any = None
    terminated: Any = False
    truncated: Any = False


class Subject(DoctorConfig):
    """An environment under examination, which can be made and played as often as it takes."""

    def make(self) -> Env:
        """A new one, as it was registered, but for gymnasium's own checks at every step."""
        try:
            return gym.make(self.env, disable_env_checker=True, **self.env_kwargs)
        except Exception as error:
            raise UnplayableError(f"making it raised {type(error).__name__}: {first_line(error)}") from error

    def actions(self, env: Env, count: int | None = None) -> list[Any]:
        """Random actions, the same whenever they are asked for."""
        space = copy.deepcopy(env.action_space)
        space.seed(self.seed)
        return [space.sample() for _ in range(count or self.steps)]

    def play(self, env: Env, seed: int | None) -> list[Moment]:
        """What a seeded environment does with these actions, over as many episodes as they last."""
        return list(moments(env, self.actions(env), seed))


def moments(env: Env, actions: Sequence[Any], seed: int | None) -> Iterator[Moment]:
    """Resets with a seed, then steps; see `go_on`.

    Raises:
        UnplayableError: when the environment raises, or returns something else than it must.
    """
    yield reset(env, seed)
    yield from go_on(env, actions)


def go_on(env: Env, actions: Sequence[Any]) -> Iterator[Moment]:
    """Steps through an episode that has begun, and through those that follow."""
    for step, action in enumerate(actions, start=1):
        try:
            observation, reward, terminated, truncated, _ = env.step(action)
        except Exception as error:
            raise UnplayableError(f"step {step} raised {type(error).__name__}: {first_line(error)}") from error
        yield Moment(copy.deepcopy(observation), reward, terminated, truncated)
        if terminated or truncated:
            yield reset(env, None)


def reset(env: Env, seed: int | None) -> Moment:
    """The first moment of an episode."""
    try:
        observation, _ = env.reset(seed=seed)
    except Exception as error:
        raise UnplayableError(f"reset(seed={seed}) raised {type(error).__name__}: {first_line(error)}") from error
    return Moment(copy.deepcopy(observation))


def first_difference(left: Sequence[Any], right: Sequence[Any]) -> int | None:
    """Where two sequences first differ; None if they do not."""
    for i, (one, other) in enumerate(zip(left, right, strict=False)):
        if not same(one, other):
            return i
    return None if len(left) == len(right) else min(len(left), len(right))


def same(left: Any, right: Any) -> bool:
    """Whether two observations, or moments, are equal to the last bit; an undefined number equals itself."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    return left is right or bool(np.array_equal(left, right, equal_nan=True))
