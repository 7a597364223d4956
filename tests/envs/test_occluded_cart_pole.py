"""Facts of the occluded cart-pole, and that it is POPGym's."""

import numpy as np
import pytest
from memagents_envs import OccludedCartPole, SingleOccludedCartPole
from memagents_envs.occluded_cart_pole import MAX_ANGLE, MAX_POSITION, MOTION
from popgym.envs.noisy_position_only_cartpole import NoisyPositionOnlyCartPole
from popgym.envs.position_only_cartpole import PositionOnlyCartPole
from popgym.envs.velocity_only_cartpole import VelocityOnlyCartPole

POPGYM = {"position": PositionOnlyCartPole, "velocity": VelocityOnlyCartPole}


def hidden(env: OccludedCartPole) -> np.ndarray:
    return np.stack([env.state[name] for name in MOTION], axis=1)


@pytest.mark.parametrize("shows", ["position", "velocity"])
@pytest.mark.parametrize("length", [200, 400, 600])
def test_without_noise_it_equals_popgyms_environment_step_by_step(shows, length):
    ours, theirs = (
        SingleOccludedCartPole(shows=shows, noise=0.0, episode_length=length),
        POPGYM[shows](max_episode_length=length),
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    for seed, carelessness in enumerate([0.0, 0.6, 1.0]):
        observation, _ = ours.reset(seed=seed)
        expected, _ = theirs.reset(seed=seed)
        np.testing.assert_array_equal(hidden(ours.batch)[0], theirs.state)
        if shows == "position":  # POPGym's velocity-only environment shows the positions here
            np.testing.assert_array_equal(observation, expected)
        ended = False
        while not ended:
            action = int(rng.integers(2)) if rng.random() < carelessness else int(ours.oracle())
            observation, reward, terminated, truncated, _ = ours.step(action)
            expected, their_reward, their_terminated, their_truncated, _ = theirs.step(action)
            ended = terminated or truncated
            assert (reward, terminated, ended) == (their_reward, their_terminated, their_terminated or their_truncated)
            np.testing.assert_array_equal(observation, expected)
            np.testing.assert_array_equal(hidden(ours.batch)[0], theirs.state)


@pytest.mark.parametrize("noise", [0.1, 0.2, 0.3])
def test_the_noise_is_distributed_as_popgyms(noise):
    ours, theirs = OccludedCartPole(4000, noise=noise), NoisyPositionOnlyCartPole(noise_sigma=noise)
    assert ours.single_observation_space == theirs.observation_space
    observations, _ = ours.reset(seed=0)
    expected = np.stack([theirs.reset(seed=seed)[0] for seed in range(4000)])
    np.testing.assert_allclose(observations.mean(axis=0), expected.mean(axis=0), atol=6 * noise / 4000**0.5)
    np.testing.assert_allclose(observations.std(axis=0), expected.std(axis=0), rtol=0.06)
    for seen in (observations, expected):  # a fraction of the angles, the same one, is clipped
        clipped = np.isclose(np.abs(seen[:, 1]), 2 * MAX_ANGLE).mean()
        assert clipped == pytest.approx(np.isclose(np.abs(expected[:, 1]), 2 * MAX_ANGLE).mean(), abs=0.03)


def test_noise_is_drawn_anew_at_every_step_and_hides_nothing_else():
    noisy, plain = OccludedCartPole(300, noise=0.05), OccludedCartPole(300, noise=0.0)
    kept = [noisy.reset(seed=0)[0] - plain.reset(seed=0)[0]]
    for _ in range(7):
        actions = plain.oracle()
        kept.append(noisy.step(actions)[0] - plain.step(actions)[0])
    noise = np.stack(kept) / 0.05
    assert noise.std() == pytest.approx(1, abs=0.05)
    assert np.abs(np.corrcoef(noise.reshape(8, -1)) - np.eye(8)).max() < 0.2


def test_an_episode_ends_where_the_cart_or_the_pole_is_too_far_off():
    env = OccludedCartPole(5, noise=0.0)
    env.reset(seed=0)
    for array in env.state.values():
        array[:] = 0
    env.state["position"][:2] = MAX_POSITION + 1e-6, -MAX_POSITION - 1e-6
    env.state["angle"][2:4] = MAX_ANGLE + 1e-6, -MAX_ANGLE - 1e-6
    _, rewards, terminated, truncated, infos = env.step(np.ones(5, np.int64))
    np.testing.assert_array_equal(terminated, [True] * 4 + [False])
    np.testing.assert_array_equal(rewards, 1 / 200)
    np.testing.assert_array_equal(infos["final_info"]["is_success"], False)
    assert not truncated.any()


def test_who_balances_to_the_end_succeeds_and_gains_one(play_one_episode_each):
    for length in (30, 1000):
        env = OccludedCartPole(100, noise=0.0, episode_length=length)
        returns, successes = play_one_episode_each(env, lambda seen, env=env: env.oracle())
        np.testing.assert_allclose(returns, 1.0, rtol=1e-12)
        assert successes.all()


def test_random_pushes_do_worse_than_the_best_memoryless_policy(play_one_episode_each):
    env, rng = OccludedCartPole(500, noise=0.3), np.random.default_rng(0)
    returns, successes = play_one_episode_each(env, lambda seen: rng.integers(2, size=len(seen)))
    assert returns.mean() + 4 * returns.std() / 500**0.5 < env.memoryless_return
    assert not successes.any()


def test_the_angle_alone_balances_the_pole_for_fewer_steps_than_the_bound(play_one_episode_each):
    for sharpness in (1.0, 10.0, 100.0, 1e6):
        env, rng = OccludedCartPole(1000, noise=0.0), np.random.default_rng(0)

        def towards_the_lean(
            seen: np.ndarray, sharpness: float = sharpness, rng: np.random.Generator = rng
        ) -> np.ndarray:
            odds = np.clip(sharpness * (seen[:, 1] + 0.02 * seen[:, 0]), -30, 30)
            return (rng.random(len(seen)) < 1 / (1 + np.exp(-odds))).astype(np.int64)

        returns, _ = play_one_episode_each(env, towards_the_lean)
        assert returns.mean() < env.memoryless_return


def test_the_velocities_need_no_memory(play_one_episode_each):
    env = OccludedCartPole(300, shows="velocity", noise=0.0)
    returns, _ = play_one_episode_each(env, lambda seen: (seen @ [0.3, 1.0] > 0).astype(np.int64))
    assert returns.mean() > 0.9
    assert env.memoryless_return == 1


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"shows": "angle"}, "shows must be one of .*'position', 'velocity'.*got 'angle'"),
        ({"noise": -0.1}, "noise must be a number from 0.0 to 1.0, got -0.1"),
        ({"noise": float("nan")}, "noise must be a number from 0.0 to 1.0, got nan"),
        ({"episode_length": 0}, "episode_length must be a whole number of at least 1, got 0"),
        ({"episode_length": 20.5}, "episode_length must be a whole number of at least 1, got 20.5"),
    ],
)
def test_impossible_knobs_are_refused(knobs, told):
    with pytest.raises(ValueError, match=told):
        OccludedCartPole(2, **knobs)


def test_a_frame_shows_the_pole_leaning_on_its_cart():
    env = OccludedCartPole(2, noise=0.0, render_mode="ansi")
    env.reset(seed=0)
    env.state["position"][:], env.state["angle"][:] = (0.0, MAX_POSITION), (MAX_ANGLE, 0.0)
    right, far = env.render()
    assert [line.find("|") for line in right.split("\n")[:3]] == [15, 14, 13]
    assert right.split("\n")[3].find("#") == 12
    assert far.split("\n")[3].find("#") == 21
