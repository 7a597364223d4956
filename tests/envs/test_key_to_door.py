"""Facts of key to door."""

import itertools

import numpy as np
import pytest
from memagents_envs import KeyToDoor
from memagents_envs.key_to_door import (
    APPLE,
    BLUE_DOOR,
    BLUE_KEY,
    EAST,
    EMPTY,
    RED_DOOR,
    RED_KEY,
    WEST,
    expected_apples,
)

EPISODES = 4000


def rooms(*situations: tuple[bool, bool, bool], delay: int = 3) -> KeyToDoor:
    """A batch with keys and doors set by hand: (key is blue, key is east, blue door is east) of every row."""
    env = KeyToDoor(len(situations), delay)
    env.reset(seed=0)
    env.state["key_is_blue"][:], env.state["key_is_east"][:], env.state["blue_is_east"][:] = np.transpose(situations)
    return env


def walk(env: KeyToDoor, moves: str) -> list[np.ndarray]:
    """Every row makes these moves, W or E; the observations."""
    return [env.step(np.full(env.num_envs, "WE".index(move)))[0] for move in moves]


def test_a_key_shows_its_colour_until_it_is_picked_up():
    env = rooms((True, False, False))
    np.testing.assert_array_equal(env.observe(), [[BLUE_KEY, 0, 0, 0, 0, 2]])
    seen = walk(env, "WWE")
    np.testing.assert_array_equal(np.concatenate(seen), [[BLUE_KEY, 0, 0, 0, 0, 1], [EMPTY] * 6, [0, 0, 0, 0, 0, 1]])
    assert env.state["has_key"][0]


def test_a_key_that_is_left_behind_opens_nothing():
    env = rooms((False, True, True))
    np.testing.assert_array_equal(env.observe(), [[0, 0, 0, 0, RED_KEY, 2]])
    walk(env, "WWWW" + "WEW")
    np.testing.assert_array_equal(env.observe(), [[RED_DOOR, 0, 0, 0, BLUE_DOOR, 2]])
    env.step(np.array([WEST]))
    _, rewards, terminated, _, infos = env.step(np.array([WEST]))
    assert (rewards[0], terminated[0], infos["final_info"]["is_success"][0]) == (0, True, False)


def test_a_key_opens_the_door_of_its_colour_wherever_that_is():
    cases = list(itertools.product((False, True), repeat=3))
    for final in (WEST, EAST):
        env = rooms(*cases)
        for _ in range(4 + 3):
            env.step(env.oracle())
        env.step(np.full(8, final))
        _, rewards, terminated, _, infos = env.step(np.full(8, final))
        opens = [key_is_blue == (blue_is_east == (final == EAST)) for key_is_blue, _, blue_is_east in cases]
        np.testing.assert_array_equal(infos["final_info"]["is_success"], opens)
        np.testing.assert_array_equal(rewards, np.array(opens, float))
        assert terminated.all()


def test_apples_hang_one_after_the_other_and_give_one_over_the_delay():
    env = rooms((True, True, True), delay=5)
    env.state["apples"][0] = 1, 2, 4, 0, 1, 2
    walk(env, "EEEE")
    np.testing.assert_array_equal(env.observe(), [[0, APPLE, 0, 0, 0, 2]])
    rewards, cells = [], []
    for move in (WEST, EAST, EAST, EAST, EAST):
        observations, reward, *_ = env.step(np.array([move]))
        rewards.append(reward[0])
        cells.append(observations[0].tolist())
    assert rewards == [0.2, 0.2, 0, 0.2, 0]
    assert cells[:4] == [[0, 0, APPLE, 0, 0, 1], [0, 0, 0, 0, APPLE, 2], [0, 0, 0, 0, APPLE, 3], [APPLE, 0, 0, 0, 0, 4]]
    assert cells[4][-1] == 2  # and on to the doors


def test_an_episode_is_cut_when_the_last_room_is_not_left_in_time():
    env = rooms((True, True, True), delay=1)
    for step in range(1, 10):
        _, _, terminated, truncated, _ = env.step(np.array([step % 2]))
        assert (terminated[0], truncated[0]) == (False, step == 9)


def test_all_is_drawn_evenly_and_each_apart_from_the_others():
    env = KeyToDoor(EPISODES, delay=2)
    env.reset(seed=0)
    names = ("key_is_blue", "key_is_east", "blue_is_east")
    kinds = np.bincount(np.stack([env.state[name] for name in names]).T @ [4, 2, 1], minlength=8)
    np.testing.assert_allclose(kinds / EPISODES, 1 / 8, atol=4 * (7 / 64 / EPISODES) ** 0.5)
    first, second = env.state["apples"][:, 0], env.state["apples"][:, 1]
    np.testing.assert_allclose(np.bincount(first, minlength=5) / EPISODES, [0.25, 0.25, 0, 0.25, 0.25], atol=0.03)
    assert (first != second).all()


@pytest.mark.parametrize("delay", [1, 2, 5, 50])
def test_the_expected_apples_are_those_of_many_episodes(delay):
    env = KeyToDoor(EPISODES, delay)
    env.reset(seed=0)
    for _ in range(4 + delay):
        env.step(env.oracle())
    eaten = env.state["eaten"]
    assert eaten.mean() == pytest.approx(expected_apples(delay), abs=4 * eaten.std() / EPISODES**0.5)


def test_what_shows_at_the_doors_tells_nothing_of_the_key():
    cases = list(itertools.product((False, True), repeat=3))
    env = rooms(*cases, delay=4)
    env.state["apples"][:] = env.state["apples"][0]
    rng = np.random.default_rng(0)
    for _ in range(8):
        observations, *_ = env.step(rng.integers(2, size=8))
    for seen, (_, _, blue_is_east) in zip(observations, cases, strict=True):
        doors = [RED_DOOR, BLUE_DOOR] if blue_is_east else [BLUE_DOOR, RED_DOOR]
        np.testing.assert_array_equal(seen, [doors[0], 0, 0, 0, doors[1], 2])


def without_memory(doors):
    """Goes to whatever key or apple shows, and to a door by a table from the kind at the west end to a move."""

    def act(seen):
        cells, position = seen[:, :-1], seen[:, -1]
        things = (cells == RED_KEY) | (cells == BLUE_KEY) | (cells == APPLE)
        at_door = cells[:, 0] >= RED_DOOR
        at_door &= cells[:, 0] <= BLUE_DOOR
        door = np.where(cells[:, 0] == RED_DOOR, doors[0], doors[1])
        return np.where(at_door, door, np.where(things.argmax(axis=1) > position, EAST, WEST))

    return act


@pytest.mark.parametrize("doors", list(itertools.product((WEST, EAST), repeat=2)))
def test_whichever_door_is_tried_without_memory_fits_in_half_of_the_episodes(doors, play_one_episode_each):
    env = KeyToDoor(EPISODES)
    returns, successes = play_one_episode_each(env, without_memory(doors))
    assert successes.mean() == pytest.approx(0.5, abs=4 * 0.5 / EPISODES**0.5)
    assert returns.mean() == pytest.approx(env.memoryless_return, abs=4 * returns.std() / EPISODES**0.5)


def test_random_moves_do_worse_than_the_best_without_memory(play_one_episode_each):
    env, rng = KeyToDoor(1000), np.random.default_rng(0)
    returns, successes = play_one_episode_each(env, lambda seen: rng.integers(2, size=len(seen)))
    assert returns.mean() + 4 * returns.std() / 1000**0.5 < env.memoryless_return
    assert successes.any()


def test_a_frame_shows_the_room_and_the_key_that_is_held():
    env = KeyToDoor(1, 1, render_mode="ansi")
    env.reset(seed=0)
    env.state["key_is_blue"][:], env.state["key_is_east"][:], env.state["blue_is_east"][:] = True, False, True
    env.state["apples"][0, 0] = 3
    frames = [env.render()[0]]
    for move in (WEST, WEST, EAST, EAST, WEST):
        env.step(np.array([move]))
        frames.append(env.render()[0])
    assert frames == ["b.@...", "b@....", "@....b", ".@...b", "..@o.b", "R.@.Bb"]


@pytest.mark.parametrize("delay", [0, -1, 1.5, None, True])
def test_an_impossible_delay_is_refused(delay):
    with pytest.raises(ValueError, match="delay must be a whole number of at least 1, got "):
        KeyToDoor(2, delay)
