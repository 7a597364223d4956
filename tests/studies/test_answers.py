"""The answer claims no more than the intervals allow."""

from pathlib import Path

import pytest

from memagents.studies.answers import answer, basis, question, remarks
from memagents.studies.caveats import caveats
from memagents.studies.findings import Findings

BOUNDS = {"memoryless_return": 0.0, "best_return": 1.0}
OTHER = "A/Other-v0"


@pytest.fixture
def study(make_run):
    """Findings of memories with the scores of their seeds."""

    def make(**scores: list[float]) -> Findings:
        runs = [
            make_run(score, memory=memory, seed=seed)
            for memory, of_seeds in scores.items()
            for seed, score in enumerate(of_seeds)
        ]
        return Findings.of(runs, {})

    return make


def test_a_clear_winner_is_named_with_its_interval(study):
    found = study(none=[0.5, 0.45, 0.55], gru=[0.9, 0.95, 1.0])
    assert question(found) == "Which memory for TMaze?"
    assert answer(found) == "gru is best. The interval of its score, 0.95 [0.90,\u00a01.00], lies above all others."


def test_overlapping_intervals_are_no_victory(study):
    found = study(none=[0.5, 0.45, 0.55], gru=[0.9, 0.95, 1.0], lstm=[0.8, 0.9, 1.0], rnn=[0.92, 0.9, 0.94])
    assert answer(found) == (
        "gru scores highest, 0.95 [0.90,\u00a01.00], but the intervals of rnn and lstm overlap with its own. "
        "It is better than none."
    )


def test_if_all_intervals_overlap_there_is_no_winner(study):
    found = study(gru=[0.9, 0.95, 1.0], lstm=[0.8, 0.9, 1.0])
    assert answer(found).startswith("No clear winner. gru scores highest, ")
    assert answer(found).endswith("but the interval of lstm overlaps with its own.")


@pytest.mark.parametrize(("seeds", "words"), [(1, "From 1 seed there"), (2, "From 2 seeds there")])
def test_few_seeds_say_little(study, seeds, words):
    said = answer(study(gru=[1.0] * seeds, none=[0.1] * seeds))
    assert said.startswith("gru scores highest, 1.00, but that says little.")
    assert words in said
    assert "best" not in said
    assert "better" not in said


def test_a_rival_of_few_seeds_is_not_beaten(study):
    said = answer(study(gru=[1.0, 1.0, 1.0], none=[0.0, 0.0, 0.0], lstm=[0.1]))
    assert "there are too few seeds of lstm for an interval" in said
    assert said.endswith("It is better than none.")


def test_one_alone_is_compared_with_nothing(study):
    assert "nothing to compare it with" in answer(study(gru=[1.0, 1.0, 1.0]))


def test_without_a_common_environment_there_is_no_answer(make_run):
    found = Findings.of([make_run(0.5, memory="gru"), make_run(0.5, memory="lstm", env=OTHER)], {})
    assert answer(found).startswith("There is no answer yet")
    assert list(remarks(found)) == []


def test_where_another_is_better_it_is_said(make_run):
    runs = [
        make_run(score, memory=memory, env=env, seed=seed)
        for memory, env, score in [
            ("gru", "A/One-v0", 1.0),
            ("gru", OTHER, 0.5),
            ("rnn", "A/One-v0", 0.0),
            ("rnn", OTHER, 0.6),
        ]
        for seed in range(3)
    ]
    found = Findings.of(runs, {})
    assert question(found) == "Which memory for One and Other?"
    assert answer(found).startswith("gru is best on average.")
    assert "Not everywhere. By their intervals, better than gru are rnn on Other-v0." in remarks(found)


def test_of_equals_the_fastest_and_the_smallest_are_named(make_run):
    records = {
        "gru": {"timesteps": 1000, "seconds": 1.0, "parameters": 20},
        "lstm": {"timesteps": 1000, "seconds": 2.0, "parameters": 10},
    }
    scores = {"gru": 0.8, "lstm": 0.9}
    runs = [
        make_run(scores[m] + 0.1 * (s - 1), memory=m, seed=s, record=record)
        for m, record in records.items()
        for s in range(3)
    ]
    assert list(remarks(Findings.of(runs, {}))) == [
        "Of those that are not told apart, gru trains fastest (1,000 steps/s), and lstm has the fewest parameters (10)."
    ]


def test_a_best_that_is_within_reach_without_memory_is_said_to_be(make_run):
    runs = [
        make_run(s, memory=m, seed=i, success=False, record=BOUNDS)
        for m in ("none", "gru")
        for i, s in enumerate((-0.1, 0.0, 0.1))
    ]
    said = list(remarks(Findings.of(runs, {})))
    assert said[0].startswith("Nothing is shown to do better than is possible without memory")
    assert "none remembers nothing: no memory is shown to help here." in said


def test_what_is_not_in_the_aggregates_is_named(make_run):
    runs = [make_run(0.5, memory=m, seed=s, record=BOUNDS) for m in ("gru", "lstm") for s in range(2)]
    runs += [make_run(0.5, memory="gru", env=OTHER, record=BOUNDS)]
    runs += [make_run(9.0, memory=m, success=False, env="A/Raw-v0") for m in ("gru", "lstm")]
    said = " ".join(basis(Findings.of(runs, {})))
    assert "returns between the best that is possible without memory, 0, and the best possible, 1" in said
    assert "Not in them: Raw-v0, which cannot be put on this scale." in said
    assert "Not in them: Other-v0, where not all that is compared has a finished run." in said
    assert "left out" not in said


def test_runs_that_have_no_partner_on_other_environments_are_counted(make_run):
    runs = [make_run(0.5, env=env, seed=seed) for env, seeds in ((OTHER, 2), ("A/One-v0", 3)) for seed in range(seeds)]
    assert "1 run is left out, so that each environment counts with as many seeds." in basis(Findings.of(runs, {}))


def test_what_a_study_does_not_show(make_run):
    few = make_run(0.5, memory="gru", timesteps=1000, record={"parameters": 100, "modified": True})
    many = make_run(0.5, memory="lstm", timesteps=9000, record={"parameters": 300, "modified": False})
    found = Findings.of([few, many], {Path("elsewhere"): "failed"})
    assert list(remarks(found)) == ["Budgets differ: on TMaze-v0 from 1,000 steps (gru) to 9,000 (lstm)."]
    said = " ".join(caveats(found))
    for fact in (
        "1 run did not finish",
        "fewer than 3 seeds",
        "No agent without memory was tried",
        "Budgets differ: on TMaze-v0 from 1,000 steps (gru) to 9,000 (lstm).",
        "Sizes differ: on TMaze-v0 from 100 parameters (gru) to 300 (lstm).",
        "Files differed from the commit",
    ):
        assert fact in said


def test_a_fair_study_is_not_called_unfair(study):
    said = " ".join(caveats(study(none=[0.5] * 10, gru=[0.9] * 10)))
    assert all(word not in said for word in ("differ:", "fewer than", "did not finish", "No agent without memory"))
