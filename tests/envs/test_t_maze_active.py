"""Facts of the active T-maze."""

import numpy as np
import pytest
from memagents_envs import TMazeActive
from memagents_envs.t_maze import BITS, CORRIDOR, EAST, JUNCTION, NORTH, SIGN_NORTH, SIGN_SOUTH, SOUTH, WEST


def maze_towards(*norths: bool, corridor_length: int = 3) -> TMazeActive:
    env = TMazeActive(len(norths), corridor_length)
    env.reset(seed=0)
    env.state["goal_is_north"][:] = norths
    return env


def test_the_sign_shows_only_to_who_goes_west():
    env = maze_towards(True, False)
    np.testing.assert_array_equal(env.observe(), BITS[[CORRIDOR, CORRIDOR]])
    observations, rewards, *_ = env.step(np.full(2, WEST))
    np.testing.assert_array_equal(observations, BITS[[SIGN_NORTH, SIGN_SOUTH]])
    np.testing.assert_array_equal(rewards, [0.0, 0.0])


def test_who_looks_and_remembers_has_the_best_return():
    env = maze_towards(True, False)
    signs, *_ = env.step(np.full(2, WEST))
    returns = np.zeros(2)
    for _ in range(3):
        observations, rewards, *_ = env.step(np.full(2, EAST))
        returns += rewards
    np.testing.assert_array_equal(observations, BITS[[JUNCTION, JUNCTION]])
    _, rewards, terminated, _, infos = env.step(np.where((signs == BITS[SIGN_NORTH]).all(axis=1), NORTH, SOUTH))
    assert terminated.all()
    assert infos["final_info"]["is_success"].all()
    np.testing.assert_array_equal(returns + rewards, env.best_return)


def test_who_does_not_look_reaches_the_junction_one_step_sooner():
    env = maze_towards(True)
    for _ in range(2):
        observations, *_ = env.step(np.array([EAST]))
    np.testing.assert_array_equal(observations, BITS[[JUNCTION]])


def test_only_the_first_step_is_free():
    env = maze_towards(True)
    rewards = [env.step(np.array([move]))[1][0] for move in (SOUTH, SOUTH, WEST, WEST, EAST)]
    assert rewards == [0.0, -0.1, -0.1, -0.1, 0.0]


def test_an_episode_is_cut_after_four_times_its_length():
    env = maze_towards(True)
    cuts = [env.step(np.array([WEST]))[3][0] for _ in range(16)]
    assert cuts == [False] * 15 + [True]


def returns_of(policies: np.ndarray, corridor_length: int) -> np.ndarray:
    """The exact expected returns of policies [M, kind of place, action], averaged over both signs."""
    returns = np.zeros(len(policies))
    for sign, right in ((SIGN_SOUTH, SOUTH), (SIGN_NORTH, NORTH)):
        acts = policies[:, [sign, *[CORRIDOR] * (corridor_length - 1), JUNCTION]]  # [M, position, action]
        at = np.zeros(acts.shape[:2])
        at[:, 1] = 1.0
        for step in range(4 * (corridor_length + 1)):
            flow = at[:, :, None] * acts
            walk = flow[:, :-1]
            won, lost = flow[:, -1, right], flow[:, -1, NORTH + SOUTH - right]
            wasted = flow[:, -1, [EAST, WEST]].sum(axis=1) + walk[:, :, [NORTH, SOUTH, WEST]].sum(axis=(1, 2))
            returns += (won - lost - 0.1 * wasted * (step > 0)) / 2
            at = np.zeros_like(at)
            at[:, 1:] += walk[:, :, EAST]
            at[:, :-1] += walk[:, :, NORTH] + walk[:, :, SOUTH] + flow[:, 1:, WEST]
            at[:, 0] += flow[:, 0, WEST]
            at[:, -1] += flow[:, -1, EAST]
    return returns


@pytest.mark.parametrize("corridor_length", [2, 3, 4, 5, 6])
def test_a_search_over_stochastic_memoryless_policies_gains_nothing(corridor_length):
    env, rng = TMazeActive(1, corridor_length), np.random.default_rng(corridor_length)
    policies = rng.dirichlet(np.full(4, 0.3), size=(600, 4))
    returns = returns_of(policies, corridor_length)
    for _ in range(40):
        mix = rng.random((600, 4, 1)) ** 3
        changed = (1 - mix) * policies + mix * rng.dirichlet(np.full(4, 0.1), size=(600, 4))
        changed_returns = returns_of(changed, corridor_length)
        better = changed_returns > returns
        policies[better], returns[better] = changed[better], changed_returns[better]
    assert -0.05 < returns.max() < env.memoryless_return + 1e-9


@pytest.mark.parametrize("corridor_length", [2, 5])
def test_the_returns_of_the_search_are_those_of_the_environment(corridor_length, play_one_episode_each):
    rng = np.random.default_rng(0)
    policy = rng.dirichlet([1.0, 4.0, 1.0, 2.0], size=4)
    env = TMazeActive(4000, corridor_length)

    def act(seen):
        kinds = (seen[:, None] == BITS).all(axis=2).argmax(axis=1)
        return (policy[kinds].cumsum(axis=1) > rng.random((len(seen), 1))).argmax(axis=1)

    returns, _ = play_one_episode_each(env, act)
    expected = returns_of(policy[None], corridor_length)[0]
    assert returns.mean() == pytest.approx(expected, abs=4 * returns.std() / 4000**0.5)


@pytest.mark.parametrize("corridor_length", [1, 0, -3, 2.5, None, True])
def test_an_impossible_corridor_is_refused(corridor_length):
    with pytest.raises(ValueError, match="corridor_length must be a whole number of at least 2, got "):
        TMazeActive(2, corridor_length)
