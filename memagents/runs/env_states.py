"""What environments are about to do, as plain values: so that a run goes on where it stood, without a pickle.

What is plain in an environment (numbers, arrays, random generators, and containers and objects made of them) is
written, and put back into environments that were made alike. What is not, such as a window or a physics engine, is
taken to be as it was made. Whether that is enough is not believed but proved, by stepping two environments side by side
(`is_exact`). An environment can also say itself what decides its future: by `get_state()`, plain values or a named
tuple of them, and `set_state(state)`.
"""

import copy
import io
import warnings
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeAlias

import numpy as np
from gymnasium import Space, spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.archives import read_archive, write_archive
from memagents.agents.encoding import Encoder, NotPlainError, like
from memagents.runs.generators import kept_generators

Captured: TypeAlias = dict[str, Any]

UNIMPORTANT = {"spec", "metadata", "class_attributes", "buf_infos", "reset_infos", "render_mode", "num_envs"}
"""Attributes that decide nothing."""

STATISTICS = {"episode_returns", "episode_lengths", "episode_times"}
"""Attributes of a Monitor that grow with every episode, and that only a person asks for."""

STEPS = 100
"""How long two environments are compared."""


class CannotRestoreError(Exception):
    """Environments that are not made alike."""


def capture(value: Any, seen: set[int] | None = None) -> Captured:
    """All that is plain in an environment, or in anything that it is made of."""
    seen = set() if seen is None else seen
    if isinstance(value, np.random.Generator):
        return {"kind": "generator", "state": once(value, seen, lambda: value.bit_generator.state)}
    if isinstance(value, Space):
        return {"kind": "space", "state": once(value, seen, lambda: space_generators(value))}
    if callable(getattr(value, "get_state", None)) and callable(getattr(value, "set_state", None)):
        return {"kind": "protocol", "state": once(value, seen, value.get_state)}
    if is_plain(value):
        return {"kind": "value", "value": value}
    if isinstance(value, list | tuple):
        return {"kind": "items", "items": [capture(item, seen) for item in value]}
    if isinstance(value, dict):
        return {"kind": "entries", "entries": [[key, capture(x, seen)] for key, x in value.items() if is_plain(key)]}
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        return {"kind": "object", "state": once(value, seen, lambda: attributes(value, seen))}
    return {"kind": "opaque"}


def attributes(value: Any, seen: set[int]) -> dict[str, Captured]:
    """What is plain in the attributes of an object."""
    skipped = UNIMPORTANT | STATISTICS if isinstance(value, Monitor) else UNIMPORTANT
    return {name: capture(inner, seen) for name, inner in vars(value).items() if name not in skipped}


def once(value: Any, seen: set[int], read: Callable[[], Any]) -> Any:
    """What `read` gives, the first time this object is met; None afterwards."""
    if id(value) in seen:
        return None
    seen.add(id(value))
    return read()


def is_plain(value: Any) -> bool:
    """Whether JSON and tensors can express a value."""
    try:
        Encoder().encode(value, "")
    except NotPlainError:
        return False
    return True


def space_generators(space: Space[Any]) -> list[Any]:
    """The states of a space's random generators; of one that was never used, None."""
    inner = space.spaces.values() if isinstance(space, spaces.Dict) else ()
    own = space._np_random
    return [own and own.bit_generator.state, *(space_generators(part) for part in inner)]


def restore(target: Any, captured: Captured) -> Any:
    """Puts into `target`, made alike, what was captured; returns what is to stand in its place.

    Raises:
        CannotRestoreError: if it was not made alike.
    """
    kind = captured["kind"]
    if kind == "value":
        return captured["value"]
    if kind == "items":
        if not isinstance(target, list | tuple) or len(target) != len(captured["items"]):
            raise CannotRestoreError(f"expected {len(captured['items'])} items, got {target}")
        return type(target)(map(restore, target, captured["items"]))
    if kind == "entries":
        target.update({key: restore(target[key], inner) for key, inner in captured["entries"] if key in target})
    elif kind in RESTORE and captured["state"] is not None:
        RESTORE[kind](target, captured["state"])
    return target


def restore_attributes(target: Any, state: dict[str, Captured]) -> None:
    """Puts back what is plain in the attributes of an object."""
    for name, inner in state.items():
        if name in UNIMPORTANT:
            continue
        if callable(getattr(type(target), name, None)) or not is_alike(vars(target), name, inner):
            raise CannotRestoreError(f"{type(target).__name__} has no such attribute {name}")
        vars(target)[name] = restore(vars(target).get(name), inner)


def is_alike(attributes: dict[str, Any], name: str, captured: Captured) -> bool:
    """Whether what was captured can take its place: a value that of a value, or none, and anything else its own."""
    if captured["kind"] == "value":
        return name not in attributes or is_plain(attributes[name])
    return name in attributes


def restore_by_protocol(target: Any, state: Any) -> None:
    """Gives an object the state that it gave."""
    target.set_state(like(target.get_state(), state))


def restore_generator(target: np.random.Generator, state: dict[str, Any]) -> None:
    """Puts a random generator where it stood."""
    target.bit_generator.state = state


def restore_space(space: Space[Any], generators: list[Any]) -> None:
    """Puts the states of a space's random generators back."""
    own, *inner = generators
    if own is not None:
        space.np_random.bit_generator.state = own
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else ()
    for part, states in zip(parts, inner, strict=True):
        restore_space(part, states)


RESTORE: dict[str, Callable[[Any, Any], None]] = {
    "object": restore_attributes,
    "protocol": restore_by_protocol,
    "generator": restore_generator,
    "space": restore_space,
}


def restore_env(env: VecEnv, captured: Captured) -> None:
    """Makes environments, made alike, go on as the captured ones would have."""
    # Much is made by the first reset only, random generators before all.
    env.reset()
    restore(env, captured)


def is_exact(build: Callable[[int], VecEnv]) -> bool:
    """Whether environments go on exactly from what can be captured of them: tried on two, as far as a trial can tell.

    Not to be asked of those in processes of their own: what is here of them is their connections.

    Args:
        build: makes environments for a seed.
    """
    with kept_generators(), warnings.catch_warnings(), closing(build(1)) as first, closing(build(2)) as second:
        warnings.simplefilter("ignore")  # the run will warn of its own environments
        actions = copy.deepcopy(first.action_space)
        actions.seed(0)
        try:
            first.reset()
            for _ in range(STEPS):
                first.step(np.stack([actions.sample() for _ in range(first.num_envs)]))
            contents = write_archive({}, {"state": capture(first)}, {})
            restore_env(second, read_archive(io.BytesIO(contents), "state").section("state"))
            return all(steps_alike(first, second, actions) for _ in range(STEPS))
        # An environment may answer a state that is not its own with any error; one of its own the run will meet too.
        except Exception:
            return False


def steps_alike(first: VecEnv, second: VecEnv, actions: Space[Any]) -> bool:
    """Takes a step in both, and tells whether the same came of it."""
    chosen = np.stack([actions.sample() for _ in range(first.num_envs)])
    (*ours, _), (*theirs, _) = first.step(chosen), second.step(chosen)
    return all(same(one, other) for one, other in zip(ours, theirs, strict=True))


def same(one: Any, other: Any) -> bool:
    """Whether two arrays, or two dicts of arrays, are equal to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
