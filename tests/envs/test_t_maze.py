"""Facts of the T-maze."""

import itertools

import numpy as np
import pytest
from memagents_envs import TMaze
from memagents_envs.t_maze import BITS, CORRIDOR, EAST, JUNCTION, NORTH, SIGN_NORTH, SIGN_SOUTH, SOUTH, WEST

ACTIONS = (NORTH, EAST, SOUTH, WEST)


def maze_towards(*norths: bool, corridor_length: int = 3) -> TMaze:
    """A batch at the start, with the goals set by hand."""
    env = TMaze(len(norths), corridor_length)
    env.reset(seed=0)
    env.state["goal_is_north"][:] = norths
    return env


def test_the_bits_are_those_of_the_paper():
    env = maze_towards(True, False)
    np.testing.assert_array_equal(env.observe(), [[0, 1, 1], [1, 1, 0]])
    for seen in ([1, 0, 1], [1, 0, 1], [0, 1, 0]):
        observations, *_ = env.step(np.full(2, EAST))
        np.testing.assert_array_equal(observations, [seen, seen])


def test_as_an_image_every_bit_is_a_stripe_and_all_else_is_the_same():
    plain, image = TMaze(4, 3), TMaze(4, 3, pixels=True)
    bits, pixels = plain.reset(seed=0)[0], image.reset(seed=0)[0]
    for _ in range(6):
        assert image.observation_space.contains(pixels)
        assert pixels.shape == (4, 36, 36, 1)
        np.testing.assert_array_equal(pixels[:, :, 6::12, 0], np.repeat(255 * bits[:, None], 36, axis=1))
        np.testing.assert_array_equal(pixels, np.broadcast_to(pixels[:, :1], pixels.shape))
        actions = plain.oracle()
        (bits, *told), (pixels, *told_too) = plain.step(actions), image.step(actions)
        for ours, theirs in zip(told[:3], told_too[:3], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_right_arm_gives_one_and_the_wrong_arm_minus_one():
    env = maze_towards(True, True, False, False)
    for _ in range(3):
        env.step(np.full(4, EAST))
    _, rewards, terminated, truncated, infos = env.step(np.array([NORTH, SOUTH, NORTH, SOUTH]))
    np.testing.assert_array_equal(rewards, [1.0, -1.0, -1.0, 1.0])
    np.testing.assert_array_equal(infos["final_info"]["is_success"], [True, False, False, True])
    assert terminated.all()
    assert not truncated.any()


def test_only_a_move_towards_the_junction_is_free():
    env = maze_towards(True)
    moves = [WEST, NORTH, EAST, WEST, EAST, SOUTH, EAST, EAST, EAST, WEST, EAST]
    costs = [-0.1, -0.1, 0, -0.1, 0, -0.1, 0, 0, -0.1, -0.1, 0]
    places = [0, 0, 1, 0, 1, 1, 2, 3, 3, 2, 3]
    for move, cost, place in zip(moves, costs, places, strict=True):
        _, rewards, terminated, _, _ = env.step(np.array([move]))
        assert (rewards[0], env.state["position"][0], terminated[0]) == (cost, place, False)


def test_the_sign_shows_again_to_who_goes_back():
    env = maze_towards(True)
    env.step(np.array([EAST]))
    observations, *_ = env.step(np.array([WEST]))
    np.testing.assert_array_equal(observations, [[0, 1, 1]])


@pytest.mark.parametrize("corridor_length", [1, 4])
def test_an_episode_is_cut_after_four_times_its_length(corridor_length):
    env = maze_towards(True, corridor_length=corridor_length)
    for step in range(1, 4 * (corridor_length + 1) + 1):
        _, _, terminated, truncated, infos = env.step(np.array([WEST]))
        assert truncated[0] == (step == 4 * (corridor_length + 1))
        assert not terminated[0]
    assert not infos["final_info"]["is_success"][0]
    assert infos["final_info"]["_is_success"][0]


def test_an_episode_that_ends_at_the_last_moment_is_not_cut():
    env = maze_towards(True, corridor_length=1)
    for action in [WEST] * 6 + [EAST]:
        env.step(np.array([action]))
    _, _, terminated, truncated, _ = env.step(np.array([NORTH]))
    assert terminated[0]
    assert not truncated[0]


def test_both_signs_come_equally_often():
    norths = TMaze(4000)
    norths.reset(seed=0)
    # 4 standard errors of a fair coin.
    assert norths.state["goal_is_north"].mean() == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)


@pytest.mark.parametrize("corridor_length", [1, 2, 3, 7])
def test_the_best_of_all_memoryless_policies_has_the_memoryless_return(corridor_length):
    policies = np.array(list(itertools.product(ACTIONS, repeat=4)))  # an action for every observation: 256 policies
    tables = policies.repeat(2, axis=0)
    env = TMaze(len(tables), corridor_length)
    observations, _ = env.reset(seed=0)
    env.state["goal_is_north"][:] = np.arange(len(tables)) % 2  # each policy meets either sign once
    observations = env.observe()
    returns, running = np.zeros(len(tables)), np.ones(len(tables), bool)
    for _ in range(4 * (corridor_length + 1)):
        seen = (observations[:, None] == BITS).all(axis=2).argmax(axis=1)
        observations, rewards, terminated, _, _ = env.step(tables[np.arange(len(tables)), seen])
        returns += rewards * running
        running &= ~terminated
    assert returns.reshape(-1, 2).mean(axis=1).max() == pytest.approx(env.memoryless_return, abs=1e-12)


def test_who_forgets_the_sign_turns_right_in_half_of_the_episodes(play_one_episode_each):
    env, turn = TMaze(4000), np.full(4000, NORTH)
    returns, successes = play_one_episode_each(
        env, lambda seen: np.where((seen == BITS[JUNCTION]).all(axis=1), turn, EAST)
    )
    # 4 standard errors; a return is +1 or -1.
    assert successes.mean() == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)
    assert returns.mean() == pytest.approx(env.memoryless_return, abs=4 / 4000**0.5)


def test_random_actions_do_worse_than_the_best_memoryless_policy(play_one_episode_each):
    env, rng = TMaze(1000, 5), np.random.default_rng(0)
    returns, successes = play_one_episode_each(env, lambda seen: rng.integers(4, size=len(seen)))
    assert returns.mean() + 4 * returns.std() / 1000**0.5 < env.memoryless_return
    assert successes.mean() < 0.5


def test_a_frame_shows_the_goal_and_the_agent():
    env = TMaze(2, 3, render_mode="ansi")
    env.reset(seed=0)
    env.state["goal_is_north"][:] = True, False
    env.step(np.array([EAST, WEST]))
    assert env.render() == ("###G\n.@..\n###.", "###.\n@...\n###G")


def test_all_bits_differ():
    assert len({tuple(BITS[kind]) for kind in (SIGN_SOUTH, SIGN_NORTH, CORRIDOR, JUNCTION)}) == 4


@pytest.mark.parametrize("corridor_length", [0, -3, 2.5, "3", None, True])
def test_an_impossible_corridor_is_refused(corridor_length):
    with pytest.raises(ValueError, match="corridor_length must be a whole number of at least 1, got "):
        TMaze(2, corridor_length)
