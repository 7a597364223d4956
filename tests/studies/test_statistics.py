"""Intervals, against cases counted by hand."""

import itertools

import numpy as np
import pytest

from memagents.studies.statistics import (
    interval,
    iqm,
    mean,
    mean_interval,
    median,
    mmer,
    normalised,
    optimality_gap,
    probability_of_improvement,
    profile,
    steps_to,
)


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


SCORES = np.random.default_rng(0).normal(size=(5, 3)) * [1.0, 10.0, 0.1]


def test_aggregates_of_scores_counted_by_hand():
    scores = np.array([[0.0, 1.0], [1.0, 3.0], [5.0, 2.0], [2.0, 90.0]])
    assert mean(scores) == 104 / 8
    assert median(scores) == (2 + 24) / 2
    assert iqm(scores) == (1 + 1 + 2 + 2 + 3 + 5 - 1 - 5) / 4  # of 0 1 1 2 2 3 5 90 the middle four
    assert optimality_gap(scores, target=2.0) == 2 - (0 + 1 + 1 + 2 + 2 + 2 + 2 + 2) / 8


def test_a_quarter_that_is_no_whole_number_of_runs_is_rounded_down():
    assert iqm(np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])) == 2.0
    assert iqm(np.array([[0.0], [4.0], [11.0]])) == 5.0


def test_a_profile_is_the_share_of_runs_above_each_threshold():
    scores = np.array([[0.0, 1.0], [1.0, 3.0]])
    assert profile(scores, np.array([-1.0, 0.0, 0.5, 1.0, 3.0])).tolist() == [1.0, 0.75, 0.75, 0.25, 0.0]


def test_ties_count_half_in_the_probability_of_improvement():
    ours, theirs = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[1.0, 5.0], [0.0, 5.0], [0.0, 5.0]])
    assert probability_of_improvement(ours, theirs) == pytest.approx((5.5 / 6 + 0.0) / 2)
    assert probability_of_improvement(theirs, ours) == pytest.approx(1 - (5.5 / 6 + 0.0) / 2)


@pytest.mark.parametrize("aggregate", [mean, median, iqm, optimality_gap])
def test_aggregates_of_many_drawings_are_those_of_each(aggregate):
    drawings = np.random.default_rng(1).normal(size=(7, 5, 3))
    np.testing.assert_allclose(aggregate(drawings), [aggregate(drawing) for drawing in drawings], rtol=1e-12)


def test_the_runs_of_a_task_are_drawn_from_that_task_alone():
    constant = np.array([[1.0, 100.0]] * 3)
    assert interval(mean, constant).tolist() == [50.5, 50.5]


def test_with_one_task_the_interval_of_the_mean_is_the_plain_one():
    scores = SCORES[:, :1]
    np.testing.assert_allclose(interval(mean, scores), mean_interval(scores[:, 0]), atol=0.05)


def test_the_interval_of_a_mean_over_tasks_is_as_wide_as_the_sum_of_their_variances_says():
    scores = np.random.default_rng(2).normal(size=(40, 4))
    low, high = interval(mean, scores, level=0.95)
    expected = 2 * 1.96 * (scores.var(axis=0) / 40).sum() ** 0.5 / 4
    assert high - low == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("aggregate", [mean, iqm])
def test_an_interval_of_fewer_than_three_runs_is_refused(aggregate):
    with pytest.raises(ValueError, match="at least 3 runs of every task, got 2"):
        interval(aggregate, SCORES[:2])


def test_scores_are_normalised_between_the_memoryless_bound_and_the_best():
    assert normalised(-0.5, memoryless=-0.5, best=1.0) == 0.0
    assert normalised(0.25, memoryless=-0.5, best=1.0) == 0.5
    with pytest.raises(ValueError, match=r"more than the memoryless one, got 0\.0 and 0\.0"):
        normalised(1.0, memoryless=0.0, best=0.0)


def test_mmer_is_the_mean_of_each_runs_best_moment():
    assert mmer(np.array([[0.0, 5.0, 1.0], [3.0, 2.0, 2.0]])) == 4.0


def test_steps_to_a_threshold_are_those_of_the_first_point_there():
    steps, scores = np.array([100.0, 200.0, 300.0, 400.0]), np.array([0.1, 0.9, 0.5, 1.0])
    assert [steps_to(threshold, steps, scores) for threshold in (0.1, 0.6, 0.95, 1.1)] == [100, 200, 400, np.inf]
