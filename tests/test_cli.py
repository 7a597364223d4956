"""The command line: what it says, and with which exit code."""

import subprocess
import sys

import pytest

from memagents.cli import main
from memagents.encoders import list_encoders
from memagents.memories.registry import list_memories
from memagents.runs import training
from memagents.runs.config import parse_arguments
from memagents.runs.models import load_model
from memagents.runs.results import RunResult

TMAZE = ["--env", "memagents_envs:MemAgents/TMaze-v0", "--env-kwargs", "corridor_length=2"]
TINY = ["--timesteps", "64", "--n-envs", "2", "--eval-episodes", "4", "--algo-kwargs", "n_steps=16", "n_epochs=1"]


def test_train_leaves_a_run_folder_and_says_how_good_the_agent_is(tmp_path, capsys):
    folder = tmp_path / "run"
    memory = ["--memory", "gru", "--memory-kwargs", "hidden_size=4", "num_layers=2"]
    assert main(["train", *TMAZE, *TINY, *memory, "--folder", str(folder)]) == 0
    result = RunResult.load(folder)
    assert result.config.memory_kwargs == {"hidden_size": 4, "num_layers": 2}
    assert result.config.algo_kwargs == {"n_steps": 16, "n_epochs": 1}
    said = capsys.readouterr().out
    assert result.evaluation.describe() in said
    assert str(folder) in said

    assert main(["evaluate", str(folder), "--episodes", "4"]) == 0
    assert result.evaluation.describe() in capsys.readouterr().out

    assert main(["replay", str(folder), "--episodes", "2", "--seed", "3"]) == 0
    assert capsys.readouterr().out == f"open {folder / 'replay.html'}\n"
    text = (folder / "replay.html").read_text(encoding="utf-8")
    assert ("Episode 2: " in text, "Episode 3: " in text) == (True, False)
    assert main(["replay", str(folder), "--episodes", "0"]) == 2
    assert capsys.readouterr().err == "memagents: episodes must be at least 1, got 0\n"


def test_train_puts_an_encoder_before_the_memory(tmp_path):
    encoder = ["--encoder", "rbf", "--encoder-kwargs", "features_dim=5", "num_centers=7"]
    assert main(["train", *TMAZE, *TINY, "--memory", "gru", *encoder, "--folder", str(tmp_path / "run")]) == 0
    result = RunResult.load(tmp_path / "run")
    assert result.config.encoder == "rbf"
    assert result.config.encoder_kwargs == {"features_dim": 5, "num_centers": 7}
    policy = load_model(result).policy
    assert policy.features_extractor.centers.shape == (7, policy.observation_space.shape[0])
    assert policy.memory.input_size == 5


@pytest.mark.slow
def test_compare_prints_the_table_and_where_the_files_are(tmp_path, capsys):
    grid = ["--memory", "none", "gru", "--algo", "a2c", "--seeds", "1", "--folder", str(tmp_path)]
    grid += ["--encoder", "perceptron", "--encoder-kwargs", "features_dim=3"]
    settings = ["--timesteps", "64", "--n-envs", "2", "--eval-episodes", "4"]
    assert main(["compare", *TMAZE, *grid, *settings]) == 0
    said = capsys.readouterr().out
    assert "TMaze-v0, success rate" in said
    assert str(tmp_path / "report.html") in said

    (tmp_path / "TMaze-v0" / "gru-a2c-seed0" / "evaluation.json").unlink()
    written, elsewhere = (tmp_path / "report.html").read_text(), tmp_path / "else" / "where"
    assert main(["report", str(tmp_path), "--folder", str(elsewhere)]) == 0
    assert {path.name for path in elsewhere.iterdir()} >= {"report.html", "curves.svg", "table.md", "runs.csv"}
    assert (tmp_path / "report.html").read_text() == written
    assert "gru-a2c-seed0 cannot be read" in capsys.readouterr().err


def test_a_failed_run_makes_the_exit_code_1(tmp_path, capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(training, "evaluate_model", fail)
    grid = ["--memory", "none", "--seeds", "1", "--folder", str(tmp_path)]
    assert main(["compare", *TMAZE, *TINY, *grid]) == 1
    assert "none-ppo-seed0 failed, RuntimeError: the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", *TMAZE, "--memory", "lsmt"], "did you mean 'lstm'"),
        (["train", "--env", "memagents_envs:MemAgents/TMaz-v0"], "TMaze-v0"),
        (["train", *TMAZE, "--encoder", "percepton"], "did you mean 'perceptron'"),
        (["train", *TMAZE, "--timesteps", "0"], "timesteps must be at least 1, got 0"),
        (["evaluate", "no/such/run"], "no/such/run holds no run"),
        (["replay", "no/such/run"], "no/such/run holds no run"),
        (["report", "no/such/study"], "there is no run folder (one with a run.json) below no/such/study"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("memagents: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("arguments", [["train"], ["train", *TMAZE, "--algo", "dqn"], ["--memory-kwargs", "size"]])
def test_arguments_that_cannot_be_read_are_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err


def test_what_the_system_refuses_is_one_line_and_exit_code_1(monkeypatch, capsys):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "somewhere")

    monkeypatch.setattr(RunResult, "load", refuse)
    assert main(["evaluate", "somewhere"]) == 1
    assert capsys.readouterr().err == "memagents: [Errno 13] Permission denied: 'somewhere'\n"


def test_an_interruption_is_exit_code_130(tmp_path, monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "evaluate_model", interrupt)
    assert main(["train", *TMAZE, *TINY, "--folder", str(tmp_path)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_list_names_every_memory_and_encoder_with_its_options_and_the_environments(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in [*list_memories(), *list_encoders()])
    assert "hidden_size:int=128" in said
    assert "features_dim:int=64 num_centers:int=64" in said
    assert "memagents_envs:MemAgents/TMaze-v0" in said


def test_help_is_quick_because_it_imports_no_torch():
    program = "import sys, memagents.cli; sys.exit('torch' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_values_are_read_as_python_literals_where_they_are_some():
    texts = ["a=64", "b=0.5", "c=True", "d=None", "e=fast", "f=[1,2]", "g={'x':1}", "h=a=b", "i={[]:1}"]
    expected = {
        "a": 64,
        "b": 0.5,
        "c": True,
        "d": None,
        "e": "fast",
        "f": [1, 2],
        "g": {"x": 1},
        "h": "a=b",
        "i": "{[]:1}",
    }
    assert parse_arguments(texts) == expected


def test_brackets_without_end_are_a_text():
    text = "(" * 100_000
    assert parse_arguments([f"a={text}"]) == {"a": text}


@pytest.mark.parametrize("text", ["size", "=3", "two words=3"])
def test_an_argument_without_a_name_and_a_value_is_refused(text):
    with pytest.raises(ValueError, match="is not of the form name=value"):
        parse_arguments([text])
