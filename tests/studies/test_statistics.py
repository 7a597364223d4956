"""Intervals, against cases counted by hand."""

import itertools

import numpy as np
import pytest

from memagents.studies.statistics import mean_interval


def every_resampled_mean(samples: list[float]) -> list[float]:
    return [float(np.mean(draw)) for draw in itertools.product(samples, repeat=len(samples))]


def test_seeds_that_agree_leave_no_doubt():
    assert mean_interval(np.array([0.5, 0.5, 0.5])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("n", [1, 2])
def test_there_is_no_interval_below_three_seeds(n):
    assert mean_interval(np.arange(n, dtype=float)) is None


def test_three_seeds_can_be_drawn_in_27_ways_so_the_interval_reaches_their_extremes():
    # Each extreme has probability 1/27 = 3.7 %, more than the 2.5 % of a tail.
    assert mean_interval(np.array([0.0, 1.0, 5.0])) == pytest.approx([0.0, 5.0])


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_the_interval_is_that_of_all_possible_draws(level):
    samples = [0.1, 0.35, 0.2, 0.9, 0.55]
    tail = (1 - level) / 2
    exact = np.quantile(every_resampled_mean(samples), [tail, 1 - tail])
    assert mean_interval(np.array(samples), level=level) == pytest.approx(exact, abs=0.015)


def test_the_interval_is_the_same_whenever_it_is_computed():
    samples = np.random.default_rng(1).normal(size=5)
    assert np.array_equal(mean_interval(samples), mean_interval(samples))
    assert not np.array_equal(mean_interval(samples), mean_interval(samples, seed=1))


def test_a_curve_has_the_intervals_of_its_points():
    samples = np.random.default_rng(1).normal(size=(4, 3))
    expected = np.stack([mean_interval(samples[:, i]) for i in range(3)], axis=1)
    assert mean_interval(samples) == pytest.approx(expected)
