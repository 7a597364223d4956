"""A replay shows the episodes of an evaluation, and the states that the agent really had in them."""

import shutil
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sizes import small

from memagents import list_memories
from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.errors import MissingPartError
from memagents.runs import replay
from memagents.runs.config import TrainConfig
from memagents.runs.evaluation import evaluate
from memagents.runs.folder import RunFolder
from memagents.runs.models import build_env, build_model
from memagents.runs.replay import Episode, act, look_back, play
from memagents.runs.results import RunResult
from memagents.runs.training import evaluate_run, train

memories = pytest.mark.parametrize("memory", list_memories())


class Drifting(gym.Env):
    """Real numbers in and out, five steps long; shows itself as a text, or fails to."""

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012
    observation_space, action_space = spaces.Box(-9, 9, (2,)), spaces.Box(-0.1, 0.1, (2,))

    def __init__(self, render_mode: str | None = None, broken: bool = False) -> None:
        self.render_mode, self.broken = render_mode, broken

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.place = 0, self.np_random.normal(size=2).astype(np.float32)
        return self.place.copy(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.place += action
        return self.place.copy(), float(self.place.sum()), False, self.steps == 5, {}

    def render(self) -> str:
        if self.broken:
            raise RuntimeError("there is no display")
        return f"step {self.steps}"


gym.register("Drifting-v0", Drifting)


def untrained(config: TrainConfig) -> MemoryActorCriticPolicy:
    policy = build_model(config, build_env(config, n_envs=1, seed=0)).policy
    with torch.no_grad():  # so that what is remembered weighs in what is done
        policy.action_net.weight.normal_()
    return policy


def episodes_of(policy: MemoryActorCriticPolicy, config: TrainConfig, episodes: int = 3) -> list[Episode]:
    env = build_env(config, n_envs=2, seed=5)
    return [look_back(policy, *episode) for episode in act(policy, env, episodes)]


@memories
def test_it_takes_the_actions_that_an_evaluation_takes(memory, tiny, monkeypatch):
    config = tiny(memory=memory, memory_kwargs=small(memory))
    model = build_model(config, build_env(config, n_envs=1, seed=0))
    model.policy.action_net.weight.data.normal_()
    taken: list[np.ndarray] = []
    predict = model.policy.predict

    def spy(*arguments: Any, **options: Any) -> Any:
        actions, state = predict(*arguments, **options)
        taken.append(actions)
        return actions, state

    monkeypatch.setattr(model.policy, "predict", spy)
    # With one environment; of several, those that have played their episodes act on, which counts for nothing.
    evaluation = evaluate(model, build_env(config, n_envs=1, seed=5), episodes=3, seed=5)
    evaluated, taken[:] = list(taken), []
    played = act(model.policy, build_env(config, n_envs=1, seed=5), 3)
    np.testing.assert_array_equal(taken, evaluated)
    assert [info["episode"]["r"] for _, info in played] == pytest.approx(evaluation.returns)
    assert [len(steps) for steps, _ in played] == evaluation.lengths


@memories
def test_what_it_tells_is_what_the_agent_had_while_it_acted(memory, tiny):
    config = tiny(memory=memory, memory_kwargs=small(memory))
    assert_as_acted(untrained(config), config)


@pytest.mark.parametrize("critic", ["separate", "none"])
def test_of_an_agent_with_two_memories_it_tells_the_actors(critic, tiny):
    config = tiny(critic_memory=critic)
    assert_as_acted(untrained(config), config)


def assert_as_acted(policy: MemoryActorCriticPolicy, config: TrainConfig) -> None:
    """Every step of the episodes, taken once more as training takes it, one after the other."""
    for episode in episodes_of(policy, config):
        state = policy.initial_state(1)
        for t, observation in enumerate(episode.observations):
            with torch.no_grad():
                action, value, log_prob, state = policy(
                    torch.as_tensor(observation)[None], state, torch.tensor([t == 0]), deterministic=True
                )
            assert action.item() == episode.actions[t]
            assert value.item() == pytest.approx(episode.values[t], abs=1e-5)
            assert log_prob.item() == pytest.approx(np.log(episode.probabilities[t, action.item()]), abs=1e-5)
            for name, field in state.actor._asdict().items():
                np.testing.assert_allclose(episode.memory[name][t], field[0].numpy(), atol=1e-5)


def test_a_finished_run_is_played_as_it_is_evaluated(trained):
    found, evaluation = play(trained, episodes=3), evaluate_run(trained, episodes=3)
    assert [episode.total for episode in found.episodes] == pytest.approx(evaluation.returns)
    assert [episode.length for episode in found.episodes] == evaluation.lengths
    assert [episode.success for episode in found.episodes] == evaluation.successes
    assert (found.seed, found.action_names) == (evaluation.seed, ("north", "east", "south", "west"))
    assert play(trained, episodes=1, seed=7).seed == 7
    for episode in found.episodes:
        assert sum(episode.rewards) == pytest.approx(episode.total, abs=1e-5)
        assert len(episode.frames) == len(episode.actions) == episode.length
        assert episode.frames[0].dtype == np.uint8
        assert set(episode.memory) == {"hidden", "reset_gates", "update_gates"}


def test_a_normalised_agent_sees_what_it_was_trained_on(tiny):
    result = train(tiny(normalize=True))
    found, evaluation = play(result, episodes=2), evaluate_run(result, episodes=2)
    assert [episode.total for episode in found.episodes] == pytest.approx(evaluation.returns)
    assert not set(np.unique(found.episodes[0].observations)) <= {0.0, 1.0}


def test_real_actions_have_no_probabilities_and_a_text_is_a_frame(tiny):
    result = train(tiny(env="Drifting-v0", env_kwargs={}))
    (episode,) = play(result, episodes=1).episodes
    assert episode.probabilities is None
    assert episode.frames == [f"step {t}" for t in range(5)]
    moved = np.diff(episode.observations, axis=0)
    np.testing.assert_allclose(moved, episode.actions[:-1], atol=1e-6)
    assert np.abs(episode.actions).max() <= 0.1
    assert episode.success is None


def test_an_environment_that_cannot_be_drawn_is_played_without_frames(tiny):
    result = train(tiny(env="Drifting-v0", env_kwargs={"broken": True}))
    assert play(result, episodes=2).episodes[0].frames is None


def test_of_a_long_episode_the_first_steps_are_kept_and_all_are_counted(tiny, monkeypatch):
    config = tiny()
    policy = untrained(config)
    whole = episodes_of(policy, config)
    monkeypatch.setattr(replay, "LONGEST", 2)
    for cut, episode in zip(episodes_of(policy, config), whole, strict=True):
        assert (cut.length, cut.total) == (episode.length, episode.total)
        assert len(cut.actions) == min(2, episode.length)
        np.testing.assert_allclose(cut.memory["hidden"], episode.memory["hidden"][:2], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"episodes": 0}, "episodes must be at least 1, got 0"), ({"episodes": 1, "seed": -1}, "seed must be at least 0")],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_built(options, message, trained, environments_built):
    with pytest.raises(ValueError, match=message):
        play(trained, **options)
    assert environments_built == []


def test_a_run_without_its_model_is_named(trained, tmp_path):
    folder = shutil.copytree(trained.folder, tmp_path / "run")
    RunFolder(folder).model_file.unlink()
    with pytest.raises(MissingPartError, match="is not there; train the run again"):
        play(RunResult.load(folder), episodes=1)


def test_an_agent_of_images_is_evaluated_and_played(tiny):
    result = train(tiny(env_kwargs={"corridor_length": 2, "pixels": True}, eval_episodes=2))
    (episode,) = play(result, episodes=1).episodes
    assert episode.total in result.evaluation.returns
    assert episode.observations.shape == (episode.length, 1, 36, 36)
