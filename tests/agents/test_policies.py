import numpy as np
import pytest
import torch
from gymnasium import spaces
from sizes import small
from small_agents import memories, random_vec_env
from torch import nn

from memagents import MemoryA2C, MemoryPPO
from memagents.agents.distributions import LeanCategoricalDistribution
from memagents.agents.policies import (
    MemoryActorCriticCnnPolicy,
    MemoryActorCriticPolicy,
)
from memagents.errors import NonFiniteAction
from memagents.ops import linear as linear_layers
from memagents.ops.linear import Linear


def agent(memory="lstm", **kwargs):
    return MemoryPPO("MlpPolicy", random_vec_env(), memory=memory, memory_kwargs=small(memory), seed=0, **kwargs)


@memories
def test_predicting_step_by_step_equals_acting_in_training(memory):
    model = agent(memory)
    observations = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    starts = np.random.default_rng(1).random((6, 4)) < 0.3
    carried, state = None, model.policy.initial_state(4)
    for observation, start in zip(observations, starts, strict=True):
        chosen, carried = model.predict(observation, carried, start, deterministic=True)
        with torch.inference_mode():
            told = torch.tensor(observation), state, torch.tensor(start)
            expected, _, _, state = model.policy(*told, deterministic=True)
        assert np.array_equal(chosen, expected.numpy())
        for field, tensor in zip(carried, state.actor, strict=True):
            assert isinstance(field, np.ndarray)
            assert np.array_equal(field, tensor.numpy())


def test_predicting_for_one_environment_takes_and_gives_no_batch_axis():
    model = agent()
    observation = np.ones(3, np.float32)
    action, state = model.predict(observation)
    assert action.shape == ()
    assert state.hidden.shape == (1, 1, 6)
    action, again = model.predict(observation, state, episode_start=np.array([False]))
    assert not np.array_equal(again.hidden, state.hidden)
    _, fresh = model.predict(observation, again, episode_start=np.array([True]))
    assert np.array_equal(fresh.hidden, state.hidden), "an episode start must forget"


def test_a_state_of_another_batch_is_refused_with_what_was_got_and_expected():
    model = agent()
    _, state = model.predict(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match=r"memory 'lstm' expected arrays of shapes \[\(3, 1, 6\), \(3, 1, 6\)\], got"):
        model.predict(np.zeros((3, 3), np.float32), state)
    with pytest.raises(ValueError, match=r"episode_start must have shape \(2,\), as the observation; got \(3,\)"):
        model.predict(np.zeros((2, 3), np.float32), state, np.zeros(3, bool))


def test_gymnasiums_pair_of_observation_and_info_is_refused(unchecked):
    with pytest.raises(ValueError, match="mixing Gym API"):
        agent().policy.predict((np.zeros(3, np.float32), {}))


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("critic_memory", [None, "separate", "none"])
def test_a_policy_is_loaded_as_it_was_saved(share, critic_memory, tmp_path):
    model = MemoryA2C(
        "MlpPolicy",
        random_vec_env(),
        memory="gru",
        memory_kwargs={"hidden_size": 7, "num_layers": 2},
        critic_memory=critic_memory,
        policy_kwargs={"share_features_extractor": share, "net_arch": [5]},
    ).learn(64)
    model.policy.save(tmp_path / "policy")
    loaded = MemoryActorCriticPolicy.load(tmp_path / "policy")
    observations = torch.randn(4, 3)
    for policy in (model.policy, loaded):
        policy.set_training_mode(False)
    assert torch.equal(loaded.predict_values(observations), model.policy.predict_values(observations))
    ours, theirs = (policy.get_distribution(observations).distribution.logits for policy in (model.policy, loaded))
    assert torch.equal(ours, theirs)


class Gated(nn.Module):
    """An activation function that has a linear layer of its own."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(5, 5)

    def forward(self, x):
        return x * torch.sigmoid(self.gate(x))


@pytest.mark.parametrize("critic_memory", [None, "none"])
def test_layers_of_the_heads_are_ours_and_drawn_and_named_as_sb3s(critic_memory, monkeypatch):
    def made():
        heads = {"net_arch": [5, 5], "activation_fn": Gated}
        return agent(critic_memory=critic_memory, policy_kwargs=heads).policy.double()

    policy = made()
    for net in (policy.mlp_extractor.policy_net, policy.mlp_extractor.value_net):
        assert [type(layer) for layer in net] == [Linear, Gated, Linear, Gated]
        assert all(type(layer.gate) is nn.Linear for layer in net[1::2])
    assert type(policy.action_net) is type(policy.value_net) is nn.Linear
    by_default = agent(critic_memory=critic_memory).policy.mlp_extractor.policy_net
    assert {type(layer) for layer in by_default} == {Linear, nn.Tanh}
    monkeypatch.setattr("memagents.agents.heads.Linear", nn.Linear)
    sb3s = made()
    assert type(sb3s.mlp_extractor.policy_net[0]) is nn.Linear
    ours, theirs = policy.state_dict(), sb3s.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(weights, theirs[name]) for name, weights in ours.items())
    monkeypatch.setattr(linear_layers, "is_faster", lambda x, weight: True)
    features = torch.randn(7, policy.memory.output_size, dtype=torch.float64)
    latent = policy.mlp_extractor.forward_actor(features)
    torch.testing.assert_close(latent, sb3s.mlp_extractor.forward_actor(features), atol=1e-12, rtol=1e-12)


def test_a_critic_with_features_of_its_own_has_a_memory_of_its_own():
    separate = agent(policy_kwargs={"share_features_extractor": False})
    assert separate.policy.critic_memory is not None
    with pytest.raises(ValueError, match="share_features_extractor=False makes two; use critic_memory='separate'"):
        agent(critic_memory="shared", policy_kwargs={"share_features_extractor": False})


def test_a_critic_without_memory_sees_the_present_alone():
    model = agent(critic_memory="none", policy_kwargs={"net_arch": []})
    observations, state = torch.randn(4, 3), model.policy.initial_state(4)
    *_, later = model.policy(torch.randn(4, 3), state)
    assert torch.equal(model.policy.predict_values(observations, later), model.policy.predict_values(observations))
    assert later.critic == ()


def test_plain_observations_are_first_steps_of_episodes():
    model = agent()
    observations, actions = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    values, log_prob, _ = model.policy.evaluate_actions(observations, actions)
    torch.testing.assert_close(values, model.policy.predict_values(observations))
    torch.testing.assert_close(log_prob, model.policy.get_distribution(observations).log_prob(actions))


LAST_DIGIT = 4 * torch.finfo(torch.float32).eps


def test_the_lean_distribution_equals_torchs():
    logits = torch.tensor([[0.0, 1.0, -2.0], [5.0, -torch.inf, 5.0]])
    lean = LeanCategoricalDistribution(3).proba_distribution(logits)
    torchs = torch.distributions.Categorical(logits=logits)
    actions = torch.tensor([2, 0])
    torch.testing.assert_close(lean.log_prob(actions), torchs.log_prob(actions), atol=0, rtol=LAST_DIGIT)
    torch.testing.assert_close(lean.entropy(), torchs.entropy(), atol=0, rtol=LAST_DIGIT)
    assert torch.equal(lean.mode(), torchs.probs.argmax(-1))
    torch.manual_seed(0)
    drawn = [lean.sample() for _ in range(20)]
    torch.manual_seed(0)
    assert all(torch.equal(sample, torchs.sample()) for sample in drawn)
    torch.testing.assert_close(lean.distribution.probs, torchs.probs, atol=0, rtol=LAST_DIGIT)
    with pytest.raises(NonFiniteAction, match="outputs are NaN or infinite"):
        lean.proba_distribution(logits * torch.nan).sample()


def test_images_are_read_by_the_cnn():
    env = random_vec_env(2, observation_space=spaces.Box(0, 255, (36, 36, 1), np.uint8))
    model = MemoryPPO("CnnPolicy", env, n_steps=8, memory="lstm")
    assert isinstance(model.policy, MemoryActorCriticCnnPolicy)
    assert model.policy.memory.input_size == 512
