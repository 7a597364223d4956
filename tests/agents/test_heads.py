"""What heads answer by kernels is what their layers would."""

import copy
import pickle

import pytest
import torch
from small_agents import random_vec_env
from torch import nn

from memagents import MemoryPPO
from memagents.kernels.perceptrons import FEWEST_ROWS

ROWS = FEWEST_ROWS + 3


def small_policy(**options):
    heads = {"net_arch": {"pi": [6, 7], "vf": [5]}, **options.pop("policy_kwargs", {})}
    memory = {"memory": "lstm", "memory_kwargs": {"hidden_size": 8}}
    return MemoryPPO("MlpPolicy", random_vec_env(), seed=0, policy_kwargs=heads, **memory, **options).policy


def remembered(policy):
    torch.manual_seed(1)
    for_actor = torch.randn(ROWS, policy.memory.output_size)
    if policy.critic_memory is None:
        return for_actor, for_actor
    return for_actor, torch.randn(ROWS, policy.critic_memory.output_size)


def by_layers(policy, for_actor, for_critic):
    heads = policy.mlp_extractor
    return policy.action_net(heads.forward_actor(for_actor)), policy.value_net(heads.forward_critic(for_critic))


def answer(policy):
    return policy.mlp_extractor.answer(*remembered(policy), policy.action_net, policy.value_net)


PLAIN = pytest.mark.parametrize(
    "options",
    [
        {},
        {"policy_kwargs": {"activation_fn": nn.ReLU}},
        {"policy_kwargs": {"net_arch": []}},
        {"critic_memory": "separate"},
        {"critic_memory": "none"},
    ],
    ids=["tanh", "relu", "no hidden layers", "separate", "none"],
)


@PLAIN
@pytest.mark.parametrize("acting", [False, True])
def test_plain_heads_are_answered_for_by_kernels(options, acting):
    policy = small_policy(**options)
    with torch.set_grad_enabled(not acting):
        found = answer(policy)
        assert found is not None
        torch.testing.assert_close(found, by_layers(policy, *remembered(policy)), atol=1e-5, rtol=1e-5)


@PLAIN
def test_at_rest_they_answer_the_same_and_learn_all_the_same(options):
    policy = small_policy(**options)
    expected = answer(policy)
    with policy.at_rest():
        with torch.no_grad():
            torch.testing.assert_close(answer(policy), expected, atol=1e-5, rtol=1e-5)
            policy.value_net.bias.add_(1.0)  # as a callback may, which loads parameters
            torch.testing.assert_close(answer(policy)[1], expected[1] + 1, atol=1e-5, rtol=1e-5)
        answer(policy)[1].sum().backward()
    assert policy.value_net.bias.grad == ROWS
    policy.value_net = nn.Linear(5 if "policy_kwargs" not in options else policy.value_net.in_features, 1)
    torch.testing.assert_close(answer(policy), by_layers(policy, *remembered(policy)), atol=1e-5, rtol=1e-5)


def test_at_rest_parameters_may_move():
    policy = small_policy()
    with policy.at_rest(), torch.no_grad():
        answer(policy)
        for parameter in policy.parameters():
            parameter.data = parameter.data + 1
        torch.testing.assert_close(answer(policy), by_layers(policy, *remembered(policy)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda policy: pickle.loads(pickle.dumps(policy))])
def test_a_copy_of_heads_at_rest_reads_its_own_parameters(copied):
    heads = small_policy().mlp_extractor
    action_net, value_net = nn.Linear(7, 3), nn.Linear(5, 1)
    features = torch.randn(ROWS, 8)
    with heads.at_rest(action_net, value_net, together=True), torch.no_grad():
        other = copied(heads)
        for parameter in other.parameters():
            parameter.zero_()
        told, values = other.answer(features, features, action_net, value_net)
        torch.testing.assert_close(told, action_net.bias.expand(ROWS, 3))
        torch.testing.assert_close(values, value_net.bias.expand(ROWS, 1))


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def with_hook(policy):
    policy.action_net.register_forward_hook(lambda layer, given, told: told + 1)


def with_other_layer(policy):
    policy.value_net.__class__ = Doubled


def without_bias(policy):
    policy.value_net = nn.Linear(policy.value_net.in_features, 1, bias=False)


def with_dropout(policy):
    policy.mlp_extractor.policy_net.append(nn.Dropout())


def with_two_activations(policy):
    policy.mlp_extractor.policy_net.append(nn.Tanh())


def with_64_bits(policy):
    policy.value_net.double()


# Into these somebody looks, or does more than a kernel knows.
@pytest.mark.parametrize(
    "change", [with_hook, with_other_layer, without_bias, with_dropout, with_two_activations, with_64_bits]
)
def test_heads_that_are_not_plain_answer_themselves(change):
    policy = small_policy()
    assert answer(policy) is not None
    change(policy)
    assert answer(policy) is None


def test_a_hook_sees_what_it_would_see():
    policy, seen = small_policy(), []
    policy.mlp_extractor.value_net[0].register_forward_hook(lambda layer, given, told: seen.append(told.shape))
    policy.evaluate_actions(torch.randn(ROWS, 3), torch.zeros(ROWS))
    assert seen == [(ROWS, 5)]
