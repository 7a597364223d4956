"""A run that was cut off goes on to the same end."""

import hashlib
import io
import random
from collections.abc import Callable
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sizes import small
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from memagents import MemoryPPO, make_vec_env
from memagents.agents.archives import read_archive, write_archive
from memagents.runs import checkpoints, training
from memagents.runs.checkpoints import Checkpoints, Session, newest_checkpoint, write_checkpoint
from memagents.runs.config import TrainConfig
from memagents.runs.env_states import capture, is_exact, restore_env
from memagents.runs.folder import RunFolder
from memagents.runs.generators import generator_states, kept_generators, set_generator_states
from memagents.runs.models import load_model
from memagents.runs.results import RunResult
from memagents.runs.training import resume, train

Tiny = Callable[..., TrainConfig]

T_MAZE = {"env": "memagents_envs:MemAgents/TMaze-v0", "env_kwargs": {"corridor_length": 3}}
POPGYM = {"env": "popgym:popgym-RepeatPreviousEasy-v0", "env_kwargs": {}}
CARTPOLE = {"env": "CartPole-v1", "env_kwargs": {}}
TIMING = ("time/fps", "time/time_elapsed")


class PowerCutError(Exception):
    pass


def cut_at(monkeypatch, steps):
    """The next run ends abruptly before the rollout that begins after so many steps."""
    original = Checkpoints._on_rollout_start

    def cut(self):
        if self.model.num_timesteps >= steps:
            raise PowerCutError
        original(self)

    monkeypatch.setattr(Checkpoints, "_on_rollout_start", cut)


def cut_off(config, monkeypatch, steps):
    with monkeypatch.context() as patch:
        cut_at(patch, steps)
        with pytest.raises(PowerCutError):
            train(config)


def cut_and_resumed(config, monkeypatch, *steps):
    for cut in steps:
        cut_off(config, monkeypatch, cut)
    return train(config)


def parameters_hash(result: RunResult) -> str:
    model = load_model(result)
    tensors = [*model.policy.state_dict().values()]
    for state in model.policy.optimizer.state_dict()["state"].values():
        tensors += [torch.as_tensor(value) for value in state.values()]
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def rows(result: RunResult) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name not in TIMING} for row in result.metrics()]


def assert_same_run(one: RunResult, other: RunResult) -> None:
    assert parameters_hash(one) == parameters_hash(other)
    assert rows(one) == rows(other)
    assert one.evaluation == other.evaluation


MEMORIES = [
    *((T_MAZE, memory) for memory in ("none", "lstm", "dnc", "gtrxl", "tcn")),
    (POPGYM, "gru"),
    (CARTPOLE, "rnn"),
]


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["ppo", "a2c"])
@pytest.mark.parametrize(("env", "memory"), MEMORIES, ids=[f"{env['env']}-{memory}" for env, memory in MEMORIES])
def test_a_run_cut_off_twice_ends_as_if_nothing_had_happened(env, memory, algo, tiny: Tiny, tmp_path, monkeypatch):
    options = {"n_steps": 4} | ({"n_epochs": 1} if algo == "ppo" else {})
    same = {**env, "algo": algo, "memory": memory, "memory_kwargs": small(memory), "algo_kwargs": options}
    config = tiny(**same, timesteps=48, eval_episodes=1, checkpoint_every=16, folder=tmp_path / "cut")
    whole = train(tiny(**same, timesteps=48, eval_episodes=1, folder=tmp_path / "whole"))
    resumed = cut_and_resumed(config, monkeypatch, 24, 40)
    assert [entry["at_step"] for entry in resumed.record["resumed"]] == [16, 32]
    assert resumed.record["environments_resume"] == "exactly"
    assert_same_run(whole, resumed)


CHANGES = {
    "last action and reward": {"last_action_reward": True},
    "separate critic": {"critic_memory": "separate"},
    "a falling learning rate": {"lr_schedule": "linear"},
    "three rollouts in a row of metrics": {"timesteps": 128, "algo": "a2c", "algo_kwargs": {"n_steps": 4}},
    "schedules": {"algo_kwargs": {"n_steps": 16, "n_epochs": 2, "target_kl": 0.01, "ent_coef": 0.01}},
}


@pytest.mark.parametrize("case", CHANGES)
def test_other_settings_go_on_exactly_too(case, tiny: Tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "ROWS", 5)
    whole = train(tiny(**CHANGES[case], folder=tmp_path / "whole"))
    steps = whole.record["timesteps"]
    resumed = cut_and_resumed(tiny(**CHANGES[case], checkpoint_every=32), monkeypatch, steps * 2 // 3)
    assert resumed.record["resumed"]
    assert_same_run(whole, resumed)


def test_gsde_and_continuous_actions_go_on_exactly(tiny: Tiny, tmp_path, monkeypatch):
    options = {"n_steps": 8, "n_epochs": 1, "use_sde": True, "sde_sample_freq": 4}
    same = {"env": "Pendulum-v1", "env_kwargs": {}, "algo_kwargs": options, "eval_episodes": 1}
    whole = train(tiny(**same, folder=tmp_path / "whole"))
    assert_same_run(whole, cut_and_resumed(tiny(**same, checkpoint_every=32), monkeypatch, 48))


def test_no_row_of_metrics_is_missing_or_twice(tiny: Tiny, monkeypatch, capsys):
    result = cut_and_resumed(tiny(checkpoint_every=32), monkeypatch, 64)
    assert [row["timesteps"] for row in result.metrics()] == [32, 64, 96, 96]
    assert "run: goes on from step-000000032.zip, 32 of 96 steps" in capsys.readouterr().err


def test_checkpoints_change_nothing_in_a_run_that_is_not_cut_off(tiny: Tiny, tmp_path):
    plain, saved = (train(tiny(checkpoint_every=n, folder=tmp_path / str(n))) for n in (None, 16))
    assert_same_run(plain, saved)


def test_a_run_without_checkpoints_starts_again(tiny: Tiny, monkeypatch, capsys):
    result = cut_and_resumed(tiny(), monkeypatch, 64)
    assert "not finished (failed), starts again from the beginning" in capsys.readouterr().err
    assert [row["timesteps"] for row in result.metrics()] == [32, 64, 96, 96]


def test_a_run_that_was_cut_off_in_its_evaluation_is_evaluated(tiny: Tiny, tmp_path, monkeypatch):
    whole = train(tiny(folder=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(training, "evaluate_model", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(tiny())
        patch.setattr(MemoryPPO, "train", lambda _: pytest.fail("it was trained"))
    assert_same_run(whole, train(tiny()))


def test_a_folder_can_be_resumed_by_its_name(tiny: Tiny, tmp_path, monkeypatch):
    whole = train(tiny(folder=tmp_path / "whole"))
    cut_off(tiny(checkpoint_every=32), monkeypatch, 64)
    assert_same_run(whole, resume(tmp_path / "run"))
    with pytest.raises(ValueError, match=r"holds no run: there is no run\.json in it"):
        resume(tmp_path)


def spoil(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(tiny: Tiny, tmp_path, monkeypatch, capsys):
    whole, config = train(tiny(timesteps=128, folder=tmp_path / "whole")), tiny(timesteps=128, checkpoint_every=32)
    cut_off(config, monkeypatch, 96)
    spoil(config.run_folder / "checkpoints" / "step-000000064.zip")
    resumed = train(config)
    said = capsys.readouterr().err
    assert "step-000000064.zip breaks off before its end" in said
    assert "goes on from step-000000032.zip" in said
    assert_same_run(whole, resumed)
    assert newest_checkpoint(RunFolder(config.run_folder)).path.name == "final.zip"


def test_a_checkpoint_whose_metrics_are_gone_is_not_taken(tiny: Tiny, monkeypatch, capsys):
    config = tiny(timesteps=128, checkpoint_every=32)
    cut_off(config, monkeypatch, 96)
    metrics = config.run_folder / "metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines()[0] + "\n")
    train(config)
    assert "goes on from step-000000032.zip" in capsys.readouterr().err


def test_a_checkpoint_of_another_configuration_is_not_gone_on_from(tiny: Tiny, monkeypatch):
    cut_off(tiny(checkpoint_every=32), monkeypatch, 64)
    (tiny().run_folder / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="another configuration"):
        train(tiny(checkpoint_every=32, memory="lstm"))


def test_every_checkpoint_is_a_model_and_the_latest_is_noted(tiny: Tiny):
    folder = RunFolder(train(tiny(checkpoint_every=32)).folder)
    names = sorted(path.name for path in folder.checkpoints.iterdir())
    assert names == ["LATEST", "final.zip", "step-000000032.zip", "step-000000064.zip"]
    assert (folder.checkpoints / "LATEST").read_text() == "final.zip\n"
    assert [MemoryPPO.load(folder.checkpoints / name).num_timesteps for name in names[1:]] == [96, 32, 64]


# Environments.


class Unwritable(gym.Env):
    """Counts in a closure, which nothing can see from outside."""

    observation_space, action_space = spaces.Box(0, 1e6, (1,)), spaces.Discrete(2)

    def __init__(self):
        count = iter(range(1_000_000))
        self.next = lambda: np.full(1, next(count), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.next(), {}

    def step(self, action):
        return self.next(), 1.0, False, self.np_random.random() < 0.2, {}


class Speaking(Unwritable):
    """Says itself what decides its future."""

    def __init__(self):
        self.count = [0]
        self.next = lambda: np.full(1, self.count.__setitem__(0, self.count[0] + 1) or self.count[0], np.float32)

    def get_state(self):
        return {"count": self.count[0], "generator": self.np_random.bit_generator.state}

    def set_state(self, state):
        self.count[0], self.np_random.bit_generator.state = state["count"], state["generator"]


gym.register("Unwritable-v0", Unwritable)
gym.register("Speaking-v0", Speaking)


@pytest.mark.parametrize(
    ("env", "exact"),
    [
        (T_MAZE["env"], True),
        (POPGYM["env"], True),
        ("CartPole-v1", True),
        ("Unwritable-v0", False),
        ("Speaking-v0", True),
    ],
)
def test_whether_environments_can_be_saved_is_tried(env, exact):
    before = np.random.get_state()[1].copy()
    assert is_exact(lambda seed: make_vec_env(env, 2, seed)) == exact
    assert np.array_equal(np.random.get_state()[1], before)


def test_environments_that_cannot_be_saved_begin_new_episodes_and_that_is_said(tiny: Tiny, monkeypatch, capsys):
    config = tiny(env="Unwritable-v0", env_kwargs={}, checkpoint_every=32)
    result = cut_and_resumed(config, monkeypatch, 64)
    assert "these environments cannot be saved, so new episodes begin here" in capsys.readouterr().err
    assert result.record["environments_resume"] == "with new episodes"
    assert [row["timesteps"] for row in result.metrics()] == [32, 64, 96, 96]


def test_normalised_environments_go_on_with_their_statistics(tmp_path):
    def agent():
        env = VecNormalize(DummyVecEnv([lambda: gym.wrappers.TimeLimit(gym.make("CartPole-v1"), 20)] * 1))
        return MemoryPPO("MlpPolicy", env, n_steps=32, n_epochs=1, memory="gru", memory_kwargs=small("gru"), seed=0)

    whole, cut = agent().learn(192), agent()
    folder, session = RunFolder(tmp_path), Session(True, 0.0, 0.0)
    folder.checkpoints.mkdir()

    class Save(checkpoints.BaseCallback):
        def _on_rollout_start(self):
            if self.num_timesteps == 96:
                write_checkpoint(self.model, folder.checkpoints / "step-96.zip", folder.metrics_file, session)

        def _on_step(self):
            return self.num_timesteps < 120

    cut.learn(192, callback=Save())
    resumed = agent()
    resumed.set_logger(cut.logger)
    newest_checkpoint(folder).restore(resumed, seed=0)
    resumed.learn(96, reset_num_timesteps=False)
    assert np.array_equal(resumed.policy.parameters_to_vector(), whole.policy.parameters_to_vector())
    assert np.array_equal(resumed.env.obs_rms.mean, whole.env.obs_rms.mean)
    assert resumed.env.ret_rms.var == whole.env.ret_rms.var


def test_random_generators_of_spaces_and_aliases_go_on():
    first, second = (make_vec_env("CartPole-v1", 2, seed) for seed in (0, 1))
    first.reset()
    first.action_space.seed(3)
    first.envs[0].action_space.seed(4)
    restore_env(second, capture(first))
    assert [first.action_space.sample() for _ in range(9)] == [second.action_space.sample() for _ in range(9)]
    assert first.envs[1].unwrapped.np_random.random() == second.envs[1].unwrapped.np_random.random()


def test_generators_are_kept():
    def draws():
        own = [random.random(), random.gauss(0.0, 1.0)]
        return own + torch.rand(2).tolist() + np.random.rand(2).tolist()

    random.gauss(0.0, 1.0)  # of which Python keeps a second one for later
    with kept_generators():
        inside = draws()
    kept = read_archive(io.BytesIO(write_archive({}, {"states": generator_states()}, {})), "states").section("states")
    assert draws() == inside
    set_generator_states(kept)
    assert draws() == inside
    assert all(one != other for one, other in pairwise(inside))
