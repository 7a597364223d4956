"""What an agent cannot learn from is named before it enters the memory, in any VecEnv."""

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from chaos import ChaosEnv
from gymnasium import spaces
from small_agents import RandomEnv, algorithms, random_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from memagents import MemoryPPO
from memagents.errors import (
    EnvironmentFailed,
    MemagentsError,
    NonFiniteAction,
    NonFiniteObservation,
    NonFiniteReward,
    ObservationOutsideSpace,
)

FAULTS = {
    "nan observation": (NonFiniteObservation, r"^observation of environment 1 at step 5 is nan at index \[2\]"),
    "infinite observation": (NonFiniteObservation, r"^observation of environment 1 at step 5 is -inf at index \[0\]"),
    "nan terminal observation": (
        NonFiniteObservation,
        r"^terminal observation of environment 1 at step 5 is nan at index \[2\]",
    ),
    "nan reward": (NonFiniteReward, "^reward of environment 1 at step 5 is nan, not a finite number"),
    "infinite reward": (NonFiniteReward, "^reward of environment 1 at step 5 is inf"),
}


def chaotic(**options: Any) -> VecEnv:
    """Three environments in SB3's own VecEnv, of which the second has a fault."""
    venv = DummyVecEnv([lambda: ChaosEnv(**options)] * 3)
    venv.seed(0)
    return venv


def agent(env: Any, algorithm: Any = MemoryPPO, policy: str = "MlpPolicy", **options: Any) -> Any:
    return algorithm(policy, env, n_steps=16, memory="gru", memory_kwargs={"hidden_size": 4}, **options)


@algorithms
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_finite_is_named_before_it_enters_memory_and_rollout(algorithm, fault):
    error, message = FAULTS[fault]
    model = agent(chaotic(fault=fault), algorithm)
    with pytest.raises(error, match=message) as caught:
        model.learn(48)
    assert (caught.value.environment, caught.value.step) == (1, 5)
    assert isinstance(caught.value, ValueError)
    assert model.rollout_buffer.pos == 4
    assert np.isfinite(model.rollout_buffer.observations).all()
    assert np.isfinite(model.rollout_buffer.rewards).all()
    assert all(torch.isfinite(field).all() for field in model._last_state.actor)
    assert np.isfinite(model._last_obs).all()


def test_the_first_observation_is_looked_at_too():
    with pytest.raises(NonFiniteObservation, match=r"of environment 1 at step 0 is nan at index \[2\]"):
        agent(chaotic(fault="nan observation", at=0)).learn(48)


def test_steps_are_counted_over_rollouts():
    with pytest.raises(NonFiniteObservation, match="of environment 1 at step 23 is nan"):
        agent(chaotic(fault="nan observation", at=23)).learn(96)


def test_the_entry_of_a_dict_observation_is_named():
    venv = chaotic(fault="nan observation", dict_space=True)
    with pytest.raises(NonFiniteObservation, match=r"observation 'eye' of environment 1 at step 5 is nan at index"):
        agent(venv, policy="MultiInputPolicy").learn(48)


def test_all_that_is_wrong_at_once_is_counted():
    model = agent(random_vec_env(4))
    observations = np.zeros((4, 3), np.float32)
    observations[[1, 3], 0] = np.inf
    with pytest.raises(NonFiniteObservation, match=r"environment 1 .* and so are 2 of the 12 numbers of this step"):
        model._boundary.check_observations(observations, 1, model.env)


def test_an_undefined_action_reaches_no_environment():
    env = RandomEnv(action_space=spaces.Box(-1, 1, (2,)))
    model = agent(DummyVecEnv([lambda: env]))
    act = model.policy.to_env
    model.policy.to_env = lambda actions: np.full_like(act(actions), np.nan)
    with pytest.raises(NonFiniteAction, match=r"action of environment 0 at step 1 is nan at index \[0\]"):
        model.learn(16)
    assert env.received == []


def test_numbers_outside_the_space_are_reported_once_and_trained_on():
    model = agent(chaotic(fault="out of range"))
    message = (
        r"observation of environment 1 at step 5 is 7.0 at index \[1\], outside the range of its space, -1.0 to 1.0; "
        "correct the environment or its space. Training goes on, and this is said once"
    )
    with pytest.warns(UserWarning, match=message):
        model.learn(48)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.env.envs[0].steps, model.env.envs[0].is_faulty = 0, True
        model.learn(48, reset_num_timesteps=False)


def test_another_type_is_reported_once():
    model = agent(random_vec_env(2))
    observations = np.zeros((2, 3))
    with pytest.warns(UserWarning, match="observation has type float64, its space float32; correct"):
        model._boundary.check_observations(observations, 1, model.env)
    model._boundary.check_observations(observations, 2, model.env)


@pytest.mark.parametrize(
    ("space", "value"), [(spaces.Discrete(4), 4), (spaces.MultiDiscrete([3, 2]), [0, 2])], ids=["discrete", "multi"]
)
def test_a_category_that_there_is_not_is_an_error(space, value):
    model = agent(random_vec_env(2, observation_space=space))
    model._boundary.warned = True
    good = np.stack([space.sample(), space.sample()])
    model._boundary.check_observations(good, 1, model.env)
    good[1] = value
    with pytest.raises(
        ObservationOutsideSpace, match=r"observation of environment 1 at step 2 is .* outside the range"
    ):
        model._boundary.check_observations(good, 2, model.env)


def test_normalised_observations_may_leave_the_space_of_those_they_were_made_of():
    agent(VecNormalize(random_vec_env(2))).learn(64)


def test_images_of_all_bytes_have_no_range_to_check():
    model = agent(random_vec_env(1, observation_space=spaces.Box(0, 255, (36, 36, 1), np.uint8)), policy="CnnPolicy")
    assert [part.bounds for part in model._boundary.parts] == [None]


@pytest.mark.parametrize("fault", ["error", "wrong shape"])
def test_an_error_of_environments_that_do_not_say_which_is_named_with_its_step(fault):
    with pytest.raises(
        EnvironmentFailed, match=r"the environments raised ValueError at step 5: .*Which one is not"
    ) as e:
        agent(chaotic(fault=fault)).learn(48)
    assert isinstance(e.value.__cause__, ValueError)
    assert not isinstance(e.value, ValueError)


def test_episodes_that_end_at_their_first_step_are_trained_on():
    model = agent(chaotic(fault="zero-length episodes"), policy="MlpPolicy")
    model.learn(96)
    assert (model.rollout_buffer.episode_starts[:, 1] == 1).all()
    assert all(torch.isfinite(weight).all() for weight in model.policy.parameters())


def test_a_loaded_model_keeps_watch(tmp_path):
    agent(chaotic()).save(tmp_path / "model.zip")
    model = MemoryPPO.load(tmp_path / "model.zip", env=chaotic(fault="nan reward"))
    with pytest.raises(NonFiniteReward, match="environment 1"):
        model.learn(48)


def test_errors_survive_the_way_out_of_a_process():
    error = NonFiniteReward("a reward", environment=3, step=7)
    came = copy.copy(error)
    assert (str(came), came.environment, came.step) == ("a reward", 3, 7)
    assert isinstance(came, MemagentsError)
