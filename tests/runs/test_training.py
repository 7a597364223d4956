"""A configuration becomes a run folder."""

import json
import math
import re
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
import torch

from memagents.runs import training
from memagents.runs.config import TrainConfig
from memagents.runs.models import build_env, load_model
from memagents.runs.results import RunResult
from memagents.runs.training import declared_bounds, evaluate_run, train

TIMING = ("time/fps", "time/time_elapsed")
Tiny = Callable[..., TrainConfig]


def without_timing(result: RunResult) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name not in TIMING} for row in result.metrics()]


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
def test_the_same_seed_gives_the_same_metrics_parameters_and_evaluation(algo, tiny: Tiny, tmp_path):
    options = {"n_steps": 16}
    first, second = (
        train(tiny(algo=algo, algo_kwargs=options, folder=tmp_path / name)) for name in ("first", "second")
    )
    assert without_timing(first) == without_timing(second)
    assert first.evaluation == second.evaluation
    ours, theirs = (load_model(result).policy.state_dict() for result in (first, second))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_records_what_its_agent_keeps_and_the_bounds_its_environment_declares(finished):
    assert finished.state_bytes == 4 * 4  # a GRU of 4 units, in float32
    assert finished.bounds == (0.0, 1.0)


@pytest.mark.parametrize("vectorization", ["batched", "dummy", "subproc"])
def test_bounds_are_asked_for_wherever_environments_live(vectorization, tiny: Tiny):
    with closing(build_env(tiny(vectorization=vectorization, last_action_reward=True), n_envs=2, seed=0)) as env:
        assert declared_bounds(env) == {"best_return": 1.0, "memoryless_return": 0.0}


def test_environments_need_not_declare_bounds_nor_mean_the_same_by_their_names(tiny: Tiny):
    with closing(build_env(tiny(env="CartPole-v1", env_kwargs={}), n_envs=2, seed=0)) as env:
        assert declared_bounds(env) == {}
        env.set_attr("best_return", "none so far")
        env.set_attr("memoryless_return", math.inf)
        assert declared_bounds(env) == {}


def test_another_seed_gives_other_metrics(finished, tiny: Tiny):
    assert without_timing(train(tiny(seed=1))) != without_timing(finished)


def test_a_finished_run_is_not_trained_again(tiny: Tiny, environments_built):
    first = train(tiny())
    environments_built.clear()
    assert train(tiny()) == first
    assert environments_built == []


def test_how_and_where_a_run_is_computed_does_not_make_it_another_run(tiny: Tiny, tmp_path, environments_built):
    train(tiny())
    (tmp_path / "run").rename(tmp_path / "moved")
    environments_built.clear()
    assert train(tiny(folder=tmp_path / "moved", threads=1)).folder == tmp_path / "moved"
    assert environments_built == []


def test_a_folder_with_another_configuration_is_refused_and_kept(tiny: Tiny, environments_built):
    result = train(tiny())
    environments_built.clear()
    message = r"run holds a run with another configuration \(seed: 0, not 1\); choose another folder, or delete"
    with pytest.raises(ValueError, match=message):
        train(tiny(seed=1))
    assert RunResult.load(result.folder) == result
    assert environments_built == []


def test_a_run_that_failed_before_its_first_step_makes_way_for_another_configuration(tiny: Tiny):
    with pytest.raises(ValueError, match="sequence_length must divide n_steps"):
        train(tiny(sequence_length=5))
    assert train(tiny(sequence_length=8)).config.sequence_length == 8


def test_an_interrupted_run_says_so_and_starts_again_from_the_beginning(tiny: Tiny, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(training, "learn", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tiny())
    folder = tiny().run_folder
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    with pytest.raises(ValueError, match="is interrupted, not finished"):
        RunResult.load(folder)

    result = train(tiny())
    assert "not finished (interrupted), starts again from the beginning" in capsys.readouterr().err
    assert [row["timesteps"] for row in result.metrics()] == [32, 64, 96, 96]


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_failed_run_keeps_the_reason(tiny: Tiny, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(training, "evaluate_model", fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        train(tiny())
    record = json.loads((tiny().run_folder / "run.json").read_text())
    assert record["status"] == "failed"
    assert "RuntimeError: the disk is full" in record["error"]


def test_run_json_tells_what_is_needed_to_do_it_again(finished):
    record = json.loads((finished.folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["config"]["memory_kwargs"] == {"hidden_size": 4}
    assert record["config"]["seed"] == 0
    assert record["algorithm"]["class"] == "MemoryPPO"
    arguments = record["algorithm"]["arguments"]
    assert (arguments["policy"], arguments["n_steps"], arguments["gae_lambda"]) == ("MlpPolicy", 16, 0.95)
    assert record["versions"].keys() >= {"python", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy"}
    assert record["hardware"].keys() == {"cpu", "cores", "memory_gib"}
    assert record["torch_threads"] >= 1
    assert record["timesteps"] == 96
    assert record["command"]
    assert record["started"] <= record["ended"]
    assert re.fullmatch("[0-9a-f]{40}", record["commit"] or "0" * 40)


def test_the_parameters_are_those_of_the_policy(finished):
    assert finished.parameters == sum(parameter.numel() for parameter in load_model(finished).policy.parameters())


def test_the_evaluation_counts_every_episode_of_the_last_model(finished):
    stored = json.loads((finished.folder / "evaluation.json").read_text())
    assert stored["episodes"] == len(stored["returns"]) == len(stored["lengths"]) == len(stored["successes"]) == 4
    assert stored["seed"] != finished.config.seed
    assert stored["deterministic"]
    assert stored["mean_return"] == pytest.approx(np.mean(stored["returns"]))
    assert stored["success_rate"] == pytest.approx(np.mean(stored["successes"]))
    assert evaluate_run(finished, episodes=4) == finished.evaluation


def test_models_are_saved_whole_at_the_asked_steps_and_at_the_end(finished):
    names = sorted(path.name for path in (finished.folder / "checkpoints").iterdir())
    assert names == ["LATEST", "final.zip", "step-000000064.zip"]


def test_observations_can_hold_the_last_action_and_reward(tiny: Tiny):
    plain, extended = (train(tiny(folder=tiny().run_folder / str(on), last_action_reward=on)) for on in (False, True))
    assert extended.parameters > plain.parameters


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
def test_the_learning_rate_stays_or_falls_in_a_line_to_zero(algo, tiny: Tiny, tmp_path):
    options = {"algo": algo, "algo_kwargs": {"n_steps": 16, "learning_rate": 3e-3}}
    rates = {}
    for schedule in ("constant", "linear"):
        result = train(tiny(**options, lr_schedule=schedule, folder=tmp_path / schedule))
        logged = [row["train/learning_rate"] for row in result.metrics() if "train/learning_rate" in row]
        # What the last update did is in no row; its optimizer knows.
        rates[schedule] = [*logged, load_model(result).policy.optimizer.param_groups[0]["lr"]]
    assert rates["constant"] == [3e-3] * 3
    assert rates["linear"] == pytest.approx([2e-3, 1e-3, 0.0], abs=1e-12)  # 96 steps are three rollouts
