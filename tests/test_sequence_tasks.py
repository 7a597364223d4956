"""scripts/sequence_tasks.py: its experiments can be run, finished seeds are kept, and the report says what is there."""

import csv
import dataclasses
import json
import math

import pytest
import sequence_tasks as script
from claims import experiments, report
from claims import marks as claims

from memagents.memories.registry import check_memory_options
from memagents.sequence_tasks import TrainingSettings, vary_task
from memagents.sequence_tasks.training import Lessons


@pytest.fixture
def tiny(monkeypatch):
    """Three experiments that take no time, in place of the real ones."""
    settings = TrainingSettings(batch_size=4, steps=2, evaluate_every=1, eval_sequences=8)
    first = claims.Experiment(
        name="copy/gru",
        task="copy",
        task_options={"max_length": 3},
        memory="gru",
        memory_options={"hidden_size": 4},
        settings=settings,
        published="a number (somebody)",
        marks=(claims.Mark("loss", "<=", 1e9, within=4), claims.Mark("error", "<=", 0.0, test="longer")),
        tests={"longer": {"min_length": 5, "max_length": 5}},
        beats="copy/lstm",
        seeds=3,
    )
    second = dataclasses.replace(first, name="copy/lstm", memory="lstm", marks=(), beats=None, seeds=1)
    control = dataclasses.replace(claims.control(first), seeds=1)
    chosen = {each.name: each for each in (first, second, control)}
    for module in (experiments, report, script):
        monkeypatch.setattr(module, "EXPERIMENTS", chosen)
    monkeypatch.setattr(script, "FINAL_SEQUENCES", 8)
    return chosen


def test_every_experiment_can_be_run():
    for name, experiment in experiments.EXPERIMENTS.items():
        assert experiment.name == name
        task = experiment.make_task()
        check_memory_options(experiment.memory, experiment.memory_options)
        Lessons(task, experiment.settings.curriculum)
        for test, options in experiment.tests.items():
            assert vary_task(task, **options) == experiment.make_task(test)
        assert {mark.test for mark in experiment.marks} <= {"", *experiment.tests}
        assert experiment.beats is None or (experiment.beats in experiments.EXPERIMENTS and experiment.marks)
        json.dumps(experiment.definition(), allow_nan=False)


def test_experiments_of_a_panel_have_the_same_task_and_one_control_without_a_memory():
    panels = {}
    for experiment in experiments.EXPERIMENTS.values():
        panels.setdefault(experiment.panel, []).append(experiment)
    for panel in panels.values():
        assert len({each.make_task() for each in panel}) == 1
        assert [each.memory for each in panel].count("none") == 1


def test_a_control_has_to_be_as_bad_as_a_guess():
    control = experiments.EXPERIMENTS["copy-memory/none"]
    (mark,) = control.marks
    assert mark.relation == ">="
    assert mark.value == pytest.approx(0.97 * 0.020387, rel=1e-4)


def test_a_mark_holds_up_to_its_bound_and_never_for_what_is_not_a_number():
    most, least = claims.Mark("loss", "<=", 0.5), claims.Mark("loss", ">=", 0.5)
    assert [most.holds(score) for score in (0.4, 0.5, 0.6, math.nan)] == [True, True, False, False]
    assert [least.holds(score) for score in (0.4, 0.5, 0.6, math.nan)] == [False, True, True, False]
    assert str(claims.Mark("loss", "<=", 0.05, within=10_000)) == "loss <= 0.05 within 10,000 sequences"


def test_finished_seeds_are_kept_and_not_run_again(tiny, tmp_path, monkeypatch, capsys):
    jobs = [script.Job(experiment, seed, tmp_path) for experiment in tiny.values() for seed in range(experiment.seeds)]
    for job in jobs[:-1]:
        script.run(job)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")) == [
        "copy/gru/seed0.json",
        "copy/gru/seed1.json",
        "copy/gru/seed2.json",
        "copy/lstm/seed0.json",
    ]
    asked = []
    monkeypatch.setattr(script, "run_all", lambda unfinished, processes: asked.extend(unfinished) or 0)
    assert script.main(["--runs", str(tmp_path), "--folder", str(tmp_path / "report")]) == 0
    assert asked == jobs[-1:]
    assert "4 of 5 seeds are finished already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_seed_is_run_in_a_process_of_its_own_and_a_failure_stops_no_other(tiny, tmp_path, capsys):
    broken = dataclasses.replace(tiny["copy/lstm"], memory_options={"hidden_size": 0})
    # The processes import the script anew: its constants, and so the 10,000 sequences, are the real ones there.
    control = tiny["copy/none"]
    short = dataclasses.replace(control, settings=dataclasses.replace(control.settings, steps=1))
    assert script.run_all([script.Job(broken, 0, tmp_path), script.Job(short, 0, tmp_path)], processes=2) == 1
    said = capsys.readouterr().err
    assert "copy/lstm seed 0: failed, ValueError: hidden_size must be an integer of at least 1, got 0" in said
    assert script.Job(short, 0, tmp_path).result()["ending"] == "steps"
    assert script.Job(broken, 0, tmp_path).result() is None


def test_a_seed_gives_the_same_result_twice(tiny, tmp_path):
    found = []
    for folder in ("first", "second"):
        job = script.Job(tiny["copy/gru"], 1, tmp_path / folder)
        script.run(job)
        found.append(job.result()["scores"])
    assert found[0] == found[1]
    assert set(found[0]) == {"", "longer"}


def test_a_seed_of_another_definition_is_not_taken_for_this_one(tiny, tmp_path):
    job = script.Job(tiny["copy/lstm"], 0, tmp_path)
    script.run(job)
    claimed = dataclasses.replace(job.experiment, published="something else", marks=tiny["copy/gru"].marks)
    assert dataclasses.replace(job, experiment=claimed).result() is not None
    larger = dataclasses.replace(job.experiment, memory_options={"hidden_size": 5})
    with pytest.raises(ValueError, match=r"seed0.json is of 'copy/lstm' with other memory_options; delete it"):
        dataclasses.replace(job, experiment=larger).result()


def test_a_seed_that_was_kept_before_a_setting_was_there_had_its_default(tiny, tmp_path):
    job = script.Job(tiny["copy/lstm"], 0, tmp_path)
    script.run(job)
    kept = json.loads(job.file.read_text(encoding="utf-8"))
    assert kept["definition"]["settings"].pop("schedule") == "constant"
    job.file.write_text(json.dumps(kept), encoding="utf-8")
    assert job.result()["scores"] == kept["scores"]
    falling = dataclasses.replace(job.experiment.settings, schedule="linear")
    with pytest.raises(ValueError, match="with other settings; delete it"):
        dataclasses.replace(job, experiment=dataclasses.replace(job.experiment, settings=falling)).result()


def test_first_seeds_come_first_and_only_what_is_asked_for(tiny):
    def order(**options):
        return [(job.experiment.name, job.seed) for job in script.choose(script.Options(**options))]

    first_round = [("copy/gru", 0), ("copy/lstm", 0), ("copy/none", 0)]
    assert order() == [*first_round, ("copy/gru", 1), ("copy/gru", 2)]
    assert order(only=("copy/lstm",)) == [("copy/lstm", 0)]
    assert order(seeds=2) == [*first_round, ("copy/gru", 1)]
    with pytest.raises(ValueError, match="unknown experiment 'copy/gur'; there are copy/gru, copy/lstm, copy/none"):
        script.choose(script.Options(only=("copy/gur",)))
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        script.choose(script.Options(jobs=0))
    with pytest.raises(ValueError, match="seeds must be at least 1, got 0"):
        script.choose(script.Options(seeds=0))


def test_the_report_tells_what_was_run_and_what_was_not(tiny, tmp_path):
    runs, folder = tmp_path / "runs", tmp_path / "report"
    for seed in range(3):
        script.run(script.Job(tiny["copy/gru"], seed, runs))
    assert script.main(["--report-only", "--runs", str(runs), "--folder", str(folder)]) == 0

    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")][2:]
    within, longer, beaten, lstm, none = cells
    assert within[0:3] == ["copy/gru", "a number (somebody)", "loss <= 1e+09 within 4 sequences"]
    assert within[3:6] == ["0, 0, 0", "16", "3 of 3"]
    assert within[6] == "8"
    assert within[-1] == "3 of 3"
    assert longer[0:3] == ["", "", "error longer <= 0"]
    assert longer[-1] == "0 of 3"
    assert beaten[2:4] == ["loss below that of copy/lstm", ""]
    assert lstm[0:3] == ["(copy/lstm)", "a number (somebody)", "(error)"]
    assert lstm[5] == "0 of 1"
    assert none[0] == "(copy/none)"
    assert none[-1] == "not run"
    assert sum("commit of the runs" in line for line in lines) == 1

    with (folder / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["experiment"], row["seed"], row["test"]) for row in rows] == [
        ("copy/gru", str(seed), test) for seed in range(3) for test in ("", "longer")
    ]
    assert all(float(row["loss"]) > 0 for row in rows)
    assert (folder / "curves.png").stat().st_size > 10_000


def test_a_bound_within_so_many_sequences_is_met_by_the_first_evaluation_that_holds():
    curve = [{"sequences": number, "loss": loss} for number, loss in ((0, 9.0), (100, 0.4), (200, 0.6), (300, 0.1))]
    mark = claims.Mark("loss", "<=", 0.5, within=150)
    assert report.first_met(mark, {"curve": curve}) == 100
    assert report.meets(mark, {"curve": curve})
    assert not report.meets(dataclasses.replace(mark, within=99), {"curve": curve})
    assert not report.meets(dataclasses.replace(mark, value=0.05), {"curve": curve})


def test_an_experiment_beats_another_if_each_seed_is_better_than_each_of_its(tiny):
    def seeds(*losses):
        return [{"scores": {"": {"loss": loss}}} for loss in losses]

    for others, met in (((3.0, 4.0), "2 of 2"), ((1.5, 4.0), "1 of 2"), ((), "")):
        results = {"copy/gru": seeds(1.0, 2.0), "copy/lstm": seeds(*others)}
        assert report.comparison(tiny["copy/gru"], results)[-1] == met
