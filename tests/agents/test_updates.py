"""PPO's update beside stable-baselines3's own."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from small_agents import collect, random_vec_env
from stable_baselines3 import PPO
from stable_baselines3.common.logger import KVWriter, Logger

from memagents import MemoryPPO
from memagents.agents.updates import update

ACTIONS = {
    "discrete": spaces.Discrete(3),
    "box": spaces.Box(-1, 1, (2,)),
    "multi-discrete": spaces.MultiDiscrete([2, 3]),
    "multi-binary": spaces.MultiBinary(2),
}


class Kept(KVWriter):
    """What was logged last."""

    def write(self, key_values, key_excluded, step=0):
        self.said, self.excluded = dict(key_values), dict(key_excluded)

    def close(self):
        pass


def updated(train, actions="discrete", rollouts=2, **options):
    """Parameters, optimizer and log after two rollouts, each with its update."""
    torch.manual_seed(0)
    np.random.seed(0)
    env, kept = random_vec_env(4, action_space=ACTIONS[actions]), Kept()
    sizes = {"n_steps": 16, "batch_size": 32, "n_epochs": 3, "memory_kwargs": {"hidden_size": 6}}
    model = MemoryPPO("MlpPolicy", env, memory="lstm", seed=0, **sizes | options)
    model.set_logger(Logger(None, [kept]))
    for _ in range(rollouts):
        collect(model)
        train(model)
    model.logger.dump(0)
    return model, kept


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize_advantage": True, "ent_coef": 0.1, "vf_coef": 0.3},
        {"clip_range": 0.01, "clip_range_vf": 0.02, "max_grad_norm": 0.05},
        {"clip_range": lambda left: 0.1 * left, "learning_rate": lambda left: 1e-2 * left},
        {"target_kl": 1e-4, "learning_rate": 1e-2},
        {"batch_size": 16, "sequence_length": 8, "critic_memory": "separate"},
        {"critic_memory": "none", "policy_kwargs": {"net_arch": [5, 5], "activation_fn": torch.nn.ReLU}},
        {"policy_kwargs": {"net_arch": [], "activation_fn": torch.nn.ELU}},
        {"policy_kwargs": {"optimizer_class": torch.optim.RMSprop}},
        {"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1}}},
        {"actions": "box"},
        {"actions": "box", "use_sde": True},
        {"actions": "multi-discrete", "ent_coef": 0.1},
        {"actions": "multi-binary"},
    ],
    ids=lambda options: " ".join(map(str, options)) or "defaults",
)
def test_it_is_that_of_stable_baselines3_in_parameters_optimizer_and_log(options):
    (ours, our_log), (theirs, their_log) = (updated(train, **options) for train in (update, PPO.train))
    assert ours._n_updates == theirs._n_updates > 0
    for name, weight in theirs.policy.state_dict().items():
        torch.testing.assert_close(ours.policy.state_dict()[name], weight, atol=2e-6, rtol=2e-5)
    states = (model.policy.optimizer.state_dict()["state"] for model in (ours, theirs))
    for ours_of, theirs_of in zip(*(state.values() for state in states), strict=True):
        assert list(ours_of) == list(theirs_of)
        torch.testing.assert_close(list(ours_of.values()), list(theirs_of.values()), atol=1e-6, rtol=1e-4)
    assert our_log.said == {name: pytest.approx(value, abs=2e-6, rel=2e-4) for name, value in their_log.said.items()}
    assert our_log.excluded == their_log.excluded


def test_an_update_that_goes_too_far_ends_as_in_stable_baselines3(capsys):
    for train in (update, PPO.train):
        model, _ = updated(train, target_kl=1e-4, learning_rate=1e-2, verbose=1)
        assert 2 <= model._n_updates < 2 * model.n_epochs
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Early stopping at step")]
    assert len(said) == 4
    assert said[:2] == said[2:]


def test_learning_updates_so_on_a_cpu_and_elsewhere_as_stable_baselines3(monkeypatch):
    model, _ = updated(PPO.train, rollouts=1)
    called = []
    monkeypatch.setattr("memagents.agents.algorithms.update", lambda model: called.append("ours"))
    monkeypatch.setattr(PPO, "train", lambda model: called.append("theirs"))
    model.train()
    model.device = torch.device("meta")
    model.train()
    assert called == ["ours", "theirs"]


def test_an_optimizer_with_several_groups_steps_as_it_would():
    def separate(model):
        """The heads learn ten times as fast."""
        optimizer = model.policy.optimizer
        if len(optimizer.param_groups) == 1:
            weights = optimizer.param_groups[0]["params"]
            optimizer.param_groups[0]["params"] = weights[:4]
            optimizer.add_param_group({"params": weights[4:], "lr": 3e-3})

    def train(function):
        return lambda model: (separate(model), function(model))

    (ours, _), (theirs, _) = (updated(train(function)) for function in (update, PPO.train))
    for mine, other in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=2e-6, rtol=2e-5)


def test_a_parameter_without_a_gradient_stays_where_it_is():
    frozen = "action_net.bias"

    def freeze(model):
        dict(model.policy.named_parameters())[frozen].requires_grad_(False)
        update(model)

    parameters = updated(freeze)[0].policy.state_dict()
    assert not parameters[frozen].any()
    assert parameters["value_net.bias"].any()
