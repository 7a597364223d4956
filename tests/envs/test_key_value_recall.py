"""Facts of key-value recall."""

import numpy as np
import pytest
from memagents_envs import KeyValueRecall

EPISODES = 4000


def a_small_one(**knobs) -> KeyValueRecall:
    """Three pairs 0-B, 1-D and 2-B, shown as 2, 0, 1; then 1 and 2 are asked for."""
    env = KeyValueRecall(1, 3, 4, 2, **knobs)
    env.reset(seed=0)
    env.state["keys"][0] = 2, 0, 1, 1, 2
    env.state["values"][0] = 1, 3, 1
    return env


def test_pairs_show_first_and_then_keys_whose_values_are_asked():
    env = a_small_one()
    seen, rewards, ends = [env.observe()[0].tolist()], [], []
    for action in (0, 1, 2, 3, 0):
        observations, reward, terminated, truncated, _ = env.step(np.array([action]))
        seen.append(observations[0].tolist())
        rewards.append(reward[0])
        ends.append(terminated[0] or truncated[0])
    assert seen[:5] == [[2, 1], [0, 1], [1, 3], [1, 4], [2, 4]]
    assert rewards == [0, 0, 0, 1 / 2, -1 / 2]
    assert ends == [False] * 4 + [True]


@pytest.mark.parametrize(("num_pairs", "num_queries"), [(1, 1), (6, 1), (6, 4), (6, None)])
def test_who_keeps_every_value_under_its_key_is_always_right(num_pairs, num_queries, play_one_episode_each):
    env, rows = KeyValueRecall(50, num_pairs, 5, num_queries), np.arange(50)
    table = np.full((50, num_pairs), -1)

    def look_up(observations):
        keys, values = observations.T
        if values[0] == 5:
            return table[rows, keys]
        table[rows, keys] = values
        return values

    returns, _ = play_one_episode_each(env, look_up)
    np.testing.assert_allclose(returns, 1.0, rtol=1e-12)
    assert (table >= 0).all()  # every key has been shown


def test_no_key_is_shown_or_asked_for_twice_and_orders_differ():
    env = KeyValueRecall(200, 6, 4, 5)
    env.reset(seed=0)
    shown, asked = env.state["keys"][:, :6], env.state["keys"][:, 6:]
    np.testing.assert_array_equal(np.sort(shown, axis=1), np.broadcast_to(np.arange(6), (200, 6)))
    assert (np.diff(np.sort(asked, axis=1), axis=1) > 0).all()
    assert len(np.unique(shown, axis=0)) > 150  # 200 of 720 orders
    # Where in the show the first key asked for stood: anywhere, equally often.
    place = (shown == asked[:, :1]).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(place, minlength=6) / 200, 1 / 6, atol=4 * (5 / 36 / 200) ** 0.5)


def test_all_values_come_equally_often_at_every_key():
    env = KeyValueRecall(EPISODES, 3, 5)
    env.reset(seed=0)
    shares = np.stack([(env.state["values"] == value).mean(axis=0) for value in range(5)])
    np.testing.assert_allclose(shares, 0.2, atol=4 * (0.2 * 0.8 / EPISODES) ** 0.5)


def mean_and_four_errors(returns: np.ndarray) -> tuple[float, float]:
    return returns.mean(), 4 * returns.std() / len(returns) ** 0.5


@pytest.mark.parametrize("knobs", [{}, {"num_pairs": 1, "num_values": 2}, {"num_pairs": 8, "num_queries": 3}])
def test_every_memoryless_policy_has_the_memoryless_return(knobs, play_one_episode_each, most_frequent_answers):
    env, rng = KeyValueRecall(EPISODES, **knobs), np.random.default_rng(0)
    constant, at_random = (lambda seen: 0 * seen[:, 0]), (lambda seen: rng.integers(env.num_values, size=len(seen)))
    for policy in (constant, at_random, most_frequent_answers(env)):
        mean, error = mean_and_four_errors(play_one_episode_each(env, policy)[0])
        assert mean == pytest.approx(env.memoryless_return, abs=error)


def test_the_order_in_which_values_were_shown_is_of_no_use(play_one_episode_each):
    env, seen = KeyValueRecall(EPISODES, 6), []

    def recite(observations):
        seen.append(observations[:, 1])
        return seen[max(len(seen) - 7, 0)] % 4

    mean, error = mean_and_four_errors(play_one_episode_each(env, recite)[0])
    # One place in six holds the key that is asked for; at the others a value is right once in four.
    assert mean == pytest.approx(2 * (1 / 6 + 5 / 6 / 4) - 1, abs=error)


def test_a_frame_shows_values_by_key_and_marks_the_key_that_shows():
    env = a_small_one(render_mode="ansi")
    frames = [env.render()[0]]
    for _ in range(4):
        env.step(np.array([0]))
        frames.append(env.render()[0])
    assert frames == ["  B\n  ^", "B B\n^  ", "BDB\n ^ ", "BDB\n ^ ", "BDB\n  ^"]


@pytest.mark.parametrize("num_pairs", [0, -1, 1.5, None, True])
def test_an_impossible_number_of_pairs_is_refused(num_pairs):
    with pytest.raises(ValueError, match="num_pairs must be a whole number of at least 1, got "):
        KeyValueRecall(2, num_pairs)


@pytest.mark.parametrize("num_values", [1, 27, 2.5, None])
def test_an_impossible_number_of_values_is_refused(num_values):
    with pytest.raises(ValueError, match="num_values must be a whole number from 2 to 26, got "):
        KeyValueRecall(2, num_values=num_values)


@pytest.mark.parametrize("num_queries", [0, 4, 1.5, "all"])
def test_an_impossible_number_of_queries_is_refused(num_queries):
    with pytest.raises(ValueError, match="num_queries must be a whole number from 1 to 3, got "):
        KeyValueRecall(2, 3, num_queries=num_queries)
