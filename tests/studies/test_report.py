"""Runs become tables and pictures."""

import csv

import numpy as np
import pytest
from matplotlib.image import imread

from memagents.runs.results import RunResult
from memagents.studies.curves import choose_looks, draw_small_multiples, on_common_steps
from memagents.studies.naming import Method
from memagents.studies.report import markdown_table, print_report, write_report

RISING = {100: 0.1, 200: 0.5, 300: 0.9}


@pytest.fixture
def runs(make_run) -> list[RunResult]:
    successful = [make_run(score, RISING, memory="lstm", seed=seed) for seed, score in enumerate([0.9, 1.0, 0.8])]
    return [*successful, make_run(0.5, RISING, memory="none"), make_run(-0.25, RISING, success=False, env="A/Other-v1")]


def cells(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]


def test_the_table_has_a_row_for_each_combination_with_mean_interval_and_every_seed(runs):
    header, *rows = cells(markdown_table(runs))
    assert header == ["env", "memory", "algo", "measure", "score [95 %]", "every seed", "parameters", "steps/s"]
    assert rows == [
        ["TMaze-v0", "lstm", "ppo", "success rate", "0.90 [0.80, 1.00]", "0.90 1.00 0.80", "1,234", "2,000"],
        ["TMaze-v0", "none", "ppo", "success rate", "0.50 [n<3]", "0.50", "1,234", "2,000"],
        ["Other-v1", "lstm", "ppo", "mean return", "-0.25 [n<3]", "-0.25", "1,234", "2,000"],
    ]


def test_the_table_tells_where_the_numbers_come_from(runs):
    table = markdown_table(runs)
    for fact in (
        "100 evaluation episodes per seed",
        "seeds: 0, 1, 2",
        "commit: ",
        "hardware: ",
        "torch: ",
        "command: ",
    ):
        assert fact in table


def test_the_screen_shows_the_same_numbers(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_report(runs)
    shown = capsys.readouterr().out
    for text in ("TMaze-v0, success rate", "Other-v1, mean return", "0.90 [0.80, 1.00]", "0.90 1.00 0.80", "[n<3]"):
        assert text in shown


def test_the_csv_file_has_a_line_for_each_run(runs, tmp_path):
    write_report(runs, tmp_path)
    with (tmp_path / "runs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["score"]) for line in lines] == [run.score for run in runs]
    assert lines[1]["folder"] == "TMaze-v0/lstm-ppo-seed1"
    assert {"env", "seed", "commit", "torch", "hardware", "measure", "steps_per_second"} <= lines[0].keys()


def test_the_picture_is_drawn_with_one_panel_for_each_environment(runs, tmp_path):
    write_report(runs[:3], tmp_path)
    single = imread(tmp_path / "curves.png")
    write_report(runs, tmp_path)
    double = imread(tmp_path / "curves.png")
    assert double.shape[1] > 1.5 * single.shape[1]
    assert len(np.unique(double.reshape(-1, double.shape[2]), axis=0)) > 50


def test_the_same_runs_give_the_same_drawing(runs, tmp_path):
    drawings = []
    for _ in range(2):
        write_report(runs, tmp_path)
        drawings.append((tmp_path / "curves.svg").read_bytes())
    assert drawings[0] == drawings[1]
    assert drawings[0].startswith(b"<?xml")


def test_environments_that_differ_in_their_arguments_are_not_averaged(make_run):
    runs = [make_run(score, RISING, env_kwargs={"corridor_length": n}, seed=n) for n, score in ((10, 0.9), (30, 0.5))]
    _, *rows = cells(markdown_table(runs))
    assert [row[0] for row in rows] == ["TMaze-v0, corridor_length=10", "TMaze-v0, corridor_length=30"]
    assert [row[5] for row in rows] == ["0.90", "0.50"]


def test_a_run_too_short_for_a_curve_does_not_spoil_the_picture(make_run, tmp_path):
    write_report([make_run(0.5, {}), make_run(0.5, {100: 0.5}, memory="none")], tmp_path)
    assert (tmp_path / "curves.png").exists()


def test_many_memories_get_a_panel_each(make_run, tmp_path):
    runs = [make_run(0.5, {100: 0.1, 200: i / 9}, memory=f"memory{i}") for i in range(9)]
    draw_small_multiples([*runs, make_run(0.5, {}, memory="too short")], tmp_path / "nine.png")
    draw_small_multiples(runs[:4], tmp_path / "four.png")
    nine, four = imread(tmp_path / "nine.png"), imread(tmp_path / "four.png")
    assert nine.shape[1] == four.shape[1]
    assert nine.shape[0] > 2 * four.shape[0]


def test_curves_of_different_lengths_are_compared_where_all_have_values():
    steps, scores = on_common_steps([([0, 10, 20], [0.0, 1.0, 2.0]), ([5, 15], [1.0, 3.0])])
    assert (steps[0], steps[-1]) == (5, 15)
    assert scores[:, [0, -1]] == pytest.approx(np.array([[0.5, 1.5], [1.0, 3.0]]))


def test_every_curve_looks_different():
    grid = [Method(f"memory{i}", algo, "", names_algo=True) for i in range(14) for algo in ("ppo", "a2c")]
    looks = [tuple(look.values()) for look in choose_looks(grid).values()]
    assert len(set(looks[:14])) == 14
    assert len({colour for colour, _ in looks}) == 7
