"""What is normalised, what of it stands in a model file, and what never reaches the statistics."""

import io

import numpy as np
import pytest
from chaos import ChaosEnv
from gymnasium import spaces
from small_agents import algorithms, random_vec_env
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize
from test_boundaries import FAULTS
from test_saving import listed, zipped

from memagents import MemoryPPO, errors, load_vec_normalize
from memagents.agents.archives import as_json, read_archive
from memagents.agents.normalization import normalized
from memagents.agents.vec_envs import AppendLastActionReward

REAL = spaces.Box(-5, 5, (3,), np.float32)
IMAGE = spaces.Box(0, 255, (36, 36, 1), np.uint8)
WHOLE = spaces.Box(0, 9, (2,), np.int64)
SPACES = {
    "real": (REAL, True, None),
    "real, in double precision": (spaces.Box(-5, 5, (3,), np.float64), True, None),
    "image": (IMAGE, False, None),
    "whole numbers": (WHOLE, False, None),
    "category": (spaces.Discrete(4), False, None),
    "dict": (spaces.Dict({"a": REAL, "b": IMAGE, "c": spaces.Discrete(4), "d": REAL}), True, ["a", "d"]),
    "dict without real numbers": (spaces.Dict({"b": IMAGE, "c": WHOLE}), False, []),
}
NONE = RunningMeanStd().count
"""What SB3 counts before the first observation: a little."""


@pytest.mark.parametrize("case", SPACES)
def test_real_numbers_are_normalised_and_images_and_categories_are_not(case):
    space, norm_obs, keys = SPACES[case]
    env = normalized(random_vec_env(4, observation_space=space), gamma=0.9)
    assert (env.norm_obs, env.norm_obs_keys, env.norm_reward, env.gamma) == (norm_obs, keys, True, 0.9)
    env.reset()
    for _ in range(30):
        observations, *_ = env.step(np.zeros(4, int))
    seen, raw = (found if keys is not None else {"": found} for found in (observations, env.get_original_obs()))
    for key, values in seen.items():
        if not norm_obs or (keys and key not in keys):
            assert values.dtype == raw[key].dtype
            assert np.array_equal(values, raw[key])
        else:
            assert values.dtype == np.float32
            statistics = env.obs_rms if keys is None else env.obs_rms[key]
            assert np.allclose(values, (raw[key] - statistics.mean) / np.sqrt(statistics.var), atol=1e-5)


def test_the_last_reward_is_observed_as_the_environment_gives_it():
    env = normalized(AppendLastActionReward(random_vec_env(4)), gamma=0.99)
    env.reset()
    _, _, dones, _ = env.step(np.full(4, 2))
    expected = np.where(dones, 0.0, 2.0)
    assert np.array_equal(env.get_original_obs()[:, -1], expected)


@pytest.fixture(scope="module")
def trained():
    """A model that was trained in normalised environments, and the bytes of its file."""
    env = normalized(random_vec_env(4, observation_space=SPACES["dict"][0]), gamma=0.9)
    options = {"memory": "gru", "memory_kwargs": {"hidden_size": 4}, "policy_kwargs": {"net_arch": [4]}}
    model, stream = MemoryPPO("MultiInputPolicy", env, n_steps=16, n_epochs=1, **options).learn(64), io.BytesIO()
    model.save(stream)
    return model, stream.getvalue()


def test_a_model_file_tells_how_its_environments_were_normalised(trained):
    model, contents = trained
    loaded = load_vec_normalize(io.BytesIO(contents), random_vec_env(2, observation_space=SPACES["dict"][0]))
    first = loaded.reset()
    raw = loaded.get_original_obs()
    expected = model.env.normalize_obs(raw)
    assert all(np.array_equal(first[key], expected[key]) for key in raw)
    assert not np.array_equal(first["a"], raw["a"])
    before = loaded.obs_rms["a"].count
    _, rewards, _, _ = loaded.step(np.array([2, 1]))
    assert rewards.tolist() == [2.0, 1.0]
    assert loaded.obs_rms["a"].count == before == model.env.obs_rms["a"].count


def test_training_can_go_on_with_the_statistics(trained):
    model, contents = trained
    venv = random_vec_env(2, observation_space=SPACES["dict"][0])
    loaded = load_vec_normalize(io.BytesIO(contents), venv, training=True)
    assert np.array_equal(loaded.normalize_reward(np.ones(2)), model.env.normalize_reward(np.ones(2)))
    assert loaded.ret_rms.var == model.env.ret_rms.var
    assert loaded.gamma == 0.9
    resumed = MemoryPPO.load(io.BytesIO(contents), loaded)
    before = loaded.obs_rms["a"].count
    resumed.learn(32)
    assert loaded.obs_rms["a"].count == before + 2 + 32


def test_the_settings_of_a_users_own_wrapper_are_kept(tmp_path):
    env = VecNormalize(random_vec_env(2), norm_reward=False, clip_obs=0.5, epsilon=1e-3)
    MemoryPPO("MlpPolicy", env, n_steps=16, memory="none").learn(32).save(tmp_path / "model")
    loaded = load_vec_normalize(tmp_path / "model", random_vec_env(2), training=True)
    assert (loaded.norm_reward, loaded.clip_obs, loaded.epsilon) == (False, 0.5, 1e-3)


def test_a_model_of_other_environments_has_no_statistics(tmp_path):
    MemoryPPO("MlpPolicy", random_vec_env(2), memory="none").save(tmp_path / "model")
    with pytest.raises(errors.MissingPartError, match=r"model has no part 'normalization\.json'"):
        load_vec_normalize(tmp_path / "model", random_vec_env(2))


def test_environments_with_other_observations_are_refused(trained):
    with pytest.raises(ValueError, match=r"normalises observations of Dict.*, got those of Box"):
        load_vec_normalize(io.BytesIO(trained[1]), random_vec_env(2))


@pytest.mark.parametrize("section", [[], {}, {"observation_space": None}], ids=["list", "empty", "no settings"])
def test_a_section_that_says_something_else_is_damaged(section, trained):
    parts = read_archive(io.BytesIO(trained[1]), "the file").parts
    manifest = {"manifest.json": as_json({"schema": 1})}
    spoilt = zipped(listed(manifest | parts, **{"normalization.json": as_json(section)}))
    with pytest.raises(errors.DamagedFileError, match="section 'normalization' cannot be read"):
        load_vec_normalize(spoilt, random_vec_env(2))


def chaotic(fault):
    venv = DummyVecEnv([lambda: ChaosEnv(fault=fault)] * 3)
    venv.seed(0)
    return normalized(VecMonitor(venv), gamma=0.99)


@algorithms
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_finite_is_named_before_it_spoils_the_statistics(algorithm, fault):
    error, message = FAULTS[fault]
    model = algorithm("MlpPolicy", chaotic(fault), n_steps=16, memory="gru", memory_kwargs={"hidden_size": 4})
    with pytest.raises(error, match=message) as caught:
        model.learn(48)
    assert (caught.value.environment, caught.value.step) == (1, 5)
    assert model.env.obs_rms.count == pytest.approx(NONE + 3 * 5)  # those of the reset and of four steps
    assert np.isfinite([*model.env.obs_rms.mean, *model.env.obs_rms.var, model.env.ret_rms.var]).all()


def test_the_first_observation_is_looked_at_too():
    venv = DummyVecEnv([lambda: ChaosEnv(fault="nan observation", at=0)] * 3)
    venv.seed(0)
    env = normalized(venv, gamma=0.99)
    with pytest.raises(errors.NonFiniteObservation, match="of environment 1 at step 0 is nan"):
        env.reset()
    assert np.isfinite(env.obs_rms.mean).all()


def test_numbers_outside_the_space_are_reported_though_they_are_normalised():
    with pytest.warns(UserWarning, match=r"observation of environment 1 at step 5 is 7.0 at index \[1\], outside"):
        MemoryPPO("MlpPolicy", chaotic("out of range"), n_steps=16, memory="none").learn(48)
