"""The laws of every natively batched environment, parametrised over the registered families."""

import ast
import copy
import functools
import inspect
import pickle
from typing import Any

import gymnasium as gym
import memagents_envs
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from memagents_envs import FAMILIES, BatchedEnv, SingleEnv
from stable_baselines3.common.env_checker import check_env as check_sb3_env

CASES = [
    ("Autoencode", {"order": "forward"}),
    ("Autoencode", {"num_cards": 4}),
    ("Autoencode", {}),
    ("Bandit", {"num_arms": 2, "episode_length": 2}),
    ("Bandit", {"num_arms": 30, "episode_length": 20}),
    ("Concentration", {"num_cards": 16, "num_values": 2}),
    ("Concentration", {"num_cards": 4}),
    ("Copy", {"num_symbols": 1, "alphabet_size": 2, "delay": 0}),
    ("Copy", {"num_symbols": 3, "alphabet_size": 26, "order": "reverse"}),
    ("CountRecall", {"num_decks": 2, "deck_type": "ranks"}),
    ("CountRecall", {}),
    ("CueRewriting", {"num_rewrites": 1, "max_delay": 1}),
    ("CueRewriting", {"num_rewrites": 8}),
    ("KeyToDoor", {"delay": 1}),
    ("KeyToDoor", {"delay": 20}),
    ("KeyValueRecall", {"num_pairs": 1, "num_values": 2}),
    ("KeyValueRecall", {"num_pairs": 5, "num_values": 26, "num_queries": 3}),
    ("OccludedCartPole", {"noise": 1.0, "episode_length": 3}),
    ("OccludedCartPole", {"shows": "velocity", "noise": 0.0, "episode_length": 20}),
    ("OccludedCartPole", {}),
    ("OccludedPendulum", {"noise": 0.0, "episode_length": 100}),
    ("OccludedPendulum", {}),
    ("PixelMaze", {"distance": 13}),
    ("PixelMaze", {}),
    ("RepeatFirst", {}),
    ("RepeatPrevious", {"k": 1}),
    ("RepeatPrevious", {"k": 30, "num_decks": 2}),
    ("RepeatPrevious", {}),
    ("TMaze", {"corridor_length": 1}),
    ("TMaze", {"corridor_length": 3}),
    ("TMazeActive", {"corridor_length": 2}),
    ("TMazeActive", {"corridor_length": 6}),
]
"""Every family with knobs that make short episodes, and with knobs at their limits."""

STEPS = 300
GRADES = ("Easy", "Medium", "Hard")
every_family = pytest.mark.parametrize(
    ("env_id", "knobs"),
    [(f"MemAgents/{name}-v0", knobs) for name, knobs in CASES],
    ids=[f"{name}-{knobs}" for name, knobs in CASES],
)
every_single_family = pytest.mark.parametrize("name", FAMILIES)


def make(env_id: str, knobs: dict[str, Any], num_envs: int = 5, **kwargs: Any) -> BatchedEnv:
    return gym.make_vec(  # type: ignore[return-value]
        f"memagents_envs:{env_id}", num_envs=num_envs, vectorization_mode="vector_entry_point", **knobs, **kwargs
    )


def make_single(env_id: str, knobs: dict[str, Any], **kwargs: Any) -> gym.Env:
    return gym.make(f"memagents_envs:{env_id}", **knobs, **kwargs)


@functools.cache
def _played(env_id: str, knobs: str, num_envs: int) -> np.ndarray:
    env, rng = make(env_id, ast.literal_eval(knobs), num_envs), np.random.default_rng(1)
    env.reset(seed=123)
    env.action_space.seed(1)
    played = []
    for _ in range(STEPS):
        best, any_action = env.oracle(), env.action_space.sample()
        at_random = rng.random(num_envs).reshape(-1, *[1] * (best.ndim - 1)) < 0.4
        played.append(np.where(at_random, any_action, best).astype(any_action.dtype))
        env.step(played[-1])
    return np.stack(played)


def some_actions(env_id: str, knobs: dict[str, Any], num_envs: int = 5) -> np.ndarray:
    """Actions [STEPS, num_envs] that the oracle or chance once took, so that episodes end in every way there is."""
    return _played(env_id, repr(knobs), num_envs)


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert_same(value, theirs[key])
    elif isinstance(ours, tuple) or (isinstance(ours, np.ndarray) and ours.dtype == object):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    elif not (isinstance(ours, np.ndarray) and ours.dtype == theirs.dtype and np.array_equal(ours, theirs)):
        np.testing.assert_array_equal(ours, theirs, strict=True)  # which takes its time, and says where


def test_every_family_is_tested_and_has_an_id_for_itself_and_for_each_grade():
    assert {name for name, _ in CASES} == set(FAMILIES)
    # Suites of others register theirs in the same namespace, and have no batched environments.
    registered = {env_id for env_id, spec in gym.registry.items() if "memagents_envs." in str(spec.vector_entry_point)}
    assert registered == {f"MemAgents/{name}{grade}-v0" for name in FAMILIES for grade in ("", *GRADES)}


@every_single_family
def test_a_family_says_what_it_tests_and_grades_one_knob(name):
    family = FAMILIES[name].family
    knob, _, measures = family.knob.partition(": ")
    assert knob in inspect.signature(family).parameters
    assert measures
    assert family.tests
    assert tuple(family.grades) == GRADES
    settings = [family.grades[grade][knob] for grade in GRADES]
    assert len(set(settings)) == 3
    graded = [make(f"MemAgents/{name}{grade}-v0", {}) for grade in GRADES]
    assert [getattr(env, knob) for env in graded] == settings
    burdens = [(env.memory_steps, env.memory_bits) for env in graded]
    assert burdens == sorted(burdens)


@pytest.mark.filterwarnings("ignore:.*Box observation space m.* value is -?infinity")  # velocities have no bounds
@pytest.mark.filterwarnings("ignore:.*symmetric and normalized")  # a pendulum takes torques from -2 to 2
@every_family
def test_gymnasium_and_sb3_find_no_fault_with_a_single_env(env_id, knobs):
    check_env(make_single(env_id, knobs).unwrapped)
    check_sb3_env(make_single(env_id, knobs))


@every_family
def test_every_observation_is_in_its_space(env_id, knobs):
    env = make(env_id, knobs)
    observations, _ = env.reset(seed=0)
    assert env.observation_space.contains(observations)
    ends = 0
    for actions in some_actions(env_id, knobs):
        observations, *_, infos = env.step(actions)
        assert env.observation_space.contains(observations)
        for final in infos.get("final_obs", np.array([]))[infos.get("_final_obs", np.array([], bool))]:
            assert env.single_observation_space.contains(final)
            ends += 1
    assert ends > 0


@every_family
def test_row_i_of_a_batch_equals_a_single_env_seeded_alike(env_id, knobs):
    env, row, seed = make(env_id, knobs), 3, 40
    single = make_single(env_id, knobs)
    observations, _ = env.reset(seed=seed)
    observation, _ = single.reset(seed=seed + row)
    for actions in some_actions(env_id, knobs):
        np.testing.assert_array_equal(observations[row], observation)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        observation, reward, single_terminated, single_truncated, info = single.step(actions[row])
        assert (rewards[row], terminated[row], truncated[row]) == (reward, single_terminated, single_truncated)
        if single_terminated or single_truncated:
            np.testing.assert_array_equal(infos["final_obs"][row], observation)
            assert {name: infos["final_info"][name][row] for name in info} == info
            observation, _ = single.reset()


@every_family
def test_episodes_do_not_depend_on_the_number_of_rows(env_id, knobs):
    few, many = make(env_id, knobs, num_envs=2), make(env_id, knobs, num_envs=9)
    few.reset(seed=7)
    many.reset(seed=7)
    for actions in some_actions(env_id, knobs, 9):
        for of_few, of_many in zip(few.step(actions[:2])[:4], many.step(actions)[:4], strict=True):
            np.testing.assert_array_equal(of_few, of_many[:2])


@every_family
def test_a_batch_equals_gymnasiums_own_vector_env_with_same_step_autoreset(env_id, knobs):
    ours = make(env_id, knobs)
    theirs = SyncVectorEnv([lambda: make_single(env_id, knobs)] * 5, autoreset_mode=AutoresetMode.SAME_STEP)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    assert_same(ours.reset(seed=3), theirs.reset(seed=3))
    for step, actions in enumerate(some_actions(env_id, knobs)):
        assert_same(ours.step(actions), theirs.step(actions))
        if step % 70 == 20:
            mask = np.arange(5) % 2 == step // 70 % 2
            seed = None if step < 100 else step
            # Gymnasium takes the mask out of the dict, so each gets one of its own.
            mine, other = (env.reset(seed=seed, options={"reset_mask": mask}) for env in (ours, theirs))
            assert_same(mine, other)


def revealed(env: Any) -> Any:
    env.unwrapped.reveal()
    return env


@every_family
def test_a_revealed_environment_shows_its_state_beside_the_same_episodes(env_id, knobs):
    plain, ours = make(env_id, knobs), revealed(make(env_id, knobs))
    assert_same(plain.reset(seed=3)[0], ours.reset(seed=3)[0]["observation"])
    for actions in some_actions(env_id, knobs):
        expected, *outcome, infos = plain.step(actions)
        observations, *ours_outcome, our_infos = ours.step(actions)
        assert_same(observations, {"observation": expected, "state": plain.flat_state()})
        assert_same(tuple(ours_outcome), tuple(outcome))
        for row in np.flatnonzero(infos.get("_final_obs", [])):
            assert_same(our_infos["final_obs"][row]["observation"], infos["final_obs"][row])


@every_family
def test_revealed_a_batch_equals_its_single_environments_up_to_the_last_state(env_id, knobs):
    def make_one() -> gym.Env:
        return revealed(make_single(env_id, knobs).unwrapped)

    ours = revealed(make(env_id, knobs))
    theirs = SyncVectorEnv([make_one] * 5, autoreset_mode=AutoresetMode.SAME_STEP)
    assert ours.observation_space == theirs.observation_space
    assert_same(ours.reset(seed=3), theirs.reset(seed=3))
    for actions in some_actions(env_id, knobs)[:100]:
        assert_same(ours.step(actions), theirs.step(actions))


@every_family
def test_every_row_can_have_a_seed_of_its_own(env_id, knobs):
    env, alike = make(env_id, knobs, num_envs=3), make(env_id, knobs, num_envs=3)
    env.reset(seed=[11, None, 13])
    alike.reset(seed=11)
    for row in (0, 2):
        for name, array in env.state.items():
            np.testing.assert_array_equal(array[row], alike.state[name][row])
    assert env.generators[1].bit_generator.state != alike.generators[1].bit_generator.state


@every_family
def test_what_was_returned_never_changes(env_id, knobs):
    env = make(env_id, knobs)
    kept = [env.reset(seed=0)[0]]
    copies = [kept[0].copy()]
    for actions in some_actions(env_id, knobs)[:100]:
        returned = env.step(actions)[:4]
        kept.extend(returned)
        copies.extend(array.copy() for array in returned)
    for array, copied in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copied)


@every_family
def test_the_oracle_reaches_the_best_return(env_id, knobs, play_one_episode_each):
    env = make(env_id, knobs, num_envs=500)
    returns, _ = play_one_episode_each(env, lambda observations: env.oracle())
    error = 4 * returns.std() / len(returns) ** 0.5  # 0 where every episode of the oracle has the same return
    assert returns.mean() == pytest.approx(env.best_return, abs=1e-12 + error)


@every_family
def test_a_single_env_has_the_oracle_and_the_figures_of_its_batch(env_id, knobs):
    single, batch = make_single(env_id, knobs).unwrapped, make(env_id, knobs, num_envs=1)
    assert isinstance(single, SingleEnv)
    assert (single.best_return, single.memoryless_return) == (batch.best_return, batch.memoryless_return)
    assert single.memoryless_return <= single.best_return
    single.reset(seed=3)
    batch.reset(seed=3)
    assert np.array_equal(single.oracle(), batch.oracle()[0])
    assert all(len(array) == 1 for array in single.state.values())


@every_family
def test_a_snapshot_goes_on_exactly_in_another_environment(env_id, knobs):
    env, other = make(env_id, knobs), make(env_id, knobs)
    env.reset(seed=5)
    actions = some_actions(env_id, knobs)
    for action in actions[: STEPS // 2]:
        env.step(action)
    snapshot = env.get_state()
    expected = [env.step(action) for action in actions[STEPS // 2 :]]
    other.reset(seed=6)
    other.set_state(snapshot)
    for action, outcome in zip(actions[STEPS // 2 :], expected, strict=True):
        assert_same(other.step(action), outcome)
    env.set_state(snapshot)  # and again in the one it came from: what happened since has not changed it
    assert_same(env.step(actions[STEPS // 2]), expected[0])


@every_family
def test_a_snapshot_of_another_size_is_refused(env_id, knobs):
    env, wider = make(env_id, knobs), make(env_id, knobs, num_envs=6)
    env.reset(seed=0)
    wider.reset(seed=0)
    before = copy.deepcopy(env.state)
    with pytest.raises(ValueError, match="same rows and knobs"):
        env.set_state(wider.get_state())
    assert_same(env.state, before)


@every_family
def test_a_copied_or_pickled_batch_goes_on_alike(env_id, knobs):
    env = make(env_id, knobs)
    env.reset(seed=5)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for actions in some_actions(env_id, knobs):
        expected = env.step(actions)
        for twin in twins:
            assert_same(twin.step(actions), expected)


@every_family
def test_a_spec_survives_pickle_and_json(env_id, knobs):
    spec = make_single(env_id, knobs).spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    again = gym.envs.registration.EnvSpec.from_json(spec.to_json()).make()
    assert type(again.unwrapped) is type(make_single(env_id, knobs).unwrapped)


@every_family
def test_frames_are_text_or_colours_for_every_row(env_id, knobs):
    texts, pictures = make(env_id, knobs, render_mode="ansi"), make(env_id, knobs, render_mode="rgb_array")
    texts.reset(seed=0)
    pictures.reset(seed=0)
    for actions in some_actions(env_id, knobs)[:30]:
        texts.step(actions)
        pictures.step(actions)
        for text, picture in zip(texts.render(), pictures.render(), strict=True):
            lines = text.split("\n")
            assert picture.shape == (16 * len(lines), 16 * len(lines[0]), 3)
            assert picture.dtype == np.uint8
    assert make(env_id, knobs).render() is None


def impossible(space: gym.Space) -> list[Any]:
    """Actions of the right shape that no environment takes: out of range, undefined, or no number."""
    good = space.sample()
    low, high = (space.low, space.high) if isinstance(space, gym.spaces.Box) else (0, space.nvec - 1)
    return [high + 1 + good * 0, low - 1 + good * 0, good * np.nan, np.full(good.shape, "north")]


@every_family
def test_actions_that_cannot_be_are_refused_before_any_row_moves(env_id, knobs):
    env = make(env_id, knobs)
    env.reset(seed=0)
    before, good = copy.deepcopy(env.state), env.action_space.sample()
    for actions in [*impossible(env.action_space), good[:4], good[:, None], 0, None]:
        with pytest.raises(ValueError, match=r"actions must be 5 of .*; got "):
            env.step(actions)
    assert_same(env.state, before)


@every_family
def test_a_single_env_refuses_such_an_action_too(env_id, knobs):
    env = make_single(env_id, knobs).unwrapped
    env.reset(seed=0)
    for actions in [*impossible(env.batch.action_space), None]:
        with pytest.raises(ValueError, match="actions must be 1 of"):
            env.step(actions if actions is None else actions[0])


@every_family
def test_there_is_no_step_before_the_first_reset(env_id, knobs):
    with pytest.raises(ResetNeeded, match="call reset"):
        make(env_id, knobs).step(make(env_id, knobs).action_space.sample())


@every_family
def test_there_is_no_step_after_the_end_of_a_single_episode(env_id, knobs):
    single, ended = make_single(env_id, knobs).unwrapped, False
    single.reset(seed=0)
    while not ended:
        _, _, terminated, truncated, _ = single.step(single.oracle())
        ended = terminated or truncated
    with pytest.raises(ResetNeeded, match="call reset"):
        single.step(single.action_space.sample())


@pytest.mark.parametrize("num_envs", [0, -1, 1.5, True, "2"])
@every_family
def test_a_batch_without_rows_is_refused(env_id, knobs, num_envs):
    with pytest.raises(ValueError, match="num_envs must be a whole number of at least 1, got "):
        make(env_id, knobs, num_envs=num_envs)


@every_family
def test_seeds_and_masks_that_do_not_fit_are_refused(env_id, knobs):
    env = make(env_id, knobs)
    for seed in ([1, 2], 1.5, "12345x"):
        with pytest.raises(ValueError, match="list of 5"):
            env.reset(seed=seed)
    for mask in (np.ones(4, bool), np.ones(5), [True] * 5, np.zeros(5, bool)):
        with pytest.raises(ValueError, match=r"reset_mask.*shape \(5,\)"):
            env.reset(options={"reset_mask": mask})


@every_family
def test_a_render_mode_that_is_not_offered_is_refused(env_id, knobs):
    with pytest.raises(ValueError, match=r"render_mode must be None or one of .*ansi.*got 'human'"):
        make(env_id, knobs, render_mode="human")


def test_every_public_name_exists():
    assert all(hasattr(memagents_envs, name) for name in memagents_envs.__all__)
