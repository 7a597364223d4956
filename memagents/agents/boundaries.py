"""What passes between an agent and its environments: looked at before a memory, a rollout or an environment takes it.

Axes: B environments (`num_envs`).
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from memagents.agents.observation_parts import Part, parts_of, warn_once
from memagents.errors import (
    BoundaryError,
    EnvironmentFailed,
    MemagentsError,
    NonFiniteAction,
    NonFiniteObservation,
    NonFiniteReward,
    ObservationOutsideSpace,
)

ADVICE: dict[type[BoundaryError], str] = {
    NonFiniteObservation: "look for a division by zero or an overflow in the environment",
    NonFiniteReward: "look for a division by zero or an overflow in the environment",
    NonFiniteAction: "lower the learning_rate, and bring observations and rewards near 1",
}


class Boundary:
    """The checks of everything that an agent gives to environments and gets from them.

    One vectorised look at each array of a batch; where the trouble lies is only sought once there is some.

    Args:
        space: of the observations of one environment.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.parts = parts_of(space)
        self.warned = False

    def step(self, env: VecEnv, actions: np.ndarray, step: int) -> VecEnvStepReturn:
        """`env.step(actions)`, which is step number `step` of each environment.

        Raises:
            BoundaryError: for actions, observations or rewards that cannot be used, and for an environment that fails.
        """
        check_finite(NonFiniteAction, "action", actions, step)
        try:
            results = env.step(actions)
        except MemagentsError:
            raise
        except Exception as error:
            raise EnvironmentFailed(
                f"the environments raised {type(error).__name__} at step {step}: {error}. Which one is not known: "
                "environments from memagents.make_vec_env say it",
                step=step,
            ) from error
        self.check_observations(results[0], step, env)
        check_finite(NonFiniteReward, "reward", results[1], step)
        return results

    def check_observations(self, observations: Any, step: int, env: VecEnv) -> None:
        """Checks a batch of observations, `[B, ...]`.

        Warns once of numbers outside the range of the space, and of another type than it has.

        Raises:
            NonFiniteObservation: for NaN and infinity.
            ObservationOutsideSpace: for another shape, and for a category that there is not.
        """
        for part in self.parts:
            values = part.of(observations)
            if values.shape[1:] != part.shape:
                raise ObservationOutsideSpace(
                    f"observations{part.name} at step {step} have shape {values.shape[1:]}, their space "
                    f"{part.shape}; correct the environments or their space",
                    step=step,
                )
            check_finite(NonFiniteObservation, f"observation{part.name}", values, step)
            if part.is_categorical or not self.warned:
                self._check_range(part, values, step, env)

    def check_terminal(self, observations: Any, step: int, environments: np.ndarray) -> None:
        """Checks the last observations of episodes that were cut off in these environments.

        Raises:
            NonFiniteObservation: for NaN and infinity.
        """
        for part in self.parts:
            name = f"terminal observation{part.name}"
            check_finite(NonFiniteObservation, name, part.of(observations), step, environments)

    def _check_range(self, part: Part, values: np.ndarray, step: int, env: VecEnv) -> None:
        if part.has_foreign_type(values):
            self._warn(f"observation{part.name} has {part.types(values)}", env)
        if part.bounds is None or ((values >= part.bounds[0]) & (values <= part.bounds[1])).all():
            return
        low, high = (np.broadcast_to(bound, values.shape) for bound in part.bounds)
        where = first((values < low) | (values > high))
        found = (
            f"observation{part.name} of environment {where[0]} at step {step} is {values[where]}{component(where)}, "
            f"outside the range of its space, {low[where]} to {high[where]}"
        )
        if part.is_categorical:
            raise ObservationOutsideSpace(
                f"{found}; correct the environment or its space", environment=where[0], step=step
            )
        self._warn(found, env)

    def _warn(self, found: str, env: VecEnv) -> None:
        normalised = unwrap_vec_normalize(env)
        # Normalised observations keep the space of what they were made of.
        if not self.warned and not (normalised is not None and normalised.norm_obs):
            warn_once(found)
        self.warned = True


def check_finite(
    error: type[BoundaryError],
    name: str,
    values: np.ndarray,
    step: int,
    environments: np.ndarray | None = None,
) -> None:
    """Raises `error` if one of the numbers `[B, ...]` is NaN or infinite, which integers never are.

    Row i is of environment `environments[i]`, by default of environment i.
    """
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return
    wrong = ~np.isfinite(values)
    where = first(wrong)
    environment = where[0] if environments is None else int(environments[where[0]])
    raise error(
        f"{name} of environment {environment} at step {step} is {values[where]}{component(where)}, not a finite "
        f"number, and so are {wrong.sum()} of the {wrong.size} numbers of this step; {ADVICE[error]}",
        environment=environment,
        step=step,
    )


def first(wrong: np.ndarray) -> tuple[int, ...]:
    """The index of the first true element."""
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def component(where: tuple[int, ...]) -> str:
    """Where in the array of one environment: ` at index [2, 0]`, or nothing if that is a single number."""
    return f" at index {list(where[1:])}" if len(where) > 1 else ""
