"""Facts of the pixel maze."""

from collections import deque

import numpy as np
import pytest
from memagents_envs import PixelMaze
from memagents_envs.pixel_maze import (
    COLOURS,
    EAST,
    GREEN_CUE,
    GREEN_GOAL,
    NORTH,
    OPPOSITE,
    REACH,
    RED_CUE,
    RED_GOAL,
    SOUTH,
    TILE,
    WALL,
    WEST,
)

MOVES = {NORTH: (-1, 0), EAST: (0, 1), SOUTH: (1, 0), WEST: (0, -1)}


def maze(num_envs: int, distance: int = 10) -> PixelMaze:
    env = PixelMaze(num_envs, distance)
    env.reset(seed=0)
    return env


def cells_of(env: PixelMaze) -> np.ndarray:
    return env.state["cells"].reshape(-1, env.height, env.width)


def steps_from_start(cells: np.ndarray) -> dict[tuple[int, int], int]:
    """Breadth-first over what is no wall."""
    start = tuple(int(i) for i in np.argwhere(np.isin(cells, (RED_CUE, GREEN_CUE)))[0])
    steps, queue = {start: 0}, deque([start])
    while queue:
        line, column = queue.popleft()
        for down, right in MOVES.values():
            neighbour = (line + down, column + right)
            if cells[neighbour] != WALL and neighbour not in steps:
                steps[neighbour] = steps[line, column] + 1
                queue.append(neighbour)
    return steps


@pytest.mark.parametrize("distance", [10, 11, 30])
def test_the_corridor_leads_from_the_start_to_two_goals_as_far_away_and_nowhere_else(distance):
    for cells in cells_of(maze(200, distance)):
        steps = steps_from_start(cells)
        goals = [tuple(np.argwhere(cells == goal)[0]) for goal in (RED_GOAL, GREEN_GOAL)]
        assert np.subtract(*goals).tolist() == [-2, 0]  # red to the north of green, the junction between them
        assert [steps[goal] for goal in goals] == [distance + 1] * 2
        assert len(steps) == distance + 3  # no shorter way, no second one, no dead end
        assert np.isin(cells, (RED_CUE, GREEN_CUE)).sum() == 1


@pytest.mark.parametrize("distance", [10, 11, 30])
def test_the_first_cell_and_a_goal_never_show_at_once(distance):
    for cells in cells_of(maze(500, distance)):
        start = np.argwhere(np.isin(cells, (RED_CUE, GREEN_CUE)))[0]
        goals = np.argwhere(np.isin(cells, (RED_GOAL, GREEN_GOAL)))
        assert (np.abs(goals - start).max(axis=1) > 2 * REACH).all()


def test_every_corridor_is_another_one_and_colours_and_directions_are_fair():
    env = maze(4000, 30)
    assert len(np.unique(env.state["ahead"], axis=0)) > 3900
    fair = 4 * 0.5 / 4000**0.5
    for coin in (env.state["cue_is_red"], (env.state["ahead"] == NORTH).any(axis=1)):
        assert coin.mean() == pytest.approx(0.5, abs=fair)


def test_an_observation_is_the_five_by_five_cells_around_the_agent():
    env, rng = maze(20), np.random.default_rng(0)
    for _ in range(60):
        pixels = env.observe()
        assert pixels.shape == (20, 40, 40, 3)
        for row, cells in enumerate(cells_of(env)):
            line, column = divmod(int(env.state["place"][row, env.state["progress"][row]]), env.width)
            seen = cells[line - REACH : line + REACH + 1, column - REACH : column + REACH + 1]
            np.testing.assert_array_equal(pixels[row, TILE // 2 :: TILE, TILE // 2 :: TILE], COLOURS[seen])
        env.step(np.where(rng.random(20) < 0.7, env.oracle(), rng.integers(4, size=20)))


def test_a_goal_is_a_square_on_the_floor_and_a_cue_fills_its_cell():
    env = maze(1)
    env.state["cells"][0, env.state["place"][0, 0] + np.arange(-1, 2)] = RED_GOAL, RED_CUE, WALL
    middle = env.observe()[0, 16:24, 8:32]
    expected = np.empty((8, 24, 3), np.uint8)
    expected[:, :8], expected[:, 8:16], expected[:, 16:] = (226, 226, 220), (205, 70, 60), (40, 44, 52)
    expected[2:6, 2:6] = (205, 70, 60)
    np.testing.assert_array_equal(middle, expected)


def test_moves_go_where_the_maze_says_and_only_those_ahead_are_free():
    env, rng = maze(300), np.random.default_rng(0)
    cells = cells_of(env).copy()
    for _ in range(8):  # nobody reaches a goal in eight steps
        progress = env.state["progress"].copy()
        place = env.state["place"][np.arange(300), progress]
        actions = np.where(rng.random(300) < 0.5, env.oracle(), rng.integers(4, size=300))
        _, rewards, terminated, *_ = env.step(actions)
        to = place + np.array([-env.width, 1, env.width, -1])[actions]
        free = cells.reshape(300, -1)[np.arange(300), to] != WALL
        np.testing.assert_array_equal(
            env.state["place"][np.arange(300), env.state["progress"]], np.where(free, to, place)
        )
        np.testing.assert_array_equal(rewards, np.where(env.state["progress"] > progress, 0.0, -0.1))
        assert not terminated.any()


def test_the_goal_of_the_first_colour_gives_one_and_the_other_minus_one():
    env = maze(4)
    env.state["cue_is_red"][:] = (True, True, False, False)
    env.state["progress"][:] = 10
    _, rewards, terminated, truncated, infos = env.step(np.array([NORTH, SOUTH, NORTH, SOUTH]))
    np.testing.assert_array_equal(rewards, [1.0, -1.0, -1.0, 1.0])
    np.testing.assert_array_equal(infos["final_info"]["is_success"], rewards > 0)
    assert terminated.all()
    assert not truncated.any()


def test_to_reach_no_goal_costs_more_than_the_wrong_one(play_one_episode_each):
    for distance in (10, 30):
        env = maze(20, distance)

        def to_and_fro(_: np.ndarray, env: PixelMaze = env) -> np.ndarray:
            """Up to the junction and back and up again: as few moves that cost as there can be."""
            at_end = env.state["progress"] == env.distance
            back = OPPOSITE[env.state["ahead"][np.arange(20), env.state["progress"] - 1]]
            return np.where(at_end, back, env.oracle())

        returns, successes = play_one_episode_each(env, to_and_fro)
        assert (returns < -1).all()
        assert not successes.any()


def test_who_takes_one_colour_always_gains_nothing_and_random_moves_lose(play_one_episode_each):
    env, rng = maze(4000), np.random.default_rng(0)

    def to_red(_: np.ndarray) -> np.ndarray:
        return np.where(env.state["progress"] == env.distance, NORTH, env.oracle())

    returns, successes = play_one_episode_each(env, to_red)
    assert returns.mean() == pytest.approx(env.memoryless_return, abs=4 / 4000**0.5)
    assert successes.mean() == pytest.approx(0.5, abs=2 / 4000**0.5)
    small = maze(300)
    returns, _ = play_one_episode_each(small, lambda pixels: rng.integers(4, size=300))
    assert returns.max() < small.memoryless_return + 1
    assert returns.mean() < -1


def test_out_of_sight_of_the_start_nothing_depends_on_its_colour():
    red, green = maze(50), maze(50)
    for env, is_red in ((red, True), (green, False)):
        env.state["cue_is_red"][:] = is_red
        env.state["cells"][np.arange(50), env.state["place"][:, 0]] = RED_CUE if is_red else GREEN_CUE
    assert (red.observe() != green.observe()).any(axis=(1, 2, 3)).all()
    for progress in range(2 * REACH + 1, 11):  # a corridor that bends is still near after REACH steps
        for env in (red, green):
            env.state["progress"][:] = progress
        np.testing.assert_array_equal(red.observe(), green.observe())


def test_a_frame_shows_the_whole_maze_and_the_agent():
    env = PixelMaze(1, 10, render_mode="ansi")
    env.reset(seed=0)
    frame = env.render()[0]
    assert len(frame.split("\n")) == env.height
    assert sorted(frame.replace("#", "").replace("\n", "")) == sorted("." * 10 + "RG@")


@pytest.mark.parametrize("distance", [0, 9, 10.5, None, True])
def test_an_impossible_distance_is_refused(distance):
    with pytest.raises(ValueError, match="distance must be a whole number of at least 10, got "):
        PixelMaze(2, distance)
