"""Means and intervals over seeds."""

import numpy as np
from jaxtyping import Float

FEWEST_SEEDS = 3
"""An interval from fewer runs than this would say more about luck than about the method."""


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
