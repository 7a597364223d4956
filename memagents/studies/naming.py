"""Names for what a study compared, and on what: as short as they can be and still tell all of it apart."""

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from memagents.runs.config import Settings, TrainConfig, short_name
from memagents.runs.folder import INCIDENTAL
from memagents.runs.results import RunResult

THRESHOLD = 0.9
"""What counts as learned: this success rate, or this share of the way from the best return without memory to the best
of all."""

NO_METHOD = (*INCIDENTAL, "env_kwargs", "eval_episodes", "checkpoint_every", "log")
"""Settings that do not make another method."""


@dataclass(frozen=True)
class Task:
    """An environment with its arguments.

    Attributes:
        name: the id without module and namespace, and the arguments that tell it from another task.
        measure: what a score is, "success rate" or "mean return".
        bounds: the best return without memory and the best of all, where the environment declares them.
    """

    name: str
    measure: str
    bounds: tuple[float, float] | None

    @property
    def threshold(self) -> float | None:
        """The score that counts as learned; None where nothing says what a good return is."""
        if self.measure == "success rate":
            return THRESHOLD
        if self.bounds is None:
            return None
        memoryless, best = self.bounds
        return memoryless + THRESHOLD * (best - memoryless)


@dataclass(frozen=True)
class Method:
    """A memory with an algorithm.

    Attributes:
        memory: the memory's name.
        algo: the algorithm's name.
        settings: others that tell it from a method of the same memory and algorithm, as `, hidden_size=64`.
        names_algo: whether the algorithm tells it from another method.
    """

    memory: str
    algo: str
    settings: str
    names_algo: bool

    @property
    def kind(self) -> str:
        """The memory with the settings, where the algorithm is told elsewhere."""
        return f"{self.memory}{self.settings}"

    @property
    def name(self) -> str:
        """All that tells it from the others."""
        return f"{self.memory} ({self.algo.upper()}){self.settings}" if self.names_algo else self.kind


def tasks_of(runs: Sequence[RunResult]) -> list[Task]:
    """The task of each run."""
    settings = [{"env": run.config.env} | run.config.env_kwargs for run in runs]
    plain = [short_name(run.config.env) for run in runs]
    differences = differing(plain, settings, [None] * len(runs))
    names = [f"{name}{difference}" for name, difference in zip(plain, differences, strict=True)]
    bounds: dict[str, tuple[float, float] | None] = {}
    for name, run in zip(names, runs, strict=True):
        # Runs of before bounds were recorded share those of newer ones.
        bounds[name] = bounds.get(name) or run.bounds
    tasks = {name: Task(name, run.evaluation.measure, bounds[name]) for name, run in zip(names, runs, strict=True)}
    return [tasks[name] for name in names]


def methods_of(runs: Sequence[RunResult], tasks: Sequence[Task]) -> list[Method]:
    """The method of each run.

    A setting belongs to the name only if it differs between runs of one task and seed: hidden sizes that were chosen
    for each task, say, do not make another method on each.
    """
    several = len({run.config.algo for run in runs}) > 1
    plain = [(run.config.memory, run.config.algo) for run in runs]
    places = [(task, run.config.seed) for task, run in zip(tasks, runs, strict=True)]
    differences = differing(plain, [settings_of(run.config) for run in runs], places)
    return [Method(*names, settings, several) for names, settings in zip(plain, differences, strict=True)]


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The settings that may make another method, arguments of memory, encoder and algorithm among them."""
    settings: dict[str, Any] = {}
    for field in fields(Settings):
        value = getattr(config, field.name)
        if field.name not in NO_METHOD:
            settings |= value if isinstance(value, dict) else {field.name: value}
    return settings


def differing(names: Sequence[Hashable], settings: Sequence[dict[str, Any]], places: Sequence[Hashable]) -> list[str]:
    """For each run the settings that differ between runs of its name and place, as `, hidden_size=64`; mostly empty."""
    groups: dict[tuple[Hashable, Hashable], list[dict[str, Any]]] = {}
    for name, setting, place in zip(names, settings, places, strict=True):
        groups.setdefault((name, place), []).append(setting)
    found: dict[Hashable, set[str]] = {name: set() for name in names}
    for (name, _), members in groups.items():
        options = set(itertools.chain.from_iterable(members))
        found[name] |= {option for option in options if len({repr(member.get(option)) for member in members}) > 1}
    return [
        "".join(worded(option, value) for option, value in setting.items() if option in found[name])
        for name, setting in zip(names, settings, strict=True)
    ]


def worded(option: str, value: Any) -> str:
    """A setting behind a name; one that is on is its own name, and one that is off is nothing."""
    if isinstance(value, bool):
        return f", {option}" if value else ""
    return f", {option}={value}"
