"""From a configuration to an agent: the encoder before the memory."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import FlattenExtractor

from memagents.encoders import encoder_class
from memagents.runs.models import build_env, build_model, load_model
from memagents.runs.training import train

IMAGE = spaces.Box(0, 255, (16, 12, 3), np.uint8)
DICT = spaces.Dict({"a": spaces.Box(-1, 1, (2,)), "b": spaces.Discrete(3)})


class Stub(gym.Env):
    """An environment that is nothing but its spaces."""

    def __init__(self, observations):
        self.observation_space, self.action_space = observations, spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


gym.register("Stub-v0", Stub)


def model_for(tiny, observations, **changes):
    config = tiny(env="Stub-v0", env_kwargs={"observations": observations}, **changes)
    return build_model(config, build_env(config, n_envs=2, seed=0))


def test_without_an_encoder_the_policy_brings_its_own(tiny):
    config = tiny()
    assert type(build_model(config, build_env(config, n_envs=2, seed=0)).policy.features_extractor) is FlattenExtractor


def test_an_encoder_and_other_arguments_of_the_policy_go_together(tiny):
    given = {"net_arch": [5], "share_features_extractor": True}
    config = tiny(encoder="rbf", encoder_kwargs={"num_centers": 3}, algo_kwargs={"policy_kwargs": given})
    policy = build_model(config, build_env(config, n_envs=2, seed=0)).policy
    assert type(policy.features_extractor) is encoder_class("rbf")
    assert policy.features_extractor.centers.shape[0] == 3
    assert policy.net_arch == [5]
    assert given == {"net_arch": [5], "share_features_extractor": True}


@pytest.mark.parametrize("encoder", ["flatten", "perceptron", "rbf", "neocognitron"])
def test_an_image_can_be_read_by_every_encoder(encoder, tiny):
    policy = model_for(tiny, IMAGE, encoder=encoder).policy
    assert type(policy.features_extractor) is encoder_class(encoder)
    assert policy.memory.input_size == policy.features_extractor.features_dim


@pytest.mark.parametrize(
    ("encoder", "observations", "message"),
    [
        ("neocognitron", spaces.Box(-1, 1, (4,)), "'neocognitron' .* shape .4,.: .* reads images"),
        ("cnn", spaces.Box(-1, 1, (4,)), "'cnn' .* shape .4,.: You should use NatureCNN only with images"),
        ("cnn", IMAGE, "'cnn' .* Kernel size can't be greater than actual input size"),
        ("rbf", DICT, "'rbf' reads one observation, got a dict of a, b; leave the encoder out"),
    ],
)
def test_observations_that_an_encoder_cannot_read_are_named(encoder, observations, message, tiny):
    with pytest.raises(ValueError, match=message) as error:
        model_for(tiny, observations, encoder=encoder)
    assert "\n" not in str(error.value)


def test_on_the_cpu_precision_changes_nothing_but_is_kept(tiny, tmp_path):
    exact = train(tiny(device="cpu", folder=tmp_path / "exact"))
    asked = train(tiny(device="cpu", precision="bfloat16", encoder="flatten", folder=tmp_path / "asked"))
    ours, theirs = load_model(asked).policy, load_model(exact).policy
    assert (ours.precision, theirs.precision) == ("bfloat16", "float32")
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name])


def test_a_finished_run_tells_its_encoder(tiny):
    result = train(tiny(encoder="perceptron", encoder_kwargs={"features_dim": 5}))
    assert (result.config.encoder, result.config.encoder_kwargs) == ("perceptron", {"features_dim": 5})
    arguments = result.record["algorithm"]["arguments"]["policy_kwargs"]
    assert "Perceptron" in arguments["features_extractor_class"]
    assert arguments["features_extractor_kwargs"] == {"features_dim": 5}
