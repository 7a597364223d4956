"""The runs below a folder."""

import json

import pytest

from memagents.studies.gathering import find_runs


def change(run, **record: object) -> None:
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | record))


def test_runs_come_in_the_order_of_the_grid_not_of_the_alphabet(make_run, tmp_path):
    grid = [(env, memory, seed) for env in ("A/Z-v0", "A/B-v0") for memory in ("none", "gru") for seed in (0, 2, 10)]
    for minute, (env, memory, seed) in enumerate(grid):
        change(make_run(0.5, env=env, memory=memory, seed=seed), started=f"2026-01-01T00:{minute:02d}:00+00:00")
    runs, unfinished = find_runs(tmp_path)
    assert [(run.config.env, run.config.memory, run.config.seed) for run in runs] == grid
    assert unfinished == {}


def test_a_run_that_is_not_finished_is_named_with_why(make_run, tmp_path):
    make_run(0.5)
    failed, stopped, at_work, broken = (make_run(0.5, {64: 0.1}, seed=seed) for seed in (1, 2, 3, 4))
    change(failed, status="failed", failure={"type": "NonFiniteReward", "message": "a reward is nan"})
    change(stopped, status="interrupted")
    change(at_work, status="running")
    (broken.folder / "evaluation.json").write_text("{")
    runs, unfinished = find_runs(tmp_path)
    assert [run.config.seed for run in runs] == [0]
    assert unfinished[failed.folder] == "failed, NonFiniteReward: a reward is nan"
    assert unfinished[stopped.folder] == "interrupted at 64 of 200,000 steps"
    assert unfinished[at_work.folder] == "running at 64 of 200,000 steps"
    assert unfinished[broken.folder].startswith("cannot be read, DamagedFileError: ")


def test_an_error_outside_of_training_is_its_last_line(make_run, tmp_path):
    make_run(0.5)
    change(failed := make_run(0.5, seed=1), status="failed", error="Traceback\n  here\nOSError: the disk is full\n")
    assert find_runs(tmp_path)[1] == {failed.folder: "failed, OSError: the disk is full"}


def test_a_folder_without_a_finished_run_is_refused(make_run, tmp_path):
    with pytest.raises(ValueError, match=r"there is no run folder \(one with a run\.json\) below .*; a study holds"):
        find_runs(tmp_path)
    change(make_run(0.5), status="running")
    with pytest.raises(ValueError, match=r"none of the 1 runs below .* is finished"):
        find_runs(tmp_path)
