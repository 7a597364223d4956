"""From a study, as flags or as a file, to the runs it consists of."""

from pathlib import Path
from typing import Any

import pytest

from memagents.cli import main
from memagents.runs.config import TrainConfig
from memagents.runs.folder import RunFolder
from memagents.studies.config import CompareConfig
from memagents.studies.files import load_study
from memagents.studies.planning import cells

T_MAZE = "memagents_envs:MemAgents/TMaze-v0"
REPEAT = "memagents_envs:MemAgents/RepeatPrevious-v0"


def planned(**changes: Any) -> list[TrainConfig]:
    return cells(CompareConfig(**{"env": (T_MAZE,), "memory": ("lstm",), "seeds": 1, "controls": False} | changes))


def test_arguments_behind_a_name_make_another_entry_in_a_folder_of_its_own():
    short, long = planned(env=(f"{T_MAZE} corridor_length=3", f"{T_MAZE} corridor_length=30"))
    assert [short.env_kwargs, long.env_kwargs] == [{"corridor_length": 3}, {"corridor_length": 30}]
    assert short.env == long.env == T_MAZE
    assert short.run_folder == Path("runs/comparison/TMaze-v0,corridor_length=3/lstm-ppo-seed0")


def test_arguments_behind_a_memory_come_before_those_of_all():
    runs = planned(memory=("lstm", "lstm hidden_size=8", "none"), memory_kwargs={"hidden_size": 4})
    assert [run.memory_kwargs for run in runs] == [{"hidden_size": 4}, {"hidden_size": 8}, {}]
    assert len({run.run_folder for run in runs}) == 3


def test_what_is_its_own_is_put_together_with_what_is_shared():
    own = {
        "memory": {"gru": {"algo_kwargs": {"learning_rate": 0.5}, "n_envs": 3}},
        "env": {T_MAZE: {"algo_kwargs": {"gamma": 0.9}}, f"{T_MAZE} corridor_length=2": {"timesteps": 7}},
        "algo": {"a2c": {"normalize": True}},
    }
    runs = planned(
        env=(T_MAZE, f"{T_MAZE} corridor_length=2"),
        memory=("gru", "lstm"),
        algo=("ppo", "a2c"),
        own=own,
        algo_kwargs={"gamma": 0.5, "gae_lambda": 0.5},
    )
    by_name = {run.run_folder.relative_to("runs/comparison"): run for run in runs}
    gru = by_name[Path("TMaze-v0/gru-ppo-seed0")]
    assert gru.algo_kwargs == {"gamma": 0.9, "gae_lambda": 0.5, "learning_rate": 0.5}
    assert (gru.n_envs, gru.timesteps, gru.normalize) == (3, CompareConfig.timesteps, False)
    lstm = by_name[Path("TMaze-v0,corridor_length=2/lstm-a2c-seed0")]
    assert lstm.algo_kwargs == {"gamma": 0.9, "gae_lambda": 0.5}
    assert (lstm.n_envs, lstm.timesteps, lstm.normalize) == (CompareConfig.n_envs, 7, True)


def test_controls_are_agents_without_memory_with_and_without_the_hidden_state():
    runs = planned(env=(T_MAZE, "CartPole-v1"), memory=("gru",), controls=True)
    assert [(run.env, run.memory, run.full_observation) for run in runs] == [
        (T_MAZE, "gru", False),
        ("CartPole-v1", "gru", False),
        (T_MAZE, "none", False),
        (T_MAZE, "none", True),
        ("CartPole-v1", "none", False),
    ]
    assert len({run.run_folder for run in runs}) == 5


def test_a_control_that_is_compared_anyway_is_not_run_twice():
    runs = planned(memory=("none", "lstm"), controls=True)
    assert [(run.memory, run.full_observation) for run in runs] == [("none", False), ("lstm", False), ("none", True)]
    assert [run.full_observation for run in planned(full_observation=True, controls=True)] == [True, True]


STUDY = f"""
env: ["{T_MAZE} corridor_length=2", "{REPEAT} k=1"]
memory: [gru, "gru num_layers=2"]
seeds: 2
timesteps: 64
n_envs: 2
match_parameters: 20k
algo_kwargs: {{n_steps: 16, learning_rate: 1e-3}}
eval_episodes: 4
own:
  memory:
    gru: {{algo_kwargs: {{learning_rate: 5e-4}}}}
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(STUDY)
    return file


def test_yaml_says_what_python_says(study, tmp_path):
    other = tmp_path / "small.py"
    other.write_text(
        f"""
from pathlib import Path
from memagents.studies.config import CompareConfig
study = CompareConfig(
    env=("{T_MAZE} corridor_length=2", "{REPEAT} k=1"), memory=("gru", "gru num_layers=2"), seeds=2, timesteps=64,
    n_envs=2, match_parameters=20_000, algo_kwargs=dict(n_steps=16, learning_rate=0.001), eval_episodes=4,
    own=dict(memory=dict(gru=dict(algo_kwargs=dict(learning_rate=0.0005)))), folder=Path("runs/small"),
)
"""
    )
    assert load_study(study) == load_study(other)


@pytest.mark.slow
def test_a_study_in_a_file_is_run_with_what_flags_change(study):
    assert main(["compare", str(study), "--seeds", "1", "--memory", "gru"]) == 0
    runs = sorted(Path("runs/small").glob("*/*/run.json"))
    assert [run.parent.name for run in runs] == [
        "gru-ppo-seed0",
        "none-full_observation-ppo-seed0",
        "none-ppo-seed0",
    ] * 2
    for run in runs:
        record = RunFolder(run.parent).record()
        assert record is not None
        assert record["parameters"] == pytest.approx(20_000, rel=0.1)
        assert record["config"]["algo_kwargs"]["learning_rate"] == (5e-4 if "gru" in run.parent.name else 1e-3)
    table = Path("runs/small/table.md").read_text()
    for name in ("| gru |", "| none |", "| none, full_observation |"):
        assert name in table


MISTAKES = {
    "unknown key": ("env: [x]\nmemries: [gru]", "a study has no 'memries': did you mean 'memory'"),
    "kind": ("env: [x]\nseeds: three", "seeds must be of type int, got 'three'"),
    "one environment as a text": ("env: x", "env must be of type tuple, got 'x'"),
    "count": ("env: [x]\nmatch_parameters: many", "'many' is not a whole number such as 100000 or 100k"),
    "nothing": ("", "must be a mapping such as 'env: [...]', got NoneType"),
    "a list": ("- x", "must be a mapping"),
    "no environment": ("seeds: 3", "a study needs env"),
    "not YAML": ("env: [", "is not YAML"),
    "code": ("env: !!python/object/apply:os.getcwd []", "is not YAML"),
    "own axis": (f"env: ['{T_MAZE}']\nown: {{memori: {{}}}}", "called 'memori': did you mean 'memory'"),
    "own entry": (f"env: ['{T_MAZE}']\nown: {{memory: {{dnc: {{}}}}}}", "own, memory: the study has no 'dnc'"),
    "own setting": (
        f"env: ['{T_MAZE}']\nown: {{memory: {{gru: {{timestep: 3}}}}}}",
        "own, memory, gru: there is no setting 'timestep': did you mean 'timesteps'",
    ),
    "own entries": (f"env: ['{T_MAZE}']\nown: {{memory: [gru]}}", "own: memory must be of type dict, got ['gru']"),
    "own settings": (f"env: ['{T_MAZE}']\nown: {{memory: {{gru: 3}}}}", "own, memory: gru must be of type dict, got 3"),
    "own kind": (f"env: ['{T_MAZE}']\nown: {{memory: {{gru: {{timesteps: few}}}}}}", "timesteps must be of type int"),
    "argument": (f"env: ['{T_MAZE} corridor']", "'corridor' is not of the form name=value"),
    "argument of the environment": (f"env: ['{T_MAZE} corridor=3']", "no argument 'corridor'"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_study_that_is_none_is_refused_before_anything_is_trained(text, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text(text)
    assert main(["compare", "wrong.yaml"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_files_that_hold_no_study_are_named(tmp_path, capsys):
    (tmp_path / "empty.py").write_text("")
    for file, message in [
        ("empty.py", "must define study = CompareConfig(...)"),
        ("missing.yaml", "there is no study"),
        ("study.txt", "a study is a file that ends in .py, .yaml, .yml"),
    ]:
        assert main(["compare", str(tmp_path / file)]) == 2
        assert message in capsys.readouterr().err
