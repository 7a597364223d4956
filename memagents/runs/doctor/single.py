"""Checks of a single environment."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from memagents.runs.doctor.findings import Finding, broken, ok, warning
from memagents.runs.doctor.playing import Subject, first_difference, go_on, reset

SMALLEST_IMAGE = 36
"""Pixels of a side that the encoder `cnn` needs at the least."""


def spaces_are_supported(subject: Subject) -> Finding:
    """Whether agents can read the observations and give the actions."""
    env = subject.make()
    entries = env.observation_space
    parts = entries.spaces if isinstance(entries, spaces.Dict) else {"": entries}
    found = f"observation {plain(entries)}, action {plain(env.action_space)}"
    for name, space in parts.items():
        if fix := why_unreadable(space):
            return broken(f"observation {name + ': ' if name else ''}{plain(space)}", fix)
    if fix := why_impossible(env.action_space):
        return broken(f"action {plain(env.action_space)}", fix)
    if any(is_image_space(space) and min(sorted(space.shape or ())[1:]) < SMALLEST_IMAGE for space in parts.values()):
        return warning(found, f"the encoder cnn needs {SMALLEST_IMAGE} pixels a side: enlarge it, or --encoder flatten")
    return ok(found)


def plain(space: spaces.Space[Any]) -> str:
    """A space on one line."""
    return " ".join(str(space).split())


def why_unreadable(space: spaces.Space[Any]) -> str:
    """Why agents cannot read a space, as what to do about it; empty if they can."""
    if isinstance(space, spaces.Tuple):
        return "wrap it, so that the Tuple becomes a Dict (memagents_envs has TupleToDict)"
    if isinstance(space, spaces.Dict):
        return "a Dict in a Dict: make it one Dict"
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete) and np.any(space.start):
        return "let it start at 0"
    if isinstance(space, spaces.MultiDiscrete) and len(space.shape) != 1:
        return "flatten it to one axis"
    if isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return ""
    return "turn it into numbers (Box, Discrete, MultiDiscrete or MultiBinary), or drop it"


def why_impossible(space: spaces.Space[Any]) -> str:
    """Why agents cannot give actions in a space, as what to do about it; empty if they can."""
    if isinstance(space, spaces.Box):
        return "" if space.is_bounded("both") else "give it finite bounds"
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return why_unreadable(space)
    return "flatten it to a Box, Discrete, MultiDiscrete or MultiBinary"


def observations(subject: Subject) -> Finding:
    """Whether every observation lies in its space, with its dtype. They are counted on over the ends of episodes."""
    env = subject.make()
    played = subject.play(env, subject.seed)
    for step, moment in enumerate(played):
        for problem, fix in misfits(env.observation_space, moment.observation):
            return broken(f"observation {step}: {problem}", fix)
    return ok(f"all {len(played):,} lie in their space")


def misfits(space: spaces.Space[Any], value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """What is wrong with an element of a space, and what to do about it."""
    if isinstance(space, spaces.Dict) and isinstance(value, dict) and value.keys() == space.spaces.keys():
        for key, part in space.spaces.items():
            yield from misfits(part, value[key], f"entry {key!r} ")
    elif isinstance(space, spaces.Box) and isinstance(value, np.ndarray) and value.shape == space.shape:
        yield from misfits_of_numbers(space, value, name)
    elif not space.contains(value):
        shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) else ""
        yield f"{name}must be of {space}, got {type(value).__name__}{shape}: {value!s:.60}", "return an element of it"


def misfits_of_numbers(space: spaces.Box, value: np.ndarray, name: str) -> Iterator[tuple[str, str]]:
    """Wrong dtypes, and numbers beyond the bounds. Undefined ones are the business of `numbers`."""
    if not np.can_cast(value.dtype, space.dtype):
        yield f"{name}is {value.dtype}, its space says {space.dtype}", f"return .astype(np.{space.dtype})"
    outside = (value < space.low) | (value > space.high)
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        bounds = f"[{space.low[place]}, {space.high[place]}]"
        yield f"{name}{place} is {value[place]}, outside {bounds}", "widen the space's bounds, or clip the observation"


def numbers(subject: Subject) -> Finding:
    """Whether observations and rewards are finite numbers."""
    for step, moment in enumerate(subject.play(subject.make(), subject.seed)):
        if not all(np.isfinite(part).all() for part in numeric_parts(moment.observation)):
            return broken(f"observation {step} holds NaN or infinity", "one undefined number ruins all weights")
        if moment.reward is None:
            continue
        if not isinstance(moment.reward, int | float | np.integer | np.floating):
            kind = f"{type(moment.reward).__name__}: {moment.reward!s:.60}"
            return broken(f"the reward with observation {step} is no number but {kind}", "return float(reward)")
        if not np.isfinite(moment.reward):
            return broken(
                f"the reward with observation {step} is {moment.reward}", "one undefined number ruins all weights"
            )
    return ok("all observations and rewards are finite")


def numeric_parts(observation: Any) -> Iterator[Any]:
    """The arrays and numbers in an observation."""
    if isinstance(observation, dict):
        observation = tuple(observation.values())
    if isinstance(observation, tuple):
        for part in observation:
            yield from numeric_parts(part)
    elif np.issubdtype(np.asarray(observation).dtype, np.number):
        yield observation


def ends(subject: Subject) -> Finding:
    """Whether episodes end."""
    env = subject.make()
    played = subject.play(env, subject.seed)
    terminated = sum(bool(moment.terminated) for moment in played)
    truncated = sum(bool(moment.truncated and not moment.terminated) for moment in played)
    if terminated + truncated:
        return ok(f"{terminated} terminated and {truncated} truncated in {subject.steps:,} random steps")
    limit = env.spec.max_episode_steps if env.spec else None
    if limit is not None:
        return ok(f"none in {subject.steps:,} random steps; the time limit is {limit:,}")
    return warning(
        f"none ended in {subject.steps:,} random steps",
        "try more --steps; if there is no time limit, register it with max_episode_steps, or evaluation may never end",
    )


def seeding(subject: Subject) -> Finding:
    """Whether a seed decides everything, in a new environment and in one that has been played."""
    env, fix = subject.make(), "draw everything random from self.np_random, which super().reset(seed=seed) seeds"
    played = subject.play(env, subject.seed)
    for what, other in (("two with the same seed", subject.make()), ("after it was played, the same seed", env)):
        step = first_difference(played, subject.play(other, subject.seed))
        if step is not None:
            return broken(f"{what}: observation, reward or end {step} differs", fix)
    if first_difference(played, subject.play(subject.make(), subject.seed + 1)) is None:
        return warning("two seeds gave the same: nothing in it is random", "nothing, if that is meant")
    return ok("the same seed and actions give the same, bit for bit; another seed gives something else")


def togetherness(subject: Subject) -> Finding:
    """Whether two environments in one process leave each other alone."""
    env, others = subject.make(), (subject.make(), subject.make())
    alone = subject.play(env, subject.seed)
    starts = [[reset(other, subject.seed)] for other in others]
    for action in subject.actions(env):
        for other, past in zip(others, starts, strict=True):
            past.extend(go_on(other, [action]))
    if all(first_difference(alone, past) is None for past in starts):
        return ok("two in one process do not disturb each other")
    return warning(
        "two in one process disturb each other",
        "it draws from a generator that all share (random, np.random): use self.np_random, or vectorization='subproc'",
    )
