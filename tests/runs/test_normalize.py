"""Runs in normalised environments: trained, evaluated, cut off and gone on with."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from chaos import STEP
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from test_chaos import FATAL
from test_resume import Unwritable, assert_same_run, cut_and_resumed, cut_off

from memagents import MemoryPPO, load_vec_normalize, make_vec_env
from memagents.agents.serialization import open_archive
from memagents.cli import main
from memagents.runs import training
from memagents.runs.checkpoints import newest_checkpoint
from memagents.runs.config import TrainConfig
from memagents.runs.env_states import is_exact
from memagents.runs.evaluation import SEED_OFFSET
from memagents.runs.folder import RunFolder
from memagents.runs.generators import generator_states
from memagents.runs.models import build_env, build_model, load_model
from memagents.runs.results import RunResult
from memagents.runs.training import evaluate_run, train

Tiny = Callable[..., TrainConfig]
CARTPOLE = {"env": "CartPole-v1", "env_kwargs": {}, "normalize": True}
NONE = RunningMeanStd().count
"""What SB3 counts before the first observation: a little."""


def statistics(result: RunResult) -> dict[str, bytes]:
    parts = open_archive(result.model_file).parts
    return {name: part for name, part in parts.items() if name.startswith("normalization")}


@pytest.fixture
def built(monkeypatch) -> list[VecNormalize]:
    """The environments that models are built with from here on."""
    envs: list[VecNormalize] = []

    def build(config, env):
        envs.append(env)
        return build_model(config, env)

    monkeypatch.setattr(training, "build_model", build)
    return envs


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
@pytest.mark.parametrize("gamma", [None, 0.5])
def test_rewards_are_normalised_with_the_discount_of_the_algorithm(algo, gamma, tiny: Tiny):
    config = tiny(**CARTPOLE, algo=algo, algo_kwargs={"n_steps": 8} | ({"gamma": gamma} if gamma else {}))
    env = build_env(config, n_envs=2, seed=0)
    assert isinstance(env, VecNormalize)
    assert env.gamma == build_model(config, env).gamma == (gamma or 0.99)


def test_without_it_nothing_is_normalised(tiny: Tiny):
    assert not isinstance(build_env(tiny(), n_envs=2, seed=0), VecNormalize)


def test_the_evaluation_counts_rewards_as_they_are_and_observes_as_in_training(tiny: Tiny, built):
    result = train(tiny(**CARTPOLE))
    assert result.evaluation.returns == [float(length) for length in result.evaluation.lengths]
    (trained_in,) = built
    plain = make_vec_env("CartPole-v1", 2, SEED_OFFSET)
    by_hand = VecNormalize(plain, training=False, norm_reward=False)
    by_hand.obs_rms = trained_in.obs_rms
    plain.seed(SEED_OFFSET)
    returns, _ = evaluate_policy(load_model(result), by_hand, 4, return_episode_rewards=True)
    assert returns == result.evaluation.returns
    assert trained_in.obs_rms.count == pytest.approx(NONE + 2 + 96)


def test_a_saved_run_is_evaluated_and_used_as_it_was_normalised(tiny: Tiny, built):
    result = train(tiny(**CARTPOLE))
    assert evaluate_run(result, episodes=4) == result.evaluation
    env = load_vec_normalize(result.model_file, make_vec_env("CartPole-v1", 2, seed=0))
    assert np.array_equal(env.obs_rms.mean, built[0].obs_rms.mean)
    assert np.array_equal(env.reset(), built[0].normalize_obs(env.get_original_obs()))


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["ppo", "a2c"])
def test_a_run_cut_off_twice_ends_with_the_same_statistics(algo, tiny: Tiny, tmp_path, monkeypatch):
    same = {**CARTPOLE, "algo": algo, "algo_kwargs": {"n_steps": 8}, "eval_episodes": 2}
    whole = train(tiny(**same, folder=tmp_path / "whole"))
    resumed = cut_and_resumed(tiny(**same, checkpoint_every=16), monkeypatch, 40, 72)
    assert [entry["at_step"] for entry in resumed.record["resumed"]] == [32, 64]
    assert resumed.record["environments_resume"] == "exactly"
    assert_same_run(whole, resumed)
    assert statistics(whole) == statistics(resumed) != {}


def test_last_action_and_reward_can_be_normalised_too(tiny: Tiny, tmp_path, monkeypatch):
    same = {"normalize": True, "last_action_reward": True}
    whole = train(tiny(**same, folder=tmp_path / "whole"))
    assert_same_run(whole, cut_and_resumed(tiny(**same, checkpoint_every=32), monkeypatch, 64))
    assert evaluate_run(whole, episodes=4) == whole.evaluation


def test_everything_that_decides_how_normalisation_goes_on_is_restored(tiny: Tiny, monkeypatch, built):
    config = tiny(**CARTPOLE, checkpoint_every=32)
    cut_off(config, monkeypatch, 64)
    env = build_env(config, n_envs=2, seed=3)
    model = build_model(config, env)
    model.set_logger(training.Logger(None, []))
    newest_checkpoint(RunFolder(config.run_folder)).restore(model, seed=3)
    model.learn(32, reset_num_timesteps=False)  # as far as the run came that was cut off
    (other,) = built
    for one, another in ((env.obs_rms, other.obs_rms), (env.ret_rms, other.ret_rms)):
        assert np.array_equal(one.mean, another.mean)
        assert np.array_equal(one.var, another.var)
        assert one.count == another.count
    assert np.array_equal(env.returns, other.returns)
    assert env.returns.any()
    assert np.array_equal(env.get_original_obs(), other.get_original_obs())
    assert np.array_equal(env.get_original_reward(), other.get_original_reward())
    assert np.array_equal(env.normalize_obs(env.get_original_obs()), model._last_obs)
    assert env.venv.steps == other.venv.steps == 32


def test_normalised_environments_are_proved_to_go_on_like_others(tiny: Tiny):
    before = generator_states()["torch"]
    for env, exact in (("CartPole-v1", True), ("Unwritable-v0", False)):
        config = tiny(**CARTPOLE | {"env": env})
        assert is_exact(lambda seed, config=config: build_env(config, n_envs=2, seed=seed)) == exact
    assert generator_states()["torch"].equal(before)


def test_where_new_episodes_begin_the_statistics_go_on(tiny: Tiny, monkeypatch, built):
    assert Unwritable.__module__ == "test_resume"  # which registers it
    config = tiny(env="Unwritable-v0", env_kwargs={}, normalize=True, checkpoint_every=32)
    result = cut_and_resumed(config, monkeypatch, 64)
    assert result.record["environments_resume"] == "with new episodes"
    # The first observations of two environments, 32 steps, and after the checkpoint the same again and 64 steps.
    assert built[-1].obs_rms.count == pytest.approx(NONE + 2 + 32 + 2 + 64)


@pytest.mark.parametrize("fault", FATAL)
def test_a_fault_is_named_and_does_not_spoil_the_statistics(fault, tiny: Tiny):
    environment = {"env": "chaos:Chaos-v0", "env_kwargs": {"fault": fault, "at": STEP}, "vectorization": "dummy"}
    config = tiny(**environment, normalize=True)
    with pytest.raises(FATAL[fault], match=f"environment 1 .*at step {STEP}"):
        train(config)
    env = load_vec_normalize(RunFolder(config.run_folder).failed_model_file, make_vec_env("chaos:Chaos-v0", 2))
    assert env.obs_rms.count == pytest.approx(NONE + 2 * STEP)
    assert np.isfinite([*env.obs_rms.mean, *env.obs_rms.var, env.ret_rms.var]).all()


def test_a_run_that_is_older_than_the_setting_is_the_same_run(tiny: Tiny, environments_built):
    result = train(tiny())
    file = RunFolder(result.folder).record_file
    record = json.loads(file.read_text())
    assert record["config"].pop("normalize") is False
    file.write_text(json.dumps(record))
    environments_built.clear()
    assert train(tiny()).evaluation == result.evaluation
    assert environments_built == []
    with pytest.raises(ValueError, match=r"another configuration \(normalize: False, not True\)"):
        train(tiny(normalize=True))


def test_the_command_line_has_a_flag_for_it(tmp_path, capsys):
    tiny = ["--timesteps", "64", "--n-envs", "2", "--eval-episodes", "2", "--algo-kwargs", "n_steps=16", "n_epochs=1"]
    assert main(["train", "--env", "CartPole-v1", "--normalize", *tiny, "--folder", str(tmp_path / "run")]) == 0
    result = RunResult.load(tmp_path / "run")
    assert result.config.normalize
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0
    assert result.evaluation.describe() in capsys.readouterr().out
    study = ["--memory", "none", "--seeds", "1", "--folder", str(tmp_path / "study")]
    assert main(["compare", "--env", "CartPole-v1", "--normalize", *tiny, *study]) == 0
    assert statistics(RunResult.load(tmp_path / "study/CartPole-v1/none-ppo-seed0"))
    assert MemoryPPO.load(result.model_file).get_vec_normalize_env() is None
