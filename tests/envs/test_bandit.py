"""Facts of the bandits, and that they are POPGym's."""

import itertools

import numpy as np
import pytest
from memagents_envs import Bandit, SingleBandit
from memagents_envs.bandit import mean_harmonic_mean
from popgym.envs.multiarmed_bandit import MultiarmedBandit

EPISODES = 4000


class Dealt:
    """Stands in for POPGym's random generator: hands out numbers that were drawn elsewhere."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = iter(numbers)

    def random(self) -> float:
        return next(self.numbers)


@pytest.mark.parametrize(("num_arms", "length"), [(10, 200), (20, 400), (30, 600), (2, 7)])
def test_it_equals_popgyms_environment_when_the_chances_and_the_luck_are_alike(num_arms, length):
    ours, theirs = SingleBandit(num_arms=num_arms, episode_length=length), MultiarmedBandit(num_arms, length)
    rng = np.random.default_rng(0)
    for seed in range(3):
        (_, paid), _ = ours.reset(seed=seed)
        observation, _ = theirs.reset(seed=seed)
        assert paid == observation
        theirs.bandits = ours.state["chances"][0]
        theirs.np_random = Dealt(ours.state["luck"][0])
        ended = False
        while not ended:
            action = ours.oracle() if rng.random() < 0.5 else rng.integers(num_arms)
            (arm, paid), *stepped = ours.step(action)
            observation, *expected = theirs.step(action)
            assert (arm, paid) == (action, observation)
            assert stepped[:3] == expected[:3]
            ended = stepped[2]


def test_before_the_first_pull_no_arm_shows():
    env = Bandit(3, num_arms=4)
    np.testing.assert_array_equal(env.reset(seed=0)[0], [[4, 0]] * 3)
    np.testing.assert_array_equal(env.step(np.array([2, 0, 1]))[0][:, 0], [2, 0, 1])


def test_every_arm_pays_as_often_as_its_chance_says():
    env = Bandit(EPISODES, num_arms=2, episode_length=50)
    env.reset(seed=0)
    env.state["chances"][:] = 0.8, 0.3
    pays = np.stack([env.step(np.arange(EPISODES) % 2)[1] > 0 for _ in range(49)])
    # 4 standard errors of a coin.
    for arm, chance in enumerate((0.8, 0.3)):
        assert pays[:, arm::2].mean() == pytest.approx(chance, abs=4 * 0.5 / pays[:, arm::2].size ** 0.5)


def test_chances_are_drawn_evenly():
    env = Bandit(EPISODES, num_arms=5)
    env.reset(seed=0)
    chances = np.sort(env.state["chances"].ravel())
    assert np.abs(chances - np.arange(chances.size) / chances.size).max() < 2 / chances.size**0.5  # Kolmogorov-Smirnov


def stay_or_go_on(num_arms):
    """Stays with an arm that paid and takes the next one after a failure."""
    return lambda seen: np.where(seen[:, 1] == 1, seen[:, 0], (seen[:, 0] + 1) % num_arms)


@pytest.mark.parametrize("num_arms", [2, 10])
def test_who_stays_with_what_paid_comes_near_the_memoryless_return(num_arms, play_one_episode_each):
    env = Bandit(EPISODES, num_arms)
    returns, _ = play_one_episode_each(env, stay_or_go_on(num_arms))
    error = 4 * returns.std() / EPISODES**0.5
    assert env.memoryless_return - 0.03 - error < returns.mean() < env.memoryless_return + error


def mean_return_of_two_arms(leave: np.ndarray, length: int) -> np.ndarray:
    """The exact return, averaged over a grid of chances, of policies [M, arm, paid] that leave their arm so often."""
    points = (np.arange(20) + 0.5) / 20
    chance = np.stack(np.meshgrid(points, points), axis=-1).reshape(-1, 2)
    leaves = leave[:, None, :, 1] * chance + leave[:, None, :, 0] * (1 - chance)  # [M, grid, arm]
    on_first, total = np.full(leaves.shape[:2], 0.5), 0.0
    for _ in range(length):
        total = total + on_first * chance[:, 0] + (1 - on_first) * chance[:, 1]
        on_first = on_first * (1 - leaves[..., 0]) + (1 - on_first) * leaves[..., 1]
    return (2 * total / length - 1).mean(axis=1)


def test_of_all_memoryless_policies_for_two_arms_none_passes_the_memoryless_return():
    shares = (0.0, 0.1, 0.3, 0.6, 1.0)
    policies = np.array(list(itertools.product(shares, repeat=4))).reshape(-1, 2, 2)
    returns = mean_return_of_two_arms(policies, length=40)
    np.testing.assert_array_equal(policies[returns.argmax()], [[1, 0], [1, 0]])  # leaves after failures, and only then
    assert Bandit(1, 2).memoryless_return - 0.01 < returns.max() < Bandit(1, 2).memoryless_return


def test_the_mean_harmonic_mean_is_right():
    # E[2xy / (x + y)] for two numbers from [0, 1] is 4/3 (1 - ln 2).
    assert mean_harmonic_mean(2) == pytest.approx(4 / 3 * (1 - np.log(2)), abs=1e-4)
    x = np.random.default_rng(0).random((100_000, 10))
    harmonic = 10 / (1 / x).sum(axis=1)
    assert mean_harmonic_mean(10) == pytest.approx(harmonic.mean(), abs=4 * harmonic.std() / 100_000**0.5)


def test_random_pulls_pay_half_of_the_time(play_one_episode_each):
    env, rng = Bandit(EPISODES), np.random.default_rng(0)
    returns, _ = play_one_episode_each(env, lambda seen: rng.integers(10, size=len(seen)))
    assert returns.mean() == pytest.approx(0.0, abs=4 * returns.std() / EPISODES**0.5)


def test_a_frame_shows_the_chances_and_the_last_pull():
    env = Bandit(1, num_arms=3, render_mode="ansi")
    env.reset(seed=0)
    env.state["chances"][:] = 0.0, 0.5, 0.999
    env.state["luck"][:] = 0.9
    frames = [env.render()[0]]
    for arm in (2, 1):
        env.step(np.array([arm]))
        frames.append(env.render()[0])
    assert frames == ["047\n   ", "047\n  +", "047\n - "]


@pytest.mark.parametrize("num_arms", [1, 0, -1, 2.5, None, True])
def test_an_impossible_number_of_arms_is_refused(num_arms):
    with pytest.raises(ValueError, match="num_arms must be a whole number of at least 2, got "):
        Bandit(2, num_arms)


@pytest.mark.parametrize("length", [1, 0, -1, 1.5, True])
def test_an_impossible_length_is_refused(length):
    with pytest.raises(ValueError, match="episode_length must be a whole number of at least 2, got "):
        Bandit(2, 3, length)
