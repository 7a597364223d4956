"""What can be said of a few runs: aggregates, and intervals that say how far to trust them.

Scores are a matrix [runs, tasks]; a run is a seed, a task an environment. After Agarwal et al., "Deep Reinforcement
Learning at the Edge of the Statistical Precipice", NeurIPS 2021; the tests hold it against their library, rliable.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

FEWEST_SEEDS = 3
"""An interval from fewer runs than this would say more about luck than about the method."""

Scores: TypeAlias = Float[np.ndarray, "*draws runs tasks"]
"""A matrix of scores, or as many of them as there are draws."""


def mean_interval(
    samples: Float[np.ndarray, "seeds ..."], *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Float[np.ndarray, "2 ..."] | None:
    """Percentile-bootstrap interval of the mean over seeds (Efron 1979), point by point.

    Args:
        samples: one row for each seed.
        level: share of the resampled means inside the interval.
        resamples: how often the seeds are drawn anew, with replacement.
        seed: of the drawing, so that a table is the same whenever it is made.

    Returns:
        The lower and the upper bound; None for fewer than three seeds.
    """
    n = len(samples)
    if n < FEWEST_SEEDS:
        return None
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
    # How often each seed is drawn, over n: resampled means become one matrix product.
    weights = (draws[:, :, None] == np.arange(n)).sum(axis=1) / n
    means = np.tensordot(weights, samples, axes=1)
    tail = (1 - level) / 2
    return np.quantile(means, [tail, 1 - tail], axis=0)


def mean(scores: Scores) -> Float[np.ndarray, "*draws"]:
    """The mean over runs and tasks."""
    return np.asarray(scores.mean(axis=(-2, -1)))


def median(scores: Scores) -> Float[np.ndarray, "*draws"]:
    """The median over tasks of the mean over runs."""
    return np.asarray(np.median(scores.mean(axis=-2), axis=-1))


def iqm(scores: Scores) -> Float[np.ndarray, "*draws"]:
    """The interquartile mean: of all runs of all tasks, without the lowest and the highest quarter.

    A quarter is rounded down to whole runs.
    """
    ordered = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def optimality_gap(scores: Scores, target: float = 1.0) -> Float[np.ndarray, "*draws"]:
    """By how much runs fall short of a target, on average; those beyond it do not make up for others."""
    return np.asarray(target - np.minimum(scores, target).mean(axis=(-2, -1)))


def profile(scores: Scores, thresholds: Float[np.ndarray, " levels"]) -> Float[np.ndarray, "*draws levels"]:
    """The performance profile: the share of runs that score more than each threshold, every task weighing the same."""
    above = scores[..., None] > thresholds
    return np.asarray(above.mean(axis=(-3, -2)))


def probability_of_improvement(
    ours: Scores, theirs: Float[np.ndarray, "*draws others tasks"]
) -> Float[np.ndarray, "*draws"]:
    """How likely a run of ours scores more than one of theirs on the same task, on average over the tasks.

    A tie counts half (the statistic of Mann and Whitney). The two may have different numbers of runs.
    """
    one, other = ours[..., :, None, :], theirs[..., None, :, :]
    wins = (one > other) + 0.5 * (one == other)
    return np.asarray(wins.mean(axis=(-3, -2, -1)))


def interval(
    aggregate: Callable[..., Float[np.ndarray, "*draws"]],
    *scores: Float[np.ndarray, "_ tasks"],
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Float[np.ndarray, "2 ..."]:
    """Stratified percentile-bootstrap interval: the runs of every task are drawn anew, each task for itself.

    Args:
        aggregate: what is computed of every drawing, such as `iqm`.
        scores: what it is computed of; of `probability_of_improvement` two matrices.
        level: share of the drawings inside the interval.
        resamples: how often runs are drawn, with replacement.
        seed: of the drawing.

    Raises:
        ValueError: for fewer than three runs of a task.
    """
    for matrix in scores:
        if len(matrix) < FEWEST_SEEDS:
            raise ValueError(
                f"an interval needs at least {FEWEST_SEEDS} runs of every task, got {len(matrix)}; train more seeds, "
                "or show every run instead"
            )
    generator = np.random.default_rng(seed)
    drawn = []
    for matrix in scores:
        runs = generator.integers(len(matrix), size=(resamples, *matrix.shape))
        drawn.append(np.take_along_axis(matrix[None], runs, axis=1))
    tail = (1 - level) / 2
    bounds: np.ndarray = np.quantile(aggregate(*drawn), [tail, 1 - tail], axis=0)
    return bounds


def normalised(score: float, *, memoryless: float, best: float) -> float:
    """A score on the scale from what is possible without memory, 0, to the best possible, 1.

    Raises:
        ValueError: if the best is not more than what is possible without memory.
    """
    if best <= memoryless:
        raise ValueError(f"the best score must be more than the memoryless one, got {best} and {memoryless}")
    return (score - memoryless) / (best - memoryless)


def mmer(returns: Float[np.ndarray, "runs points"]) -> float:
    """POPGym's "max mean episodic reward": of each run the best mean return of all its rollouts, averaged over runs.

    (Morad et al., ICLR 2023.) It is the best moment of each run, not its end, and so an optimistic figure; it is here
    for comparison with published ones.
    """
    return float(returns.max(axis=1).mean())


def steps_to(threshold: float, steps: Float[np.ndarray, " points"], scores: Float[np.ndarray, " points"]) -> float:
    """Sample efficiency: the steps after which a learning curve first reaches a threshold; infinite if it does not."""
    (reached,) = np.nonzero(scores >= threshold)
    return float(steps[reached[0]]) if len(reached) else float("inf")
