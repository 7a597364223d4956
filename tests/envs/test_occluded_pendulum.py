"""Facts of the occluded pendulum, and that it is POPGym's."""

import numpy as np
import pytest
from memagents_envs import OccludedPendulum, SingleOccludedPendulum
from memagents_envs.occluded_pendulum import ANGLES, SPEEDS, between, costs_to_go
from popgym.envs.noisy_position_only_pendulum import NoisyPositionOnlyPendulum
from popgym.envs.position_only_pendulum import PositionOnlyPendulum


@pytest.mark.parametrize("length", [200, 150, 100])
def test_without_noise_it_equals_popgyms_environment_step_by_step(length):
    ours, theirs = (
        SingleOccludedPendulum(noise=0.0, episode_length=length),
        PositionOnlyPendulum(max_episode_length=length),
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    ours.action_space.seed(0)
    for seed in range(2):
        np.testing.assert_array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        for step in range(1, length + 1):
            action = ours.action_space.sample() if step % 3 else ours.oracle()
            observation, reward, terminated, truncated, _ = ours.step(action)
            expected, their_reward, their_terminated, their_truncated, _ = theirs.step(action)
            np.testing.assert_array_equal(observation, expected)
            np.testing.assert_array_equal([ours.state["angle"][0], ours.state["velocity"][0]], theirs.state)
            assert (reward, terminated, truncated) == (their_reward, their_terminated, their_truncated)
            assert truncated == (step == length)


@pytest.mark.parametrize("noise", [0.1, 0.2, 0.3])
def test_the_noise_is_distributed_as_popgyms(noise):
    ours, theirs = OccludedPendulum(3000, noise=noise), NoisyPositionOnlyPendulum(noise_sigma=noise)
    assert ours.single_observation_space == theirs.observation_space
    observations, _ = ours.reset(seed=0)
    expected = np.stack([theirs.reset(seed=seed)[0] for seed in range(3000)])
    angle = ours.state["angle"]
    for true, column in ((np.cos(angle), 0), (np.sin(angle), 1)):
        off, their_off = observations[:, column] - true, expected[:, column] - true
        assert off.mean() == pytest.approx(their_off.mean(), abs=6 * noise / 3000**0.5)
        assert off.std() == pytest.approx(their_off.std(), rel=0.06)
        # An observation that would be out of bounds is on the bound: of both, the same fraction.
        clipped, theirs_clipped = np.abs(observations[:, column]) == 1, np.abs(expected[:, column]) == 1
        assert clipped.mean() == pytest.approx(theirs_clipped.mean(), abs=0.05)


def test_hanging_still_costs_the_square_of_half_a_turn():
    env = OccludedPendulum(2, noise=0.0)
    env.reset(seed=0)
    env.state["angle"][:], env.state["velocity"][:] = (np.pi, 0.0), 0.0
    _, rewards, *_ = env.step(np.zeros((2, 1), np.float32))
    half = 16.2736044 / 2
    np.testing.assert_allclose(rewards, [(half - np.pi**2) / half / 200, 1 / 200], rtol=1e-12)


def test_the_weights_between_points_of_the_grid_interpolate():
    rng = np.random.default_rng(0)
    angle, velocity = rng.uniform(-20, 20, 1000), rng.uniform(-8, 8, 1000)
    corners, weights = between(angle, velocity)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert weights.min() >= 0
    speeds = np.tile(np.linspace(-8, 8, SPEEDS), ANGLES)
    np.testing.assert_allclose((speeds[corners] * weights).sum(axis=1), velocity, atol=1e-12)
    turns = np.repeat(np.exp(2j * np.pi * np.arange(ANGLES) / ANGLES), SPEEDS)
    np.testing.assert_allclose((turns[corners] * weights).sum(axis=1), np.exp(1j * angle), atol=0.002)


def test_the_last_step_costs_what_it_costs_and_more_steps_cost_more():
    tables = costs_to_go(30)
    assert not tables[0].any()
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    upright = np.minimum(angle, 2 * np.pi - angle)
    np.testing.assert_allclose(tables[1][:, SPEEDS // 2], upright**2, atol=1e-12)  # best without a torque
    assert (np.diff(tables, axis=0) > -1e-9).all()


@pytest.mark.parametrize("length", [6, 28, 200])
def test_the_best_return_is_the_oracles_between_the_measured_lengths_too(length, play_one_episode_each):
    env = OccludedPendulum(2000, noise=0.0, episode_length=length)
    returns, _ = play_one_episode_each(env, lambda seen: env.oracle())
    error = 4 * returns.std() / len(returns) ** 0.5
    assert returns.mean() == pytest.approx(env.best_return, abs=error + 0.003)
    assert env.memoryless_return <= env.best_return


@pytest.mark.parametrize("stiffness", [-10.0, 0.0, 10.0, 30.0])
def test_a_torque_that_depends_on_the_angle_alone_stays_under_the_bound(stiffness, play_one_episode_each):
    env = OccludedPendulum(500, noise=0.0)
    returns, _ = play_one_episode_each(env, lambda seen: np.clip(-stiffness * seen[:, 1:], -2, 2))
    assert returns.mean() < env.memoryless_return


def test_random_torques_do_worse_than_the_best_memoryless_policy(play_one_episode_each):
    env, rng = OccludedPendulum(300, noise=0.3), np.random.default_rng(0)
    returns, _ = play_one_episode_each(env, lambda seen: rng.uniform(-2, 2, (len(seen), 1)).astype(np.float32))
    assert returns.mean() + 4 * returns.std() / 300**0.5 < env.memoryless_return


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"noise": -0.1}, "noise must be a number from 0.0 to 1.0, got -0.1"),
        ({"noise": float("nan")}, "noise must be a number from 0.0 to 1.0, got nan"),
        ({"episode_length": 0}, "episode_length must be a whole number of at least 1, got 0"),
        ({"episode_length": 20.5}, "episode_length must be a whole number of at least 1, got 20.5"),
    ],
)
def test_impossible_knobs_are_refused(knobs, told):
    with pytest.raises(ValueError, match=told):
        OccludedPendulum(2, **knobs)


def test_a_frame_shows_the_rod_from_its_pivot():
    env = OccludedPendulum(2, noise=0.0, render_mode="ansi")
    env.reset(seed=0)
    env.state["angle"][:] = 0.0, np.pi / 2
    upright, left = env.render()
    assert [line[4] for line in upright.split("\n")] == list("O***+    ")
    assert left.split("\n")[4] == "O***+    "
