"""What holds for every algorithm with every memory."""

from functools import partial
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sizes import small
from small_agents import RandomEnv, algorithms, collect, memories, random_vec_env
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

from memagents import Memory, MemoryA2C, MemoryPPO, make_vec_env, register_memory
from memagents.agents.arguments import default_batch_size
from memagents.memories import registry

OBSERVATIONS = {
    "box": spaces.Box(-1, 1, (3,)),
    "matrix": spaces.Box(-1, 1, (2, 3), np.float64),
    "discrete": spaces.Discrete(4),
    "multi-discrete": spaces.MultiDiscrete([3, 2]),
    "multi-binary": spaces.MultiBinary(3),
    "dict": spaces.Dict({"vector": spaces.Box(-1, 1, (2,)), "number": spaces.Discrete(3)}),
    "image": spaces.Box(0, 255, (36, 36, 1), np.uint8),
}
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "multi-discrete": spaces.MultiDiscrete([2, 3]),
    "multi-binary": spaces.MultiBinary(2),
    "box": spaces.Box(-2, 2, (2,)),
}
POLICIES = {"dict": "MultiInputPolicy", "image": "CnnPolicy"}


def assert_recomputed_equals_stored(model):
    """Before the first update the policy that is trained must be the policy that acted."""
    buffer = collect(model)
    assert buffer.episode_starts[1:].any(), "the check is void without episode starts inside the sequences"
    seen = 0
    for batch in buffer.get(getattr(model, "batch_size", None)):
        actions = batch.actions.long().flatten() if isinstance(model.action_space, spaces.Discrete) else batch.actions
        values, log_prob, _ = model.policy.evaluate_actions(batch.observations, actions)
        torch.testing.assert_close(log_prob, batch.old_log_prob, atol=1e-6, rtol=0)
        torch.testing.assert_close(values.flatten(), batch.old_values, atol=1e-6, rtol=0)
        seen += len(log_prob)
    assert seen == model.n_steps * model.n_envs


@algorithms
@memories
@pytest.mark.parametrize("critic_memory", ["shared", "separate", "none"])
@pytest.mark.parametrize("sequence_length", [None, 4])
def test_recomputed_log_probabilities_equal_the_stored_ones(
    algorithm, memory, critic_memory, sequence_length, unchecked
):
    model = algorithm(
        "MlpPolicy",
        random_vec_env(),
        n_steps=16,
        memory=memory,
        memory_kwargs=small(memory),
        critic_memory=critic_memory,
        sequence_length=sequence_length,
        seed=0,
    )
    assert_recomputed_equals_stored(model)


@algorithms
@pytest.mark.parametrize("observations", OBSERVATIONS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_every_kind_of_observation_and_action_is_learned_from(algorithm, observations, actions):
    env = random_vec_env(2, observation_space=OBSERVATIONS[observations], action_space=ACTIONS[actions])
    policy = POLICIES.get(observations, "MlpPolicy")
    model = algorithm(policy, env, n_steps=16, memory="gru", memory_kwargs={"hidden_size": 8}, seed=0)
    assert_recomputed_equals_stored(model)
    before = [weight.clone() for weight in model.policy.parameters()]
    model.learn(32)
    changed = [not torch.equal(old, new) for old, new in zip(before, model.policy.parameters(), strict=True)]
    assert all(changed)
    chosen, _ = model.predict(env.reset())
    assert all(action in env.action_space for action in chosen)


@algorithms
@pytest.mark.parametrize("squash", [False, True])
def test_gsde_actions_reach_the_environment_in_its_own_range(algorithm, squash):
    envs = [RandomEnv(action_space=spaces.Box(-5, -1, (1,)))]
    model = algorithm(
        "MlpPolicy",
        DummyVecEnv([lambda: envs[0]]),
        n_steps=64,
        use_sde=True,
        sde_sample_freq=4,
        policy_kwargs={"squash_output": squash, "log_std_init": 1.0},
        seed=0,
    )
    assert_recomputed_equals_stored(model)
    received = np.array(envs[0].received)
    assert (received >= -5).all()
    assert (received <= -1).all()
    assert np.ptp(received) > 3, "squashed actions were not unscaled to the range of the environment"
    stored = model.rollout_buffer.actions
    assert (np.abs(stored).max() <= 1) == squash


class Countdown(gym.Env):
    """Reward 1 at step `limit`, where the episode is cut off; the observation counts the steps."""

    observation_space = spaces.Box(0, 100, (1,))
    action_space = spaces.Discrete(2)

    def __init__(self, limit, truncated):
        self.limit, self.is_truncated = limit, truncated

    def reset(self, *, seed=None, options=None):
        self.step_count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.step_count += 1
        end = self.step_count == self.limit
        observation = np.full(1, self.step_count, np.float32)
        return observation, float(end), end and not self.is_truncated, end and self.is_truncated, {}


@algorithms
def test_a_truncated_episode_is_bootstrapped_with_the_value_of_its_last_observation_as_remembered(algorithm):
    env = DummyVecEnv([partial(Countdown, 5, True), partial(Countdown, 5, False), partial(Countdown, 7, True)])
    model = algorithm("MlpPolicy", env, n_steps=16, gamma=0.9, memory="lstm", memory_kwargs=small("lstm"), seed=0)
    buffer = collect(model)
    for row, limit in ((0, 5), (2, 7)):
        episode = torch.arange(limit + 1, dtype=torch.float32).view(-1, 1)
        state = model.policy.initial_state(1)
        for observation in episode:
            value = model.policy.predict_values(observation[None], state)
            *_, state = model.policy(observation[None], state)
        expected = 1 + 0.9 * value.item()
        assert buffer.rewards[limit - 1, row] == pytest.approx(expected, abs=1e-6)
    assert buffer.rewards[4, 1] == 1.0, "a terminated episode must not be bootstrapped"


@algorithms
@pytest.mark.parametrize("gae_lambda", [1.0, 0.9])
def test_advantages_equal_their_definition(algorithm, gae_lambda):
    gamma = 0.9
    env = DummyVecEnv([partial(Countdown, 4, False), partial(Countdown, 6, False)])
    model = algorithm("MlpPolicy", env, n_steps=12, gamma=gamma, gae_lambda=gae_lambda, memory="gru", seed=0)
    buffer = collect(model)
    for row, limit in ((0, 4), (1, 6)):
        for start in range(0, 12, limit):
            values = [*buffer.values[start : start + limit, row], 0.0]
            deltas = [(t == limit - 1) + gamma * values[t + 1] - values[t] for t in range(limit)]
            for t in range(limit):
                advantage = sum((gamma * gae_lambda) ** (k - t) * deltas[k] for k in range(t, limit))
                assert buffer.advantages[start + t, row] == pytest.approx(advantage, abs=1e-5)


@algorithms
@memories
def test_the_same_seed_twice_gives_identical_parameters(algorithm, memory, unchecked):
    def train():
        env = make_vec_env("memagents_envs:MemAgents/TMaze-v0", 4, seed=3)
        few = {"n_epochs": 2} if algorithm is MemoryPPO else {}
        model = algorithm("MlpPolicy", env, n_steps=16, memory=memory, memory_kwargs=small(memory), seed=3, **few)
        return model.learn(128)

    first, second = (model.policy.parameters_to_vector() for model in (train(), train()))
    assert np.array_equal(first, second)


@algorithms
@pytest.mark.parametrize("memory", ["rnn", "lstm", "gru"])
def test_training_runs_no_python_loop_over_time(algorithm, memory, monkeypatch):
    model = algorithm("MlpPolicy", random_vec_env(), n_steps=16, memory=memory)
    train, step = model.train, type(model.policy.memory).step

    def train_without_steps():
        with monkeypatch.context() as during_updates:
            during_updates.setattr(type(model.policy.memory), "step", lambda *args: pytest.fail("step() was called"))
            train()
        assert type(model.policy.memory).step is step

    monkeypatch.setattr(model, "train", train_without_steps)
    model.learn(128)


@algorithms
def test_a_memory_from_outside_the_package_is_trained_like_ours(algorithm, monkeypatch):
    monkeypatch.setattr(registry._MEMORIES, "_classes", dict(registry._MEMORIES._classes))

    class EchoState(NamedTuple):
        last: torch.Tensor

    @register_memory("test-echo")
    class Echo(Memory[EchoState]):
        """Remembers the last input and nothing else, for the tests."""

        def __init__(self, input_size, gain: float = 1.0):
            super().__init__(input_size, output_size=2 * input_size)
            self.gain = nn.Parameter(torch.tensor(gain))

        def initial_state(self, batch_size):
            return EchoState(self.gain.new_full((batch_size, self.input_size), -1.0))

        def step(self, x, state):
            return torch.cat([x, self.gain * state.last], -1), EchoState(x)

    env = random_vec_env()
    model = algorithm("MlpPolicy", env, n_steps=16, memory="test-echo", memory_kwargs={"gain": 2.0}, seed=0)
    assert_recomputed_equals_stored(model)
    model.learn(128)
    assert model.policy.memory.gain != 2.0


@algorithms
def test_a_loaded_model_predicts_the_same_and_goes_on_where_it_was(algorithm, tmp_path):
    env = random_vec_env()
    model = algorithm("MlpPolicy", env, n_steps=16, memory="lstm", memory_kwargs=small("lstm"), seed=0).learn(128)
    remembered = model._last_state
    model.save(tmp_path / "model")
    assert model._last_state is remembered

    loaded = algorithm.load(tmp_path / "model", env=env, force_reset=False)
    assert np.array_equal(loaded.policy.parameters_to_vector(), model.policy.parameters_to_vector())
    assert any(field.any() for field in remembered.actor), "the check is void if nothing is remembered"
    for old, new in zip(remembered.actor, loaded._last_state.actor, strict=True):
        assert torch.equal(old, new), "what the agent remembered is lost"
    assert np.array_equal(loaded._last_obs, model._last_obs)

    wider = algorithm.load(tmp_path / "model", env=random_vec_env(6))
    assert wider._last_state.actor.hidden.shape[0] == 6
    assert wider.learn(96).n_envs == 6


def test_the_default_batch_follows_the_number_of_environments_when_a_model_is_loaded(tmp_path):
    model = MemoryPPO("MlpPolicy", random_vec_env(4), n_steps=16)
    assert model.batch_size == 16
    model.save(tmp_path / "model")
    assert MemoryPPO.load(tmp_path / "model", env=random_vec_env(8)).batch_size == 32
    assert MemoryPPO.load(tmp_path / "model", env=random_vec_env(8), batch_size=64).batch_size == 64


@pytest.mark.parametrize(
    ("num_sequences", "minibatches"), [(1, 1), (2, 2), (4, 4), (5, 5), (6, 3), (8, 4), (13, 1), (16, 4), (64, 4)]
)
def test_default_minibatches_are_equal_and_about_four(num_sequences, minibatches):
    assert default_batch_size(10, 10 * num_sequences) == 10 * num_sequences // minibatches


@pytest.mark.parametrize(
    ("batch_size", "length"), [(None, 12), (12, 12), (24, 12), (48, 12), (1000, 12), (6, 6), (8, 4), (18, 6)]
)
@pytest.mark.filterwarnings("ignore:gradients flow back", "ignore:You have specified a mini-batch size")
def test_sequences_are_as_long_as_minibatches_can_hold(batch_size, length):
    model = MemoryPPO("MlpPolicy", random_vec_env(4), n_steps=12, batch_size=batch_size)
    assert model.rollout_buffer.sequence_length == length


def test_a_shorter_sequence_than_the_rollout_is_warned_of_with_its_numbers():
    with pytest.warns(UserWarning, match=r"gradients flow back 4 steps in time, not all n_steps=12.*batch_size=8"):
        MemoryPPO("MlpPolicy", random_vec_env(4), n_steps=12, batch_size=8)


@pytest.mark.filterwarnings("ignore:gradients flow back", "ignore:You have specified a mini-batch size")
def test_a_last_minibatch_of_one_step_does_not_make_parameters_undefined():
    model = MemoryPPO("MlpPolicy", random_vec_env(1), n_steps=33, batch_size=32).learn(33)
    assert np.isfinite(model.policy.parameters_to_vector()).all()


WRONG = {
    "memory": ({"memory": "lsmt"}, "unknown memory 'lsmt': did you mean 'lstm'"),
    "option": ({"memory": "gru", "memory_kwargs": {"size": 1}}, "'gru' has no option 'size'; its options are: hidden"),
    "critic": ({"critic_memory": "both"}, "critic_memory must be one of shared, separate, none"),
    "divides": ({"n_steps": 128, "sequence_length": 48}, "sequence_length must divide n_steps.*48.*128.*would is 16"),
    "n_steps": ({"n_steps": 0}, "n_steps must be at least 1, got 0"),
    "length": ({"sequence_length": 0}, "sequence_length must be at least 1, got 0"),
    "policy": ({"policy": ActorCriticPolicy}, "policy must be MemoryActorCriticPolicy or a subclass of it"),
    "place": ({"policy_kwargs": {"memory": "gru"}}, "pass memory to the algorithm itself"),
}


@algorithms
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_before_an_environment_is_built(algorithm, case, monkeypatch, unchecked):
    monkeypatch.setattr(gym, "make", lambda *args, **kwargs: pytest.fail("an environment was built"))
    arguments, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        algorithm(**{"policy": "MlpPolicy", "env": "CartPole-v1", **arguments})


def test_a_sequence_length_that_does_not_divide_the_batch_is_refused():
    with pytest.raises(ValueError, match="sequence_length must divide batch_size, got sequence_length=8 and batch_si"):
        MemoryPPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=20, sequence_length=8)


def test_a2c_does_not_write_its_optimizer_into_what_the_user_gave():
    given = {"net_arch": [8]}
    model = MemoryA2C("MlpPolicy", random_vec_env(), policy_kwargs=given)
    assert isinstance(model.policy.optimizer, torch.optim.RMSprop)
    assert given == {"net_arch": [8]}
    assert isinstance(MemoryPPO("MlpPolicy", random_vec_env(), policy_kwargs=given).policy.optimizer, torch.optim.Adam)


@algorithms
def test_a_batched_gymnasium_environment_is_taken_as_it_is(algorithm):
    env = gym.make_vec(
        "memagents_envs:MemAgents/TMaze-v0", num_envs=3, vectorization_mode="vector_entry_point", corridor_length=2
    )
    assert algorithm("MlpPolicy", env).learn(64).n_envs == 3


@algorithms
def test_callbacks_find_what_they_find_in_sb3(algorithm):
    class Look(BaseCallback):
        def _on_step(self):
            self.seen = set(self.locals)
            return self.num_timesteps < 40

        def _on_rollout_end(self):
            self.at_end = set(self.locals)

    look = Look()
    model = algorithm("MlpPolicy", random_vec_env(), n_steps=8).learn(1000, callback=look)
    wanted = {"new_obs", "rewards", "dones", "infos", "actions", "clipped_actions", "n_steps", "values", "log_probs"}
    assert wanted | {"obs_tensor", "rollout_buffer", "callback", "env"} <= look.seen
    assert {"values", "dones"} <= look.at_end
    assert model.num_timesteps == 40, "a callback that returns False ends training at once"


@algorithms
def test_observations_normalised_by_vec_normalize_are_those_the_memory_reads(algorithm):
    env = VecNormalize(random_vec_env())
    model = algorithm("MlpPolicy", env, n_steps=16, memory="gru", seed=0)
    assert_recomputed_equals_stored(model)
    model.learn(128)
    evaluation = VecNormalize(random_vec_env(), training=False, norm_reward=False)
    evaluation.obs_rms = env.obs_rms
    mean, _ = evaluate_policy(model, evaluation, n_eval_episodes=4)
    assert np.isfinite(mean)


@pytest.mark.slow
@algorithms
def test_a_compiled_policy_trains_to_the_same_parameters(algorithm, unchecked):
    def train(compiled):
        model = algorithm("MlpPolicy", random_vec_env(), n_steps=16, memory="gru", memory_kwargs=small("gru"), seed=0)
        if compiled:
            model.policy = torch.compile(model.policy, backend="eager")
        model.learn(128)
        return [weight.clone() for weight in model.policy.parameters()]

    for plain, compiled in zip(train(False), train(True), strict=True):
        torch.testing.assert_close(plain, compiled, atol=1e-5, rtol=1e-4)


def test_without_memory_and_with_sequences_of_one_step_a_rollout_equals_that_of_ppo():
    def rollout(model):
        _, callback = model._setup_learn(1, None)
        model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
        return model.rollout_buffer

    def env():
        return make_vec_env("memagents_envs:MemAgents/TMaze-v0", 4, seed=0)

    ours = rollout(MemoryPPO("MlpPolicy", env(), n_steps=16, memory="none", seed=0))
    theirs = rollout(PPO("MlpPolicy", env(), n_steps=16, batch_size=16, seed=0))
    for name in ("observations", "actions", "rewards", "values", "advantages", "returns"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    np.testing.assert_array_max_ulp(ours.log_probs, theirs.log_probs, 4)  # which are rounded more often


@pytest.mark.parametrize(("critic_memory", "trained"), [("shared", True), ("separate", False), ("none", False)])
def test_gradients_of_the_critic_train_a_shared_memory_and_no_other(critic_memory, trained):
    model = MemoryPPO("MlpPolicy", random_vec_env(), n_steps=16, memory="gru", critic_memory=critic_memory)
    batch = next(collect(model).get(None))
    values, _, _ = model.policy.evaluate_actions(batch.observations, batch.actions.long().flatten())
    values.sum().backward()
    touched = [weight.grad is not None and weight.grad.any() for weight in model.policy.memory.parameters()]
    assert any(touched) == trained
    assert (model.policy.critic_memory is None) == (critic_memory == "shared")
