"""The scripts are read, copied, and imported by worker processes."""

import csv
import pickle
import runpy
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import backbones
import demo
import encoders
import horizon
import memory_use
import numpy as np
import pytest
import resume_matrix
import torch
from fuzzing.cases import is_documented
from fuzzing.watch import Watch

from memagents.encoders import list_encoders
from memagents.errors import DamagedFileError
from memagents.memories.registry import list_memories, make_memory
from memagents.runs.models import build_env
from memagents.runs.sizes import of_wanted_size
from memagents.runs.validation import check_config
from memagents.studies.comparison import cells
from memagents.studies.files import load_study

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_importing_a_script_starts_nothing(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
    assert list(tmp_path.iterdir()) == []


EXAMPLES = {"train.py", "compare.py"}
"""Short programs to be copied, which take no options."""

PROGRAMS = [script for script in SCRIPTS if "__main__" in script.read_text() and script.name not in EXAMPLES]


@pytest.mark.parametrize("script", PROGRAMS, ids=lambda script: script.name)
def test_asked_for_help_a_script_says_what_it_takes_and_starts_nothing(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code in (0, None)
    assert capsys.readouterr().out.startswith(f"usage: {script}")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_asks_for_twelve_runs_that_can_be_trained():
    planned = cells(demo.STUDY)
    assert len(planned) == 12
    for cell in planned:
        check_config(cell)


def test_backbones_are_compared_at_equal_size_and_within_the_budget():
    (task, *others), options = backbones.TASKS, backbones.Options(memories=("lstm", "gru", "none"), seeds=2)
    for each in (task, *others):
        assert all(each.of(memory).timesteps <= 1_000_000 for memory in list_memories())
        assert {*each.learning_rates, *each.budgets} <= set(list_memories())
    planned = backbones.cells(task, options)
    assert [(cell.seed, cell.memory) for cell in planned] == [
        (seed, memory) for seed in range(2) for memory in options.memories
    ]
    with closing(build_env(task.config, n_envs=1, seed=0)) as env:
        assert of_wanted_size(planned[0], env).memory_kwargs == {"hidden_size": 128}
    for cell in planned:
        check_config(cell)


def test_the_studies_whose_results_are_kept_can_be_run_and_have_seeds_enough():
    studies = {file.stem: load_study(file) for file in (SCRIPTS[0].parent / "studies").iterdir()}
    for name, study in studies.items():
        assert study.folder == Path("results") / name
        assert study.seeds >= 3
        for cell in cells(study):
            check_config(cell)
    question = studies["which_memory"]
    assert set(question.memory) == set(list_memories())
    assert len(question.env) == 6
    assert question.match_parameters is not None


@pytest.mark.parametrize("corridor", [10, 1000])
@pytest.mark.parametrize("name", ["frame_stack", "transformer", "gtrxl", "memn2n", "han", "wavenet", "tcn"])
def test_memories_in_a_corridor_are_long_enough_to_hold_its_first_step(name, corridor):
    options = {**horizon.length(name, corridor + 1), **({} if name == "frame_stack" else {"hidden_size": 8})}
    memory = make_memory(name, input_size=2, **options).double()
    torch.manual_seed(0)
    inputs = torch.randn(corridor + 1, 1, 2, dtype=torch.float64, requires_grad=True)
    starts = torch.zeros(corridor + 1, 1, dtype=torch.bool)
    outputs, _ = memory(inputs, starts, memory.initial_state(1))
    weights = torch.randn(memory.output_size, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(outputs[-1, 0] @ weights, inputs)
    assert gradient[0].abs().sum() > 0


def test_a_memory_that_does_not_solve_a_corridor_is_not_tried_in_a_longer_one(monkeypatch, tmp_path):
    scores = {"gru": {10: 0.95, 30: 0.89}, "lstm": {10: 0.9, 30: 0.95, 100: 0.5}, "none": {10: 0.5}}

    def compare(study):
        (corridor,) = (int(env.partition("=")[2]) for env in study.env)
        runs = [
            SimpleNamespace(
                config=SimpleNamespace(memory=memory, eval_episodes=100, seed=seed),
                score=scores[memory][corridor],
                curve=lambda memory=memory: ([64, 128], [0.95, 0.5] if memory == "gru" else [0.4, 0.5]),
            )
            for memory in study.memory
            for seed in range(study.seeds)
        ]
        return SimpleNamespace(runs=runs)

    monkeypatch.setattr(horizon, "compare", compare)
    options = horizon.Options(memories=("none", "lstm", "gru"), folder=tmp_path)
    found = dict(horizon.climb(options))
    assert {corridor: list(runs) for corridor, runs in found.items()} == {
        10: ["none", "lstm", "gru"],
        30: ["lstm", "gru"],
        100: ["lstm"],
    }
    page = horizon.page(options, found)
    assert "lost it again: gru in 30, seed 0, gru in 30, seed 1, gru in 30, seed 2." in page
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    assert lines[2:] == [
        "| lstm | **30** | 0.90 [0.90, 0.90] | 0.95 [0.95, 0.95] | 0.50 [0.50, 0.50] |  |  |",
        "| gru | **10** | 0.95 [0.95, 0.95] | 0.89 [0.89, 0.89] |  |  |  |",
        "| none | **none** | 0.50 [0.50, 0.50] |  |  |  |  |",
    ]


def test_every_encoder_is_run_without_a_memory_and_with_one():
    planned = encoders.cells()
    assert {(cell.encoder, cell.memory) for cell in planned} == {
        (encoder, memory) for encoder in list_encoders() for memory in ("none", "lstm")
    }
    assert len({cell.run_folder for cell in planned}) == len(planned) == 3 * 2 * len(list_encoders())
    for cell in planned:
        check_config(cell)


def test_memory_that_grows_shows_as_a_slope_and_a_difference():
    minutes = np.arange(0, 60, 0.5)
    leaking = np.stack([60 * minutes, (300 + 0.4 * minutes) * 2**20], axis=1)
    cells = memory_use.row("a process", leaking, warm=10).split("|")
    assert [cell.strip() for cell in cells[3:7]] == ["305.9", "321.8", "323.8", "+24.00"]


@pytest.mark.slow
def test_a_run_that_is_killed_three_times_is_compared_once(tmp_path, monkeypatch):
    case = ["--memories", "gru", "--algos", "a2c", "--tasks", "CartPole"]
    folders = ["--runs", str(tmp_path / "runs"), "--folder", str(tmp_path)]
    assert resume_matrix.main([*case, *folders]) == 0
    with (tmp_path / "resume.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    first, second, third = map(int, row["taken_up_at"].split())
    assert 0 < first < second < third < resume_matrix.SHARED["timesteps"]
    for what in ("parameters", "optimizer", "metrics", "evaluation", "normalization"):
        assert len(row[f"{what}_undisturbed"]) == 16
        assert row[f"{what}_undisturbed"] == row[f"{what}_killed"]
    assert "1 of 1 cases do" in (tmp_path / "resume.md").read_text(encoding="utf-8")

    # Once more: nothing is trained, and runs that differ are told apart.
    for work in ("train", "launch"):
        monkeypatch.setattr(resume_matrix, work, lambda *_, **__: pytest.fail("a finished case was repeated"))
    assert resume_matrix.main([*case, *folders]) == 0
    monkeypatch.setattr(resume_matrix, "fingerprint", lambda result: {"parameters": result.folder.name})
    assert resume_matrix.main([*case, *folders]) == 1
    assert "| gru | NO |" in (tmp_path / "resume.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_fuzzer_tries_every_kind_of_damage_once_and_finds_nothing(tmp_path):
    script, folder = SCRIPTS[0].parent / "fuzz.py", tmp_path / "results"
    kinds = 101
    command = [sys.executable, script, "--cases", str(kinds), "--minutes", "30", "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with (folder / "fuzz.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["area"], row["damage"]) for row in rows}) == sum(int(row["cases"]) for row in rows) == kinds
    outcomes = {row["outcome"] for row in rows}
    assert outcomes >= {"works", "DamagedFileError", "PickleRefusedError", "UnsafePartError"}
    assert "finding" not in outcomes


def test_the_fuzzer_notices_errors_of_no_kind_of_ours_and_what_must_not_happen(tmp_path):
    assert is_documented(DamagedFileError("run.json cannot be read: it is empty"))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("a number that nobody of ours has looked at")
    assert not is_documented(caught.value)
    watch = Watch(tmp_path)
    with watch:
        pickle.loads(pickle.dumps(SCRIPTS[0]))
        (tmp_path / "inside").write_text("allowed")
    assert [event.split()[0] for event in watch.forbidden][:1] == ["pickle.find_class"]
    with watch:
        (tmp_path.parent / f"{tmp_path.name}-outside").write_text("not allowed")
    assert [event.split()[0] for event in watch.forbidden] == ["open"]
