"""What a study found: its runs as the numbers that a report shows.

A task is an environment with its arguments; a method is what was compared on it, a memory with an algorithm.
"""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float

from memagents.runs.results import RunResult
from memagents.studies.curves import on_common_steps
from memagents.studies.naming import Method, Task, methods_of, tasks_of
from memagents.studies.statistics import (
    FEWEST_SEEDS,
    interval,
    iqm,
    mean_interval,
    mmer,
    normalised,
    probability_of_improvement,
    steps_to,
)

POINTS = 100
"""Of a learning curve on the page; more are not seen."""


@dataclass(frozen=True)
class Estimate:
    """A figure, with its 95 % interval where there are seeds enough."""

    value: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float, bounds: Float[np.ndarray, " 2"] | None) -> "Estimate":
        """From what the statistics return."""
        return cls(float(value)) if bounds is None else cls(float(value), float(bounds[0]), float(bounds[1]))

    @property
    def complement(self) -> "Estimate":
        """What is missing to 1."""
        return Estimate(1 - self.value, *(None if bound is None else 1 - bound for bound in (self.high, self.low)))

    def is_above(self, other: "Estimate") -> bool:
        """Whether this interval lies above the other one; never without both."""
        return self.low is not None and other.high is not None and self.low > other.high


@dataclass(frozen=True)
class Curve:
    """Learning curves of one method on one task, at common steps.

    Attributes:
        steps: of the environments.
        seeds: a curve for each seed.
        band: the lower and upper bound of the mean's interval, where there are seeds enough.
    """

    steps: Float[np.ndarray, " points"]
    seeds: Float[np.ndarray, "seeds points"]
    band: Float[np.ndarray, "2 points"] | None

    @cached_property
    def mean(self) -> Float[np.ndarray, " points"]:
        """The mean over seeds."""
        return np.asarray(self.seeds.mean(axis=0))


@dataclass(frozen=True)
class Cell:
    """The runs of one method on one task, which differ in their seed alone."""

    task: Task
    method: Method
    runs: Sequence[RunResult]

    @cached_property
    def scores(self) -> list[float]:
        """Every seed's score, in the task's own measure."""
        return [run.score for run in self.runs]

    @cached_property
    def score(self) -> Estimate:
        """The mean score over seeds."""
        return mean_over_seeds(self.scores)

    @cached_property
    def normalised(self) -> list[float] | None:
        """Every seed's return between the bound without memory, 0, and the best, 1, where the bounds are known."""
        if self.task.bounds is None:
            return None
        memoryless, best = self.task.bounds
        return [normalised(run.evaluation.mean_return, memoryless=memoryless, best=best) for run in self.runs]

    @cached_property
    def curves(self) -> list[tuple[list[int], list[float]]]:
        """Every seed's learning curve, empty for a run that was too short."""
        return [run.curve() for run in self.runs]

    @cached_property
    def curve(self) -> Curve | None:
        """How the method learned; None if every run was too short to tell."""
        curves = [curve for curve in self.curves if curve[0]]
        if not curves:
            return None
        steps, seeds = on_common_steps(curves, POINTS)
        return Curve(steps, seeds, mean_interval(seeds, resamples=1_000))

    @cached_property
    def steps_to_threshold(self) -> list[float] | None:
        """Every seed's steps to the task's threshold, infinite where it was not reached; None if there is none."""
        threshold = self.task.threshold
        if threshold is None:
            return None
        return [steps_to(threshold, np.array(steps, float), np.array(scores)) for steps, scores in self.curves]

    @cached_property
    def mmer(self) -> float | None:
        """POPGym's MMER; None if a run was too short to have a return while training."""
        returns = [run.curve("mean return")[1] for run in self.runs]
        return float(np.mean([mmer(np.array([curve])) for curve in returns])) if all(returns) else None

    @property
    def parameters(self) -> int:
        """Trained parameters of an agent."""
        return self.runs[0].parameters

    @property
    def state_bytes(self) -> int | None:
        """Bytes kept of one environment from step to step."""
        return self.runs[0].state_bytes

    @property
    def steps_per_second(self) -> float:
        """Environment steps for each second of training."""
        return float(np.mean([run.steps_per_second for run in self.runs]))


@dataclass(frozen=True)
class Overall:
    """One method over all tasks that are compared.

    Attributes:
        method: which.
        scores: on the scale of the study, a row for each seed and a column for each task.
        steps_per_second: environment steps for each second of training, over all these runs.
        parameters: trained parameters of the agent, the mean over tasks.
    """

    method: Method
    scores: Float[np.ndarray, "seeds tasks"]
    steps_per_second: float
    parameters: float

    @cached_property
    def iqm(self) -> Estimate:
        """The interquartile mean."""
        return self.estimate(iqm)

    def estimate(self, aggregate: Callable[..., np.ndarray]) -> Estimate:
        """An aggregate of the scores, with its interval where there are seeds enough."""
        enough = len(self.scores) >= FEWEST_SEEDS
        return Estimate.of(float(aggregate(self.scores)), interval(aggregate, self.scores) if enough else None)

    def of_each_seed(self, aggregate: Callable[..., np.ndarray]) -> list[float]:
        """The same aggregate of one seed at a time."""
        return [float(aggregate(row[None])) for row in self.scores]

    def improvement_on(self, other: "Overall") -> Estimate:
        """How likely a run of this method is better than one of another, on average over tasks."""
        matrices = self.scores, other.scores
        enough = min(map(len, matrices)) >= FEWEST_SEEDS
        bounds = interval(probability_of_improvement, *matrices, resamples=2_000) if enough else None
        return Estimate.of(float(probability_of_improvement(*matrices)), bounds)


@dataclass(frozen=True)
class Findings:
    """All that a report shows.

    Attributes:
        runs: the finished runs.
        unfinished: folders of the others, and why they are not finished.
        tasks: in the order of the runs.
        methods: in the order of the runs.
        cells: what was found for each task and method that have a finished run.
    """

    runs: Sequence[RunResult]
    unfinished: Mapping[Path, str]
    tasks: Sequence[Task]
    methods: Sequence[Method]
    cells: Sequence[Cell]

    @classmethod
    def of(cls, runs: Sequence[RunResult], unfinished: Mapping[Path, str]) -> "Findings":
        """Sorts runs by task and method.

        Raises:
            ValueError: if the same run is there twice.
        """
        tasks = tasks_of(runs)
        methods = methods_of(runs, tasks)
        grouped: dict[tuple[Task, Method], list[RunResult]] = {}
        for run, task, method in zip(runs, tasks, methods, strict=True):
            grouped.setdefault((task, method), []).append(run)
        cells = [Cell(*of, sorted(same, key=lambda run: run.config.seed)) for of, same in grouped.items()]
        for cell in cells:
            check_seeds(cell)
        return cls(runs, unfinished, list(dict.fromkeys(tasks)), list(dict.fromkeys(methods)), cells)

    def cell(self, task: Task, method: Method) -> Cell | None:
        """What was found for a task and a method."""
        return self._by_name.get((task, method))

    @cached_property
    def _by_name(self) -> dict[tuple[Task, Method], Cell]:
        return {(cell.task, cell.method): cell for cell in self.cells}

    @cached_property
    def scale(self) -> str:
        """What scores are compared in over all tasks."""
        if any(task.bounds for task in self.tasks):
            return "normalised return"
        return "success rate" if any(task.measure == "success rate" for task in self.tasks) else "mean return"

    @cached_property
    def compared(self) -> list[Task]:
        """The tasks that have scores on the scale, and finished runs of every method."""
        return [task for task in self.tasks if self.is_on_scale(task) and not self.missing(task)]

    def is_on_scale(self, task: Task) -> bool:
        """Whether a task has scores on the scale of the study."""
        return task.bounds is not None if self.scale == "normalised return" else task.measure == self.scale

    def missing(self, task: Task) -> list[Method]:
        """The methods of which no run is finished on a task."""
        return [method for method in self.methods if self.cell(task, method) is None]

    @cached_property
    def overall(self) -> list[Overall]:
        """Every method over all tasks compared, the best first; empty if there is no such task."""
        if not self.compared:
            return []
        by_method = [[self._by_name[task, method] for task in self.compared] for method in self.methods]
        return sorted((self.over_tasks(cells) for cells in by_method), key=lambda found: -found.iqm.value)

    def over_tasks(self, cells: Sequence[Cell]) -> Overall:
        """One method over tasks. Each gives as many seeds as the one that has fewest, those with the lowest numbers."""
        seeds = min(len(cell.runs) for cell in cells)
        scores = [
            (cell.normalised or cell.scores) if self.scale == "normalised return" else cell.scores for cell in cells
        ]
        runs = list(itertools.chain.from_iterable(cell.runs for cell in cells))
        return Overall(
            cells[0].method,
            np.array([column[:seeds] for column in scores]).T,
            sum(run.record["timesteps"] for run in runs) / sum(run.record["seconds"] for run in runs),
            float(np.mean([cell.parameters for cell in cells])),
        )

    @cached_property
    def root(self) -> Path:
        """The folder that all runs are in."""
        folders = [*(run.folder for run in self.runs), *self.unfinished]
        return Path(os.path.commonpath([folder.absolute().parent for folder in folders]))


def mean_over_seeds(scores: Sequence[float]) -> Estimate:
    """The mean of scores with its bootstrap interval."""
    samples = np.array(scores)
    return Estimate.of(float(samples.mean()), mean_interval(samples))


def check_seeds(cell: Cell) -> None:
    """Raises ValueError if a seed was counted twice, which would make intervals narrower than they are."""
    for one, other in itertools.pairwise(cell.runs):
        if one.config.seed == other.config.seed:
            raise ValueError(
                f"{one.folder} and {other.folder} hold the same run, {cell.method.name} on {cell.task.name} with seed "
                f"{one.config.seed}, and would count as two; move one of them out of the study"
            )
