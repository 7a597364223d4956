"""Facts of the wrappers that hide part of an observation, and laws they all keep."""

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import DelayObservation, RescaleObservation
from memagents_envs import SinglePixelMaze, SingleTMaze
from memagents_envs.wrappers import (
    DropText,
    Flicker,
    HiddenState,
    HideComponents,
    HidePositions,
    HideVelocities,
    Noise,
    TupleToDict,
    full_observation_twin,
)
from stable_baselines3.common.env_checker import check_env as check_sb3_env


class Shows(gym.Env[Any, Any]):
    """Shows elements of any space, drawn from the environment's own generator."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = space, spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.left = 10
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return self.observation_space.sample(), 1.0, self.left == 0, False, {}


class Mission(spaces.Space[str]):
    """A space of texts that is not gymnasium's, as MiniGrid's."""

    def __init__(self) -> None:
        super().__init__(dtype=str)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return "go"

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)


NUMBERS = spaces.Box(-1.0, 1.0, (3,), np.float32)
IMAGE = spaces.Box(0, 255, (36, 36, 3), np.uint8)
TEXTS = spaces.Dict({"image": IMAGE, "mission": Mission(), "hint": spaces.Text(5), "way": spaces.Discrete(4)})

WRAPPED = {
    "HideVelocities": lambda: HideVelocities(gym.make("CartPole-v1").unwrapped),
    "HidePositions": lambda: HidePositions(gym.make("Acrobot-v1").unwrapped),
    "HideComponents": lambda: HideComponents(Shows(NUMBERS), [1]),
    "Flicker": lambda: Flicker(Shows(NUMBERS), 0.5),
    "Flicker of images": lambda: Flicker(Shows(IMAGE), 0.5),
    "Noise": lambda: Noise(Shows(NUMBERS), 0.5),
    "Noise of images": lambda: Noise(Shows(IMAGE), 20.0),
    "DelayObservation": lambda: DelayObservation(Shows(NUMBERS), 2),
    "DropText": lambda: DropText(Shows(TEXTS)),
    "TupleToDict": lambda: TupleToDict(Shows(spaces.Tuple([spaces.Discrete(3), NUMBERS]))),
    "HiddenState": lambda: HiddenState(SingleTMaze(corridor_length=3)),
    "HiddenState of images": lambda: HiddenState(SinglePixelMaze()),
}
every_wrapper = pytest.mark.parametrize("name", WRAPPED)
unbounded = pytest.mark.filterwarnings("ignore:.*Box observation space m.* value is -?infinity")


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(value, theirs[key]) for key, value in ours.items())
    return np.array_equal(ours, theirs)


def observations(env: gym.Env, seed: int | None, steps: int = 9) -> list[Any]:
    return [env.reset(seed=seed)[0]] + [env.step(env.action_space.start)[0] for _ in range(steps)]


def all_same(ours: list[Any], theirs: list[Any]) -> bool:
    return all(same(mine, other) for mine, other in zip(ours, theirs, strict=True))


@unbounded
@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@every_wrapper
def test_gymnasium_and_sb3_find_no_fault(name):
    check_env(WRAPPED[name](), skip_render_check=True)
    check_sb3_env(WRAPPED[name]())


@every_wrapper
def test_the_seed_of_a_reset_decides_what_shows_and_without_one_the_streams_go_on(name):
    ours, theirs = WRAPPED[name](), WRAPPED[name]()
    first = observations(ours, 3)
    assert all_same(first, observations(theirs, 3))
    assert all(ours.observation_space.contains(observation) for observation in first)
    second = observations(ours, None)
    assert all_same(second, observations(theirs, None))
    assert all_same(observations(ours, 3), first)


@every_wrapper
def test_a_copied_or_pickled_wrapper_goes_on_alike(name):
    env = WRAPPED[name]()
    observations(env, 0, steps=2)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for _ in range(5):
        expected = env.step(0)
        for twin in twins:
            outcome = twin.step(0)
            assert same(outcome[0], expected[0])
            assert outcome[1:] == expected[1:]


@pytest.mark.parametrize(
    ("wrapper", "env_id", "shown"),
    [
        (HideVelocities, "CartPole-v1", [0, 2]),
        (HidePositions, "CartPole-v1", [1, 3]),
        (HideVelocities, "MountainCar-v0", [0]),
        (HidePositions, "MountainCar-v0", [1]),
        (HideVelocities, "MountainCarContinuous-v0", [0]),
        (HideVelocities, "Pendulum-v1", [0, 1]),
        (HidePositions, "Pendulum-v1", [2]),
        (HideVelocities, "Acrobot-v1", [0, 1, 2, 3]),
        (HidePositions, "Acrobot-v1", [4, 5]),
    ],
)
def test_classic_control_shows_what_is_left_with_its_bounds(wrapper, env_id, shown):
    plain, env = gym.make(env_id), wrapper(gym.make(env_id))
    np.testing.assert_array_equal(env.observation_space.low, plain.observation_space.low[shown])
    np.testing.assert_array_equal(env.observation_space.high, plain.observation_space.high[shown])
    assert env.observation_space.dtype == plain.observation_space.dtype
    np.testing.assert_array_equal(env.reset(seed=0)[0], plain.reset(seed=0)[0][shown])
    action = plain.action_space.sample()
    np.testing.assert_array_equal(env.step(action)[0], plain.step(action)[0][shown])


def test_parts_of_mujoco_environments_are_found_by_what_they_say_of_themselves():
    env = Shows(spaces.Box(-np.inf, np.inf, (12,)))
    env.observation_structure = {"skipped_qpos": 2, "qpos": 3, "qvel": 4, "cinert": 2, "cvel": 3, "ten_velocity": 0}
    np.testing.assert_array_equal(HideVelocities(env).shown, [0, 1, 2, 7, 8])
    np.testing.assert_array_equal(HidePositions(env).shown, range(3, 12))
    env.observation_structure = {"qpos": 3, "qvel": 4}
    with pytest.raises(ValueError, match="is not known"):
        HideVelocities(env)


@pytest.mark.parametrize("wrapper", [HideVelocities, HidePositions])
def test_an_environment_of_which_the_motion_is_not_known_is_refused(wrapper):
    for env in (Shows(NUMBERS), SingleTMaze(), HideVelocities(gym.make("CartPole-v1"))):
        with pytest.raises(ValueError, match=r"not known for .*known are CartPoleEnv, .*HideComponents\(env, hidden="):
            wrapper(env)


@pytest.mark.parametrize(
    ("space", "hidden", "told"),
    [
        (IMAGE, [0], "Box of one axis, got Box"),
        (spaces.Discrete(3), [0], "Box of one axis, got Discrete"),
        (NUMBERS, [3], "components from 0 to 2, got"),
        (NUMBERS, [-1], "components from 0 to 2, got"),
        (NUMBERS, [0.5], "components from 0 to 2, got"),
        (NUMBERS, [0, 1, 2], "at least one of 3 components, got"),
    ],
)
def test_components_that_cannot_be_hidden_are_refused(space, hidden, told):
    with pytest.raises(ValueError, match=told):
        HideComponents(Shows(space), hidden)


@pytest.mark.parametrize("space", [NUMBERS, IMAGE])
def test_flicker_blanks_the_whole_observation_as_often_as_it_should(space):
    env, plain = Flicker(Shows(space), 0.3), Shows(space)
    blank = 0
    for seed in range(300):
        for seen, true in zip(observations(env, seed), observations(plain, seed), strict=True):
            assert seen.dtype == true.dtype
            assert not seen.any() or np.array_equal(seen, true)
            blank += not seen.any()
    assert blank / 3000 == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 3000) ** 0.5)


def test_flicker_never_or_always_is_possible_and_its_space_holds_the_blank():
    space = spaces.Box(1, 5, (2,), np.int64)
    assert all((seen > 0).all() for seen in observations(Flicker(Shows(space), 0.0), 0))
    always = Flicker(Shows(space), 1.0)
    assert not any(seen.any() for seen in observations(always, 0))
    assert always.observation_space == spaces.Box(0, 5, (2,), np.int64)


def test_noise_has_its_standard_deviation_and_stays_in_bounds():
    wide = spaces.Box(-100.0, 100.0, (50,), np.float64)
    seen, true = (np.stack(observations(env, 0)) for env in (Noise(Shows(wide), 2.0), Shows(wide)))
    noise = (seen - true)[np.abs(seen) < 100]
    assert noise.std() == pytest.approx(2.0, rel=0.2)
    assert np.abs(np.stack(observations(Noise(Shows(NUMBERS), 5.0), 0))).max() == 1
    image = observations(Noise(Shows(IMAGE), 300.0), 0)[0]
    assert image.dtype == np.uint8
    assert {0, 255} <= set(image.ravel().tolist())


def test_noise_and_flicker_leave_the_episodes_of_the_environment_as_they_are_and_differ():
    wide = spaces.Box(-100.0, 100.0, (50,), np.float64)
    plain, noisy = observations(Shows(wide), 5), observations(Noise(Shows(wide), 0.0), 5)
    assert all_same(plain, noisy)
    outer = Flicker(Noise(Shows(wide), 1.0), 0.5)
    outer.reset(seed=7)
    assert outer.generator.random() != outer.env.generator.random() != np.random.default_rng(7).random()


@pytest.mark.parametrize("wrapper", [Flicker, Noise])
def test_what_cannot_be_blanked_or_noisy_is_refused(wrapper):
    with pytest.raises(ValueError, match=f"{wrapper.__name__} is for observations that are a Box, got Discrete"):
        wrapper(Shows(spaces.Discrete(3)), 0.5)
    with pytest.raises(ValueError, match=r"must be a number from 0\.0 to"):
        wrapper(Shows(NUMBERS), -0.5)


def test_gymnasiums_delay_shows_what_was_and_zeros_before():
    plain, late = observations(Shows(NUMBERS), 0), observations(DelayObservation(Shows(NUMBERS), 3), 0)
    assert not np.any(late[:3])
    assert all_same(late[3:], plain[:-3])


def test_texts_are_dropped_and_the_rest_stays():
    env = DropText(Shows(TEXTS))
    assert env.observation_space == spaces.Dict({"image": IMAGE, "way": spaces.Discrete(4)})
    assert env.reset(seed=0)[0].keys() == {"image", "way"}
    with pytest.raises(ValueError, match="from a Dict observation, got Box"):
        DropText(Shows(NUMBERS))
    with pytest.raises(ValueError, match="nothing but text in Dict"):
        DropText(Shows(spaces.Dict({"mission": Mission()})))


def test_a_tuple_becomes_a_dict_of_its_entries_in_order():
    env = TupleToDict(Shows(spaces.Tuple([spaces.Discrete(3), NUMBERS])))
    assert env.observation_space == spaces.Dict({"0": spaces.Discrete(3), "1": NUMBERS})
    assert list(env.reset(seed=0)[0]) == ["0", "1"]
    with pytest.raises(ValueError, match="observations that are a Tuple, got Box"):
        TupleToDict(Shows(NUMBERS))


def test_the_twin_of_a_wrapped_environment_shows_what_the_wrappers_start_from():
    plain, env = gym.make("CartPole-v1"), gym.make("CartPole-v1")
    hiding = Flicker(RescaleObservation(HideVelocities(Noise(env, 0.1)), np.float32(-1), np.float32(1)), 0.5)
    twin = full_observation_twin(hiding)
    assert twin is env
    assert all_same(observations(twin, 0, steps=5), observations(plain, 0, steps=5))
    with pytest.raises(ValueError, match=r"hides nothing: expected one of the wrappers .*HideComponents"):
        full_observation_twin(plain)


def test_the_twin_of_one_of_our_environments_shows_its_hidden_state_too():
    twin = full_observation_twin(Flicker(SingleTMaze(corridor_length=3), 1.0))
    twin.reset(seed=0)
    twin.unwrapped.state["goal_is_north"][:] = True
    observation = twin.step(1)[0]
    np.testing.assert_array_equal(observation["observation"], [1, 0, 1])
    np.testing.assert_array_equal(observation["state"], [1, 1, 1])  # the goal is north; at position 1 after one step
    with pytest.raises(ValueError, match="environments of memagents_envs, got"):
        HiddenState(Shows(NUMBERS))


def test_the_state_in_a_twin_is_enough_to_act_as_the_oracle_does():
    twin = full_observation_twin(SingleTMaze(corridor_length=3))
    for seed in range(10):
        observation, total, ended = twin.reset(seed=seed)[0], 0.0, False
        while not ended:
            goal_is_north, position, _ = observation["state"]
            observation, reward, ended, *_ = twin.step(1 if position < 3 else 0 if goal_is_north else 2)
            total += reward
        assert total == 1
