"""The adapter is DummyVecEnv with Monitor, only faster; and what `make_vec_env` and the wrapper promise."""

import copy
import inspect
from collections.abc import Callable
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecNormalize

from memagents.agents.guarded_vec_envs import GuardedDummyVecEnv
from memagents.agents.specs import choose_vectorization, find_spec
from memagents.agents.vec_envs import AppendLastActionReward, BatchedVecEnv, make_vec_env

T_MAZE = "memagents_envs:MemAgents/TMaze-v0"
REPEAT_PREVIOUS = "memagents_envs:MemAgents/RepeatPrevious-v0"
TASKS = [(T_MAZE, {"corridor_length": 1}), (T_MAZE, {"corridor_length": 4}), (REPEAT_PREVIOUS, {"k": 3})]
every_task = pytest.mark.parametrize(("env_id", "knobs"), TASKS)

FLAT = spaces.Box(-2.0, 3.0, (3,), np.float64)
MIXED = spaces.Dict({"position": spaces.Box(-1.0, 1.0, (2,), np.float32), "kind": spaces.Discrete(5)})
IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
ACTIONS = [
    spaces.Discrete(3),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiBinary(4),
    spaces.Box(0.5, 1.0, (2, 2), np.float32),
]
STEPS = 300


class Dream(gym.Env):
    """Random elements of any observation space, with infos at every step, whatever is done."""

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        # Copies, since a space holds the random stream of its samples.
        self.observation_space, self.action_space = copy.deepcopy(observation_space), copy.deepcopy(action_space)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {"born": self.np_random.random()} | (options or {})

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        luck, ended = self.np_random.normal(), self.np_random.random() < 0.1
        info = {"luck": luck, "inner": {"age": 3}} | ({"is_success": luck > 0} if ended else {})
        return self.observation_space.sample(), luck, ended, False, info


class ReusedRewards(gym.vector.VectorWrapper):
    """A vector environment that gives its rewards in the same array at every step."""

    def step(self, actions: Any) -> tuple[Any, ...]:
        observations, rewards, *rest = self.env.step(actions)
        self.rewards = getattr(self, "rewards", np.zeros(self.num_envs, np.float32))
        self.rewards[:] = rewards
        return observations, self.rewards, *rest


def dreaming(observation_space: spaces.Space, action_space: spaces.Space) -> Callable[[], gym.Env]:
    """Makes dreams of at most 8 steps."""
    return lambda: gym.wrappers.TimeLimit(Dream(observation_space, action_space), max_episode_steps=8)


def batched(make: Callable[[], gym.Env], n_envs: int = 4, **kwargs: Any) -> BatchedVecEnv:
    return BatchedVecEnv(SyncVectorEnv([make] * n_envs, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs))


def monitored(make: Callable[[], gym.Env], n_envs: int = 4) -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(make())] * n_envs)


def random_actions(venv: VecEnv, steps: int = STEPS) -> np.ndarray:
    venv.action_space.seed(0)
    return np.array([[venv.action_space.sample() for _ in range(venv.num_envs)] for _ in range(steps)])


def observation_of(observations: Any, i: int) -> Any:
    return {key: value[i] for key, value in observations.items()} if isinstance(observations, dict) else observations[i]


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert_same(value, theirs[key])
    else:
        np.testing.assert_array_equal(ours, theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype


def comparable(info: dict[str, Any], done: bool) -> dict[str, Any]:
    """Without the time an episode took, and the one entry that DummyVecEnv gives to running environments too."""
    info = copy.deepcopy(info)
    if done:
        del info["episode"]["t"]
    else:
        info.pop("TimeLimit.truncated", None)
    return info


def assert_steps_alike(ours: VecEnv, theirs: VecEnv) -> tuple[int, int]:
    """Steps both with the same actions; how many episodes ended, and how many of them were truncated."""
    ends, truncations = 0, 0
    assert_same(ours.reset(), theirs.reset())
    assert ours.reset_infos == list(theirs.reset_infos)
    for actions in random_actions(ours):
        observations, rewards, dones, infos = ours.step(actions)
        expected = theirs.step(actions)
        assert_same(observations, expected[0])
        assert_same(rewards, expected[1].astype(np.float32))  # SubprocVecEnv leaves them as they are
        assert_same(dones, expected[2])
        for info, expected_info, done in zip(infos, expected[3], dones, strict=True):
            assert_same(comparable(info, done), comparable(expected_info, done))
        assert ours.reset_infos == list(theirs.reset_infos)
        ends += dones.sum()
        truncations += sum(info.get("TimeLimit.truncated", False) for info in infos)
    return ends, truncations


@every_task
def test_every_step_is_that_of_dummy_vec_env_with_monitor(env_id, knobs):
    ours, theirs = (
        make_vec_env(env_id, 6, 9, env_kwargs=knobs, vectorization=vectorization)
        for vectorization in ("batched", "dummy")
    )
    assert isinstance(ours, BatchedVecEnv)
    assert (ours.observation_space, ours.action_space) == (theirs.observation_space, theirs.action_space)
    ends, truncations = assert_steps_alike(ours, theirs)
    assert ends > 20
    assert truncations > 0 or env_id == REPEAT_PREVIOUS
    assert_steps_alike(ours, theirs)  # a reset in mid-episode starts the counting anew


@pytest.mark.parametrize("observation_space", [FLAT, MIXED, spaces.Discrete(5)], ids=repr)
def test_any_same_step_vector_env_is_adapted_with_all_its_infos(observation_space):
    make = dreaming(observation_space, spaces.Discrete(2))
    ours, theirs = batched(make), monitored(make)
    for venv in (ours, theirs):
        venv.seed(3)
        venv.set_options({"mood": 1})
    ends, truncations = assert_steps_alike(ours, theirs)
    assert 0 < truncations < ends
    assert ours.reset_infos[0].keys() == {"born"}  # options are used once


def test_two_updates_of_ppo_give_bit_identical_parameters():
    def parameters(vectorization: Any) -> list[np.ndarray]:
        venv = make_vec_env(T_MAZE, 4, env_kwargs={"corridor_length": 1}, vectorization=vectorization)
        model = PPO("MlpPolicy", VecNormalize(venv), n_steps=64, batch_size=64, n_epochs=2, seed=0, device="cpu")
        model.learn(2 * 64 * 4)
        return [parameter.detach().numpy() for parameter in model.policy.parameters()]

    for ours, theirs in zip(parameters("batched"), parameters("dummy"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_evaluate_policy_trusts_its_episodes():
    venv = make_vec_env(REPEAT_PREVIOUS, 3, 0)
    model = PPO("MlpPolicy", venv, n_steps=8, batch_size=24, device="cpu")
    returns, lengths = evaluate_policy(model, venv, n_eval_episodes=5, return_episode_rewards=True)
    assert lengths == [51] * 5
    assert all(-1 <= total <= 1 for total in returns)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused(mode):
    env = SyncVectorEnv([dreaming(FLAT, ACTIONS[0])], autoreset_mode=mode)
    with pytest.raises(ValueError, match=f"must be AutoresetMode.SAME_STEP, got {mode}. Make it with"):
        BatchedVecEnv(env)


@pytest.mark.parametrize("observation_space", [FLAT, MIXED], ids=repr)
def test_what_was_returned_never_changes_even_if_the_env_reuses_its_arrays(observation_space):
    venv = BatchedVecEnv(ReusedRewards(batched(dreaming(observation_space, ACTIONS[0]), copy=False).env))
    kept, copies = [], []
    venv.reset()
    for actions in random_actions(venv, 30):
        observations, rewards, dones, infos = venv.step(actions)
        seen = observations.values() if isinstance(observations, dict) else [observations]
        kept.append((*seen, rewards, dones))
        copies.append(copy.deepcopy(kept[-1]))
        assert rewards.dtype == np.float32
        assert rewards.flags.writeable
        assert len({id(info) for info in infos}) == len(infos)
    for arrays, copied in zip(kept, copies, strict=True):
        for array, before in zip(arrays, copied, strict=True):
            np.testing.assert_array_equal(array, before)


def test_running_environments_have_empty_infos_of_their_own():
    venv = make_vec_env(REPEAT_PREVIOUS, 5)
    venv.reset()
    *_, infos = venv.step(np.zeros(5, int))
    assert infos == [{}] * 5
    infos[0]["mine"] = 1
    assert infos[1] == {}


def test_actions_are_passed_on_as_they_are():
    venv = batched(dreaming(FLAT, ACTIONS[3]))
    received: list[np.ndarray] = []
    venv.env.step, original = lambda actions: received.append(actions) or original(actions), venv.env.step
    venv.reset()
    actions = random_actions(venv, 1)[0]
    venv.step(actions)
    assert received[0] is actions


def test_attributes_and_methods_are_those_of_the_one_batch():
    venv = make_vec_env(T_MAZE, 4, 0, env_kwargs={"corridor_length": 3})
    venv.reset()
    assert venv.get_attr("corridor_length") == [3] * 4
    assert venv.get_attr("best_return", indices=[0, 2]) == [1.0, 1.0]
    assert venv.env_method("oracle") == [1, 1, 1, 1]
    assert venv.env_method("oracle", indices=1) == [1]
    assert venv.env_method("__str__", indices=[0, 1]) == [str(venv.env)] * 2
    assert venv.has_attr("state")
    assert not venv.has_attr("mood")
    venv.set_attr("mood", "calm")
    assert venv.env.mood == "calm"
    with pytest.raises(ValueError, match="mood can only be set for all 4 rows of a batch, got 1"):
        venv.set_attr("mood", "wild", indices=1)


def test_it_counts_as_wrapped_in_a_monitor_and_in_nothing_else():
    venv = make_vec_env(T_MAZE, 2)
    assert venv.env_is_wrapped(Monitor) == [True, True]
    assert venv.env_is_wrapped(gym.wrappers.TimeLimit, indices=0) == [False]


def test_options_that_differ_between_rows_are_refused():
    venv = batched(dreaming(FLAT, ACTIONS[0]), 2)
    venv.set_options([{"mood": 1}, {"mood": 2}])
    with pytest.raises(ValueError, match="one dict of options for all rows"):
        venv.reset()


def test_frames_are_tiled():
    venv = make_vec_env(T_MAZE, 4, env_kwargs={"corridor_length": 3, "render_mode": "rgb_array"})
    venv.reset()
    assert venv.metadata["render_modes"] == ["human", "rgb_array"]
    assert [image.shape for image in venv.get_images()] == [(48, 64, 3)] * 4
    assert venv.render().shape == (96, 128, 3)
    assert make_vec_env(T_MAZE, 2).get_images() == [None, None]


def test_the_batched_environment_is_chosen_where_there_is_one():
    assert isinstance(make_vec_env(T_MAZE, 2), BatchedVecEnv)
    assert type(make_vec_env(T_MAZE, 2, vectorization="dummy")) is GuardedDummyVecEnv
    # CartPole has a vector environment, but with autoreset NEXT_STEP.
    assert type(make_vec_env("CartPole-v1", 2)) is GuardedDummyVecEnv
    assert type(make_vec_env("Pendulum-v1", 2)) is GuardedDummyVecEnv


def test_environments_without_frames_need_no_render_mode():
    venv = make_vec_env("popgym:popgym-RepeatFirstEasy-v0", 2)
    assert venv.render_mode is None


@every_task
def test_seeds_mean_the_same_episodes_in_every_vectorization(env_id, knobs):
    ours, theirs = (make_vec_env(env_id, 3, 21, env_kwargs=knobs, vectorization=name) for name in ("batched", "dummy"))
    for seed in (None, 4):
        if seed is not None:
            ours.seed(seed)
            theirs.seed(seed)
        assert_same(ours.reset(), theirs.reset())
        for i in range(3):
            for name, array in ours.get_attr("state")[0].items():
                assert_same(array[i], theirs.get_attr("unwrapped")[i].state[name][0])


@every_task
def test_with_full_observation_every_vectorization_shows_the_same_state(env_id, knobs):
    batched_env, dummy = (
        make_vec_env(env_id, 3, 5, env_kwargs=knobs, vectorization=name, full_observation=True)
        for name in ("batched", "dummy")
    )
    assert batched_env.observation_space == dummy.observation_space
    assert batched_env.observation_space.spaces.keys() == {"observation", "state"}
    ends, _ = assert_steps_alike(batched_env, dummy)
    assert ends > 0


def test_full_observation_is_refused_where_the_state_cannot_be_shown():
    with pytest.raises(ValueError, match=r"needs an environment with a method 'reveal'.* CartPole-v1 has none"):
        make_vec_env("CartPole-v1", full_observation=True)


@pytest.mark.slow
def test_processes_live_through_the_same_episodes():
    ours, theirs = (
        make_vec_env(T_MAZE, 2, 5, env_kwargs={"corridor_length": 1}, vectorization=name)
        for name in ("batched", "subproc")
    )
    assert isinstance(theirs, SubprocVecEnv)
    try:
        ends, _ = assert_steps_alike(ours, theirs)
        assert ends > 0
    finally:
        theirs.close()


@pytest.mark.parametrize("vectorization", ["dummy", "subproc"])
def test_a_monitor_remembers_its_last_hundred_episodes_and_no_more(vectorization):
    with closing(make_vec_env(T_MAZE, 1, 0, env_kwargs={"corridor_length": 1}, vectorization=vectorization)) as venv:
        venv.reset()
        seen = []
        while len(seen) < 120:
            infos = venv.step(np.array([len(seen) % 4]))[3]
            seen += [info["episode"]["r"] for info in infos if "episode" in info]
        (monitored,) = venv.get_attr("episode_returns")
    assert [round(value, 6) for value in monitored] == seen[-100:]


def test_without_a_seed_episodes_follow_numpys_global_stream():
    observations = []
    for _ in range(2):
        np.random.seed(8)
        observations.append(make_vec_env(T_MAZE, 64).reset())
    np.testing.assert_array_equal(*observations)
    assert not np.array_equal(observations[0], make_vec_env(T_MAZE, 64).reset())


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("CartPole-v7", r"no environment is registered as 'CartPole-v7'.*Did you mean 'CartPole-v1'"),
        ("cartpole-v1", "'CartPole-v1'"),
        ("memagents_envs:MemAgents/TMaze-v3", "Did you mean 'MemAgents/TMaze-v0'"),
        ("qqqqqq", "No registered id is near it. If a package registers it, name that too: 'package:qqqqqq'"),
        ("no_such_package:Maze-v0", "cannot import 'no_such_package', the module that 'no_such_package:Maze-v0' names"),
    ],
)
def test_an_unknown_environment_is_refused_with_a_hint(env_id, message):
    with pytest.raises(ValueError, match=message):
        make_vec_env(env_id)


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="n_envs must be at least 1, got 0"):
        make_vec_env(T_MAZE, 0)
    with pytest.raises(ValueError, match="CartPole-v1 has no natively batched environment with autoreset SAME_STEP"):
        make_vec_env("CartPole-v1", vectorization="batched")
    unchecked = inspect.unwrap(choose_vectorization)  # the type checker of the tests would refuse it first
    with pytest.raises(ValueError, match=r"vectorization must be one of \('auto', .*, got 'gpu'"):
        unchecked("gpu", find_spec(T_MAZE))


def test_wrong_knobs_are_reported_by_the_environment():
    for vectorization in ("batched", "dummy"):
        with pytest.raises(ValueError, match="corridor_length must be a whole number"):
            make_vec_env(T_MAZE, env_kwargs={"corridor_length": 0}, vectorization=vectorization)


@pytest.mark.parametrize("action_space", ACTIONS, ids=repr)
@pytest.mark.parametrize(
    "observation_space",
    [FLAT, MIXED, spaces.Discrete(5), spaces.MultiBinary(2), spaces.MultiDiscrete([2, 4])],
    ids=repr,
)
def test_extended_observations_stay_in_their_space(observation_space, action_space):
    venv = AppendLastActionReward(batched(dreaming(observation_space, action_space)))
    observations = venv.reset()
    for actions in random_actions(venv, 60):
        assert all(venv.observation_space.contains(observation_of(observations, i)) for i in range(4))
        observations, _, dones, infos = venv.step(actions)
        for i in np.flatnonzero(dones):
            assert venv.observation_space.contains(infos[i]["terminal_observation"])


@pytest.mark.parametrize(
    ("action_space", "action", "flat"),
    [
        (ACTIONS[0], 2, [0, 0, 1]),
        (spaces.Discrete(3, start=-1), -1, [1, 0, 0]),
        (ACTIONS[1], [1, 0], [0, 1, 1, 0, 0]),
        (ACTIONS[2], [1, 0, 0, 1], [1, 0, 0, 1]),
        (ACTIONS[3], [[0.5, 0.75], [1, 1]], [0.5, 0.75, 1, 1]),
    ],
    ids=repr,
)
def test_actions_are_one_hot_or_flat(action_space, action, flat):
    venv = AppendLastActionReward(batched(dreaming(MIXED, action_space), 2))
    venv.reset()
    venv.seed(1)
    np.testing.assert_array_equal(venv.reset()["last_action"], np.zeros((2, len(flat))))
    observations, rewards, dones, _ = venv.step(np.array([action] * 2, action_space.dtype))
    assert not dones.any()
    np.testing.assert_array_equal(observations["last_action"], [flat, flat])
    np.testing.assert_array_equal(observations["last_reward"], rewards[:, None])


@pytest.mark.parametrize("observation_space", [FLAT, spaces.Discrete(5)], ids=repr)
def test_a_flat_observation_is_followed_by_the_action_and_the_reward(observation_space):
    make = dreaming(observation_space, spaces.Discrete(3))
    venv, plain = AppendLastActionReward(batched(make)), batched(make)
    one_hot = np.eye(5, dtype=np.float32)
    features = (lambda seen: one_hot[seen]) if observation_space != FLAT else (lambda seen: seen.astype(np.float32))
    venv.seed(0)
    plain.seed(0)
    nothing = np.zeros((4, 4), np.float32)
    assert_same(venv.reset(), np.concatenate([features(plain.reset()), nothing], axis=1))
    for actions in random_actions(venv):
        observations, rewards, dones, infos = venv.step(actions)
        seen, plain_rewards, _, plain_infos = plain.step(actions)
        assert_same(rewards, plain_rewards)
        last = np.concatenate([np.eye(3, dtype=np.float32)[actions], rewards[:, None]], axis=1)
        assert_same(observations, np.concatenate([features(seen), np.where(dones[:, None], nothing, last)], axis=1))
        for i in np.flatnonzero(dones):
            final = features(np.asarray(plain_infos[i]["terminal_observation"]))
            assert_same(infos[i]["terminal_observation"], np.concatenate([final, last[i]]))


def test_a_dict_observation_gets_two_entries_and_keeps_its_own():
    make = dreaming(MIXED, spaces.Discrete(3))
    venv, plain = AppendLastActionReward(batched(make)), batched(make)
    venv.seed(0)
    plain.seed(0)
    venv.reset()
    plain.reset()
    for actions in random_actions(venv, 60):
        observations, rewards, dones, infos = venv.step(actions)
        seen, _, _, plain_infos = plain.step(actions)
        last_action = np.where(dones[:, None], 0, np.eye(3, dtype=np.float32)[actions])
        last_reward = np.where(dones, 0, rewards)[:, None]
        assert_same(observations, seen | {"last_action": last_action, "last_reward": last_reward})
        for i in np.flatnonzero(dones):
            last = {"last_action": np.eye(3, dtype=np.float32)[actions[i]], "last_reward": rewards[i : i + 1]}
            assert_same(infos[i]["terminal_observation"], plain_infos[i]["terminal_observation"] | last)


@every_task
def test_the_wrapper_is_one_word_away_in_every_vectorization(env_id, knobs):
    ours, theirs = (
        make_vec_env(env_id, 3, 2, env_kwargs=knobs, vectorization=name, last_action_reward=True)
        for name in ("batched", "dummy")
    )
    assert ours.observation_space == theirs.observation_space
    assert_steps_alike(ours, theirs)


def test_ppo_learns_from_extended_observations():
    venv = make_vec_env(T_MAZE, 2, 0, env_kwargs={"corridor_length": 1}, last_action_reward=True)
    PPO("MlpPolicy", venv, n_steps=32, batch_size=64, n_epochs=1, device="cpu").learn(128)


def test_what_cannot_be_extended_is_refused():
    with pytest.raises(ValueError, match=r"got one of shape \(8, 8, 3\): make it an entry of a Dict observation"):
        AppendLastActionReward(batched(dreaming(IMAGE, ACTIONS[0])))
    taken = spaces.Dict({"last_reward": FLAT, "image": IMAGE})
    with pytest.raises(ValueError, match=r"already has \['last_reward'\]"):
        AppendLastActionReward(batched(dreaming(taken, ACTIONS[0])))
    AppendLastActionReward(batched(dreaming(spaces.Dict({"image": IMAGE}), ACTIONS[0])))
