"""Undefined gradients reach no optimizer, undefined parameters no file."""

import copy

import pytest
import torch
from chaos import ChaosEnv
from small_agents import algorithms, collect, random_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv

from memagents import MemoryPPO
from memagents.agents.finite_updates import refuse_non_finite_updates
from memagents.errors import NonFiniteUpdate


def small_agent(algorithm, **options):
    return algorithm(
        "MlpPolicy", random_vec_env(2), n_steps=8, memory="gru", memory_kwargs={"hidden_size": 4}, **options
    )


@algorithms
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_update_that_is_not_finite_changes_nothing(algorithm, value):
    model = small_agent(algorithm)
    model.batch_size = 16
    collect(model)
    model.rollout_buffer.returns[3, 1] = value
    before = copy.deepcopy(model.policy.state_dict())
    with pytest.raises(NonFiniteUpdate, match=r"the update was refused: \d+ of \d+ tensors hold NaN .* first of them"):
        model.train()
    assert all(
        torch.equal(old, new) for old, new in zip(before.values(), model.policy.state_dict().values(), strict=True)
    )
    assert not model.policy.optimizer.state


@algorithms
def test_returns_whose_squared_errors_overflow_are_refused(algorithm):
    venv = DummyVecEnv([lambda: ChaosEnv(fault="huge reward")] * 2)
    venv.seed(0)
    model = algorithm("MlpPolicy", venv, n_steps=8, memory="gru")
    before = copy.deepcopy(model.policy.state_dict())
    with pytest.raises(
        NonFiniteUpdate, match=r"value loss of this rollout is inf: its returns reach 1e\+30, .* values"
    ):
        model.learn(16)
    assert all(torch.equal(old, model.policy.state_dict()[name]) for name, old in before.items())


def test_updates_that_are_finite_go_their_way():
    model = small_agent(MemoryPPO)
    before = [weight.clone() for weight in model.policy.parameters()]
    model.learn(16)
    assert not any(torch.equal(old, new) for old, new in zip(before, model.policy.parameters(), strict=True))


@pytest.mark.parametrize("gradient", [3e38, float("-inf")])
def test_gradients_are_read_from_all_parameters_that_have_one(gradient):
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    refuse_non_finite_updates(layer, optimizer)
    optimizer.step()  # no gradients, nothing to do
    layer.bias.grad = torch.tensor([1.0, gradient])
    with pytest.raises(
        NonFiniteUpdate, match=r"the norm of 1 tensors is too large|1 of 1 tensors .* first of them bias"
    ):
        optimizer.step()


def test_a_model_with_undefined_parameters_is_not_saved(tmp_path):
    model = small_agent(MemoryPPO)
    model.save(tmp_path / "good.zip")
    with torch.no_grad():
        model.policy.value_net.bias.fill_(torch.nan)
    with pytest.raises(NonFiniteUpdate, match=r"not saved: 1 of \d+ tensors .* value_net.bias.*Go on from an earlier"):
        model.save(tmp_path / "bad.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["good.zip"]
