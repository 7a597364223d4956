"""What a page shows are the figures of `statistics`, of the right runs."""

import numpy as np
import pytest

from memagents.studies.findings import Estimate, Findings, Overall
from memagents.studies.statistics import interval, iqm, mean, mean_interval, probability_of_improvement

BOUNDS = {"memoryless_return": -0.5, "best_return": 1.5}
ENVS = ("A/One-v0", "A/Two-v0")


@pytest.fixture
def scores() -> np.ndarray:
    """Of two memories on two tasks with three seeds: [memories, seeds, tasks]."""
    return np.random.default_rng(0).uniform(-0.5, 1.5, size=(2, 3, 2)).round(3)


@pytest.fixture
def findings(make_run, scores) -> Findings:
    """Of returns between bounds that the environments declare."""
    runs = [
        make_run(float(scores[m, seed, e]), success=False, record=BOUNDS, env=env, memory=memory, seed=seed)
        for e, env in enumerate(ENVS)
        for m, memory in enumerate(("gru", "lstm"))
        for seed in range(3)
    ]
    return Findings.of(runs, {})


def by_name(findings: Findings) -> dict[str, Overall]:
    return {found.method.name: found for found in findings.overall}


def test_returns_are_normalised_between_the_bounds_that_were_recorded(findings, scores):
    assert findings.scale == "normalised return"
    for m, memory in enumerate(("gru", "lstm")):
        np.testing.assert_allclose(by_name(findings)[memory].scores, (scores[m] + 0.5) / 2, rtol=1e-12)


def test_aggregates_and_intervals_are_those_of_the_statistics(findings, scores):
    for m, memory in enumerate(("gru", "lstm")):
        matrix = (scores[m] + 0.5) / 2
        for aggregate in (iqm, mean):
            estimate = by_name(findings)[memory].estimate(aggregate)
            assert estimate.value == pytest.approx(float(aggregate(matrix)))
            assert (estimate.low, estimate.high) == pytest.approx(tuple(interval(aggregate, matrix)))


def test_the_best_of_all_comes_first(findings):
    first, second = findings.overall
    assert first.iqm.value > second.iqm.value


def test_the_probability_of_improvement_is_that_of_the_statistics_and_its_complement(findings):
    one, other = findings.overall
    estimate = one.improvement_on(other)
    assert estimate.value == float(probability_of_improvement(one.scores, other.scores))
    assert (estimate.low, estimate.high) == pytest.approx(
        tuple(interval(probability_of_improvement, one.scores, other.scores, resamples=2_000))
    )
    assert estimate.complement.value == pytest.approx(other.improvement_on(one).value)
    assert estimate.complement.low == pytest.approx(1 - estimate.high)


def test_the_score_of_a_cell_is_the_mean_over_its_seeds(findings, scores):
    cell = findings.cells[0]
    assert cell.scores == pytest.approx(scores[0, :, 0].tolist())
    assert (cell.score.low, cell.score.high) == pytest.approx(tuple(mean_interval(scores[0, :, 0])))


def test_there_is_no_interval_below_three_seeds(make_run):
    found = Findings.of([make_run(0.5, seed=seed) for seed in range(2)], {})
    assert found.cells[0].score == Estimate(0.5)
    assert found.overall[0].iqm == Estimate(0.5)


def test_an_estimate_is_above_another_only_if_both_intervals_say_so():
    assert Estimate(0.9, 0.8, 1.0).is_above(Estimate(0.5, 0.4, 0.7))
    assert not Estimate(0.9, 0.8, 1.0).is_above(Estimate(0.7, 0.5, 0.8))
    assert not Estimate(0.9, 0.8, 1.0).is_above(Estimate(0.1))
    assert not Estimate(0.9).is_above(Estimate(0.1, 0.0, 0.2))


def test_without_bounds_success_rates_are_compared_where_there_are_some(make_run):
    success, other = make_run(0.75), make_run(30.0, success=False, env=ENVS[0])
    found = Findings.of([success, other], {})
    assert found.scale == "success rate"
    assert [task.name for task in found.compared] == ["TMaze-v0"]
    assert Findings.of([other], {}).scale == "mean return"


def test_bounds_that_say_nothing_are_no_bounds(make_run):
    equal = make_run(1.0, success=False, record={"memoryless_return": 1.0, "best_return": 1.0})
    assert equal.bounds is None
    assert Findings.of([equal], {}).scale == "mean return"


def test_bounds_of_one_run_hold_for_older_ones_of_the_task(make_run):
    old, new = make_run(0.5, success=False), make_run(1.5, success=False, record=BOUNDS, seed=1)
    (cell,) = Findings.of([old, new], {}).cells
    assert cell.normalised == [0.5, 1.0]


def test_only_tasks_with_runs_of_every_method_are_compared_and_as_many_seeds_of_each(make_run):
    runs = [make_run(0.5, env=env, memory=memory, seed=s) for env in ENVS for memory in ("gru", "lstm") for s in (0, 1)]
    runs += [make_run(0.9, env=ENVS[0], memory="gru", seed=2), make_run(0.9, env="A/Three-v0", memory="gru")]
    found = Findings.of(runs, {})
    assert [task.name for task in found.compared] == ["One-v0", "Two-v0"]
    assert {overall.scores.shape for overall in found.overall} == {(2, 2)}
    assert [method.name for method in found.missing(found.tasks[2])] == ["lstm"]


def test_arguments_tell_tasks_apart_where_ids_do_not(make_run, tmp_path):
    lengths = [make_run(0.5, env_kwargs={"corridor_length": n, "pixels": False}, seed=n) for n in (10, 30)]
    assert [task.name for task in Findings.of(lengths, {}).tasks] == [
        "TMaze-v0, corridor_length=10",
        "TMaze-v0, corridor_length=30",
    ]


def test_settings_tell_methods_apart_only_within_a_task(make_run):
    sizes = [make_run(0.5, memory_kwargs={"hidden_size": n}, env=env) for n, env in zip((8, 9), ENVS, strict=True)]
    assert [method.name for method in Findings.of(sizes, {}).methods] == ["lstm"]


def test_methods_of_one_memory_are_named_by_what_differs(make_run, tmp_path):
    first = make_run(0.5, memory_kwargs={"hidden_size": 8, "num_layers": 1})
    first.folder.rename(tmp_path / "first")
    second = make_run(0.5, memory_kwargs={"hidden_size": 9, "num_layers": 1})
    found = Findings.of([first, second], {})
    assert [method.name for method in found.methods] == ["lstm, hidden_size=8", "lstm, hidden_size=9"]
    third = make_run(0.5, algo="a2c")
    names = [method.name for method in Findings.of([second, third], {}).methods]
    assert names == ["lstm (PPO)", "lstm (A2C)"]


def test_the_same_run_twice_is_refused_for_it_would_count_as_two(make_run):
    run = make_run(0.5)
    with pytest.raises(ValueError, match="hold the same run, lstm on TMaze-v0 with seed 0, and would count as two"):
        Findings.of([run, run], {})


def test_sample_efficiency_is_the_first_point_at_nine_tenths(make_run):
    curve = {100: 0.2, 200: 0.91, 300: 0.5}
    success = make_run(0.5, curve)
    returns = make_run(0.5, {100: 1.29, 200: 1.31}, success=False, record=BOUNDS, env=ENVS[0])
    never = make_run(0.5, {100: 0.2}, seed=1)
    unknown = make_run(0.5, curve, success=False, env=ENVS[1])
    cells = Findings.of([success, never, returns, unknown], {}).cells
    assert [cell.steps_to_threshold for cell in cells] == [[200.0, np.inf], [200.0], None]


def test_mmer_is_of_returns_whatever_the_score_is(make_run):
    runs = [make_run(0.5, {100: 0.2, 200: peak, 300: 0.1}, seed=seed) for seed, peak in enumerate((0.5, 0.75))]
    short = make_run(0.5, {}, env=ENVS[0])
    assert [cell.mmer for cell in Findings.of([*runs, short], {}).cells] == [0.625, None]


def test_speed_over_tasks_is_all_steps_over_all_seconds(make_run):
    slow = {"timesteps": 900, "seconds": 9.0, "steps_per_second": 100.0}
    runs = [make_run(0.5, record=slow), make_run(0.5, env=ENVS[0])]  # the other: 1000 steps in 0.5 s
    assert Findings.of(runs, {}).overall[0].steps_per_second == 1900 / 9.5
