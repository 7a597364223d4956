"""From a study to its runs: the grid, with what each part of it has of its own, and controls."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

from memagents.agents.specs import can_reveal, find_spec
from memagents.kinds import check_kinds
from memagents.memories.registry import memory_options
from memagents.runs.config import Settings, TrainConfig, parse_arguments, short_name
from memagents.runs.validation import did_you_mean
from memagents.studies.config import AXES, CompareConfig

CONTROL = "none"
"""The memory of agents without one."""

SETTINGS = [field.name for field in fields(Settings)]


@dataclass(frozen=True)
class Entry:
    """One value of an axis of the grid, such as `lstm hidden_size=64`.

    Attributes:
        name: what is registered.
        arguments: those that stand behind the name.
        settings: what the study says that runs with it have of their own.
    """

    name: str
    arguments: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, text: str, own: Mapping[str, Mapping[str, Any]]) -> "Entry":
        """Reads an entry. What is its own may be listed under its name, and under all of the text.

        Raises:
            ValueError: if what follows the name is not of the form `name=value`.
        """
        name, *arguments = text.split()
        return cls(name, parse_arguments(arguments), merged(own.get(name, {}), own.get(text, {})))


def cells(config: CompareConfig) -> list[TrainConfig]:
    """The runs of a study, the seeds of a combination next to each other.

    Raises:
        ValueError: for a grid that is empty or names a thing twice, and for what is no setting of its parts. Whether
            each run can work is checked by whoever trains it.
    """
    check_grid(config)
    combinations = [*grid(config), *(controls(config) if config.controls else ())]
    return [
        replace(run, seed=seed, folder=run.run_folder.with_name(f"{run.run_folder.name}-seed{seed}"))
        for run in combinations
        for seed in range(config.seeds)
    ]


def grid(config: CompareConfig) -> Iterator[TrainConfig]:
    """Every environment with every memory and every algorithm."""
    for env, memory, algo in itertools.product(config.env, config.memory, config.algo):
        yield combine(config, env, memory, algo)


def controls(config: CompareConfig) -> Iterator[TrainConfig]:
    """Agents without memory, from whom the hidden state is hidden, and from whom it is not.

    They tell whether memory is needed, and whether it is memory that is missing. The second kind is there where
    environments can show their hidden state.
    """
    is_there = any(memory.split()[0] == CONTROL for memory in config.memory)
    for env, algo in itertools.product(config.env, config.algo):
        control = combine(config, env, CONTROL, algo)
        if not is_there:
            yield control
        if can_reveal(find_spec(control.env)) and not control.full_observation:
            folder = control.run_folder.with_name(f"{CONTROL}-full_observation-{algo}")
            # What it sees is a Dict, which the given policy and encoder may not read.
            yield replace(control, full_observation=True, folder=folder, policy=None, encoder=None, encoder_kwargs={})


def combine(config: CompareConfig, env: str, memory: str, algo: str) -> TrainConfig:
    """One combination: what is shared, then what is its own, and last the arguments behind names."""
    place, backbone, learner = (
        Entry.of(text, config.own.get(axis, {})) for axis, text in zip(AXES, (env, memory, algo), strict=True)
    )
    # The control without a memory has no `hidden_size`: a memory gets the arguments it has.
    options = memory_options(backbone.name)
    has = {name: value for name, value in config.memory_kwargs.items() if name in options}
    settings: dict[str, Any] = {name: getattr(config, name) for name in SETTINGS} | {"memory_kwargs": has}
    for entry in (place, backbone, learner):
        settings = merged(settings, entry.settings)
    settings = merged(settings, {"env_kwargs": place.arguments, "memory_kwargs": backbone.arguments})
    folder = config.folder / in_a_path(short_name(env)) / f"{in_a_path(memory)}-{algo}"
    return TrainConfig(**settings, env=place.name, memory=backbone.name, algo=algo, folder=folder)  # type: ignore[arg-type]


def merged(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, and others that come before them; arguments are put together name by name."""
    both = {**settings, **more}
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(settings.get(name), Mapping):
            both[name] = {**settings[name], **value}
    return both


def in_a_path(entry: str) -> str:
    """An entry as the name of a folder: `TMaze-v0,corridor_length=30`."""
    return re.sub(r"[^\w.,=+-]+", "_", ",".join(entry.split()))


def check_grid(config: CompareConfig) -> None:
    """Raises ValueError for what is no grid, and for what the study says of things that are not in it."""
    for name in ("seeds", "jobs"):
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(config, name)}")
    for axis in AXES:
        values = getattr(config, axis)
        if not values or len(set(values)) < len(values) or not all(map(str.split, values)):
            raise ValueError(f"{axis} needs one or more different values, got {', '.join(values) or 'none'}")
    check_memory_kwargs(config)
    check_own(config)


def check_memory_kwargs(config: CompareConfig) -> None:
    """Raises ValueError for an argument that none of the memories has."""
    names = [memory.split()[0] for memory in config.memory]
    options = [option for memory in names for option in memory_options(memory)]
    for name in config.memory_kwargs:
        if name not in options:
            known = ", ".join(dict.fromkeys(options)) or "nothing"
            raise ValueError(f"none of the memories {', '.join(names)} has an option {name!r}; they have {known}")


def check_own(config: CompareConfig) -> None:
    """Raises ValueError for settings of their own that belong to nothing in the grid, or are none."""
    for axis, entries in config.own.items():
        check_known(axis, AXES, "own: nothing in a study is called")
        texts = (*getattr(config, axis), *((CONTROL,) if axis == "memory" else ()))
        known = list(dict.fromkeys([*texts, *(text.split()[0] for text in texts)]))
        for entry, settings in entries.items():
            check_known(entry, known, f"own, {axis}: the study has no")
            for name in settings:
                check_known(name, SETTINGS, f"own, {axis}, {entry}: there is no setting")
            check_kinds(settings, get_type_hints(Settings), f"own, {axis}, {entry}: ")


def check_known(name: str, known: Iterable[str], said: str) -> None:
    """Raises ValueError for a name that is not among those that are known."""
    known = list(known)
    if name not in known:
        raise ValueError(f"{said} {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
