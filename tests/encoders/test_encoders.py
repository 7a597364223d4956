"""What holds for every encoder, and that agents train with each of them."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from memagents import MemoryPPO
from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.encoders import encoder_class, list_encoders

VECTOR = spaces.Box(-1, 1, (5,))
SPACES = {
    "cnn": spaces.Box(0, 255, (3, 36, 36), np.uint8),
    "neocognitron": spaces.Box(0, 255, (3, 9, 12), np.uint8),
}
OPTIONS = {"flatten": {}, "rbf": {"features_dim": 6, "num_centers": 7}, "neocognitron": {"num_planes": 5}}

encoders = pytest.mark.parametrize("name", list_encoders())


def build(name, seed=0):
    torch.manual_seed(seed)
    options = OPTIONS.get(name, {"features_dim": 6})
    return encoder_class(name)(SPACES.get(name, VECTOR), **options).double()


def observations(name, number=4):
    space = SPACES.get(name, VECTOR)
    space.seed(0)
    batch = torch.as_tensor(np.stack([space.sample() for _ in range(number)]), dtype=torch.float64)
    return batch / 255 if name in SPACES else batch


class Noise(gym.Env):
    """Observations are noise, episodes end at random."""

    def __init__(self, observation_space):
        self.observation_space, self.action_space = observation_space, spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(action), self.np_random.random() < 0.2, False, {}


def agent(name, memory):
    env = make_vec_env(Noise, 2, seed=0, env_kwargs={"observation_space": SPACES.get(name, VECTOR)})
    kwargs = {"features_extractor_class": encoder_class(name), "features_extractor_kwargs": OPTIONS.get(name, {})}
    policy = "CnnPolicy" if name in SPACES else "MlpPolicy"
    return MemoryPPO(policy, env, n_steps=8, n_epochs=1, memory=memory, policy_kwargs=kwargs, seed=0)


@encoders
def test_the_features_are_as_many_as_promised_and_each_row_has_its_own(name):
    encoder, batch = build(name), observations(name)
    features = encoder(batch)
    assert features.shape == (4, encoder.features_dim)
    alone = torch.cat([encoder(row[None]) for row in batch])
    torch.testing.assert_close(features, alone, atol=1e-12, rtol=0)
    assert (features.std(0) > 0).any(), "all observations look alike"


@pytest.mark.parametrize("name", [name for name in list_encoders() if name != "flatten"])
def test_every_parameter_receives_a_gradient(name):
    encoder = build(name)
    encoder(observations(name)).square().sum().backward()
    without = [key for key, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


@encoders
def test_copy_pickle_and_state_dict_round_trip(name):
    encoder, batch = build(name), observations(name)
    twin = build(name, seed=1)
    twin.load_state_dict(encoder.state_dict())
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder)), twin):
        assert torch.equal(other(batch), encoder(batch))


@encoders
def test_an_agent_without_memory_trains_with_it_and_is_loaded_as_it_was_saved(name, tmp_path):
    model, space = agent(name, memory="none"), SPACES.get(name, VECTOR)
    before = copy.deepcopy(model.policy.features_extractor.state_dict())
    model.learn(2 * 8 * 2)
    after = model.policy.features_extractor.state_dict()
    assert [key for key in after if torch.equal(before[key], after[key])] == []
    model.policy.save(tmp_path / "policy")
    loaded = MemoryActorCriticPolicy.load(tmp_path / "policy")
    obs, _ = model.policy.obs_to_tensor(np.stack([space.sample() for _ in range(3)]))
    for policy in (model.policy, loaded):
        policy.set_training_mode(False)
    assert torch.equal(loaded.predict_values(obs), model.policy.predict_values(obs))
    ours, theirs = (policy.get_distribution(obs).distribution.logits for policy in (model.policy, loaded))
    assert torch.equal(ours, theirs)


@encoders
def test_an_agent_with_memory_is_loaded_as_it_was_saved(name, tmp_path):
    model = agent(name, memory="gru").learn(2 * 8 * 2)
    model.save(tmp_path / "model")
    loaded = MemoryPPO.load(tmp_path / "model")
    batch = np.stack([model.observation_space.sample() for _ in range(3)])
    for ours, theirs in zip(*(drawn(each, batch) for each in (model, loaded)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def drawn(model, batch):
    """Random actions from a seed, and the state after them."""
    torch.manual_seed(0)
    actions, (hidden,) = model.predict(batch)
    return actions, hidden


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("perceptron", "features_dim"),
        ("rbf", "features_dim"),
        ("rbf", "num_centers"),
        ("neocognitron", "features_dim"),
        ("neocognitron", "num_planes"),
    ],
)
def test_an_impossible_size_is_named(name, option):
    with pytest.raises(ValueError, match=f"{option} must be an integer of at least 1, got 0"):
        encoder_class(name)(SPACES.get(name, VECTOR), **{option: 0})
