"""Checks of environments in parallel, as `make_vec_env` gives them."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.specs import Vectorization, choose_vectorization, find_spec
from memagents.agents.vec_envs import make_vec_env
from memagents.runs.doctor.findings import Finding, broken, ok, warning
from memagents.runs.doctor.playing import Subject, go_on, moments, same

ENOUGH_SECONDS = 0.5
"""How long a speed is measured, at the least."""


def parallel(subject: Subject, n_envs: int, vectorization: Vectorization = "auto") -> VecEnv:
    """Seeded environments."""
    return make_vec_env(subject.env, n_envs, subject.seed, env_kwargs=subject.env_kwargs, vectorization=vectorization)


def actions(subject: Subject, env: VecEnv) -> list[np.ndarray]:
    """For every step an action for every environment."""
    single = subject.make()
    drawn = subject.actions(single, subject.steps * env.num_envs)
    return list(np.array(drawn).reshape(subject.steps, env.num_envs, *np.shape(drawn[0])))


def autoreset(subject: Subject) -> Finding:
    """Whether an episode that ends is reported, and the next one begins at once."""
    with closing(parallel(subject, 2)) as env:
        env.reset()
        ended = 0
        for batch in actions(subject, env):
            observations, _, dones, infos = env.step(batch)
            for row in map(int, np.flatnonzero(dones)):
                ended += 1
                if fix := why_wrong_end(env, infos[row], row_of(observations, row)):
                    return broken(f"an episode of {subject.env} ended wrongly", fix)
    if not ended:
        return warning(f"no episode ended in {subject.steps:,} steps of two", "try more --steps")
    return ok(f"{ended} episodes ended, and every one was followed by the next at once")


def why_wrong_end(env: VecEnv, info: dict[str, Any], first: Any) -> str:
    """What is missing from the info of an ended episode, or wrong with the first observation of the next."""
    if missing := [name for name in ("terminal_observation", "episode", "TimeLimit.truncated") if name not in info]:
        return f"its info must hold {', '.join(missing)}"
    return "" if in_space(env, first) else "the next episode's first observation must lie in the space"


def in_space(env: VecEnv, observation: Any) -> bool:
    """Whether an observation of one row lies in the space; those of several entries are not looked into."""
    return isinstance(observation, dict | tuple) or env.observation_space.contains(observation)


def row_of(observations: Any, row: int) -> Any:
    """The observation of one environment."""
    return {k: v[row] for k, v in observations.items()} if isinstance(observations, dict) else observations[row]


def rows_are_single_environments(subject: Subject) -> Finding:
    """Whether a natively batched environment does in every row what the single one does."""
    if choose_vectorization("auto", find_spec(subject.env)) != "batched":
        return ok("there is no natively batched version")
    rows = min(subject.n_envs, 4)
    with closing(parallel(subject, rows, "batched")) as batch, closing(parallel(subject, rows, "dummy")) as singles:
        for step, (ours, theirs) in enumerate(zip(lived(subject, batch), lived(subject, singles), strict=True)):
            if not same(ours, theirs):
                return broken(
                    f"step {step}: a row of the batch differs from the single environment with its seed",
                    "row i of a batch seeded with s must live as a single environment seeded with s + i",
                )
    return ok("every row does what a single environment with its seed does")


def lived(subject: Subject, env: VecEnv) -> Iterator[Any]:
    """Observations, and with them rewards and dones after every step."""
    yield env.reset()
    for batch in actions(subject, env):
        yield env.step(batch)[:3]


def speed(subject: Subject) -> Finding:
    """Steps per second, of one environment and of all in parallel."""
    env = subject.make()
    list(moments(env, [], subject.seed))
    drawn = subject.actions(env)
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < ENOUGH_SECONDS:
        for _ in go_on(env, drawn):
            pass
        steps += len(drawn)
    alone = steps / (time.perf_counter() - started)
    return ok(f"{alone:,.0f} steps/s alone, {together(subject):,.0f} as {subject.n_envs} of {backend_of(subject)}")


def together(subject: Subject) -> float:
    """Steps per second of all environments in parallel."""
    with closing(parallel(subject, subject.n_envs)) as env:
        env.reset()
        drawn = actions(subject, env)
        steps, started = 0, time.perf_counter()
        while time.perf_counter() - started < ENOUGH_SECONDS:
            for batch in drawn:
                env.step(batch)
                steps += len(batch)
        return steps / (time.perf_counter() - started)


def backend_of(subject: Subject) -> str:
    """Which vectorization `make_vec_env` chooses."""
    return f"vectorization={choose_vectorization('auto', find_spec(subject.env))!r}"
