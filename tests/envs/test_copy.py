"""Facts of copy."""

import numpy as np
import pytest
from memagents_envs import Copy

EPISODES = 4000
ORDERS = ("forward", "reverse")


def with_symbols(*symbols: int, **knobs) -> Copy:
    env = Copy(1, len(symbols), **knobs)
    env.reset(seed=0)
    env.state["symbols"][0] = symbols
    return env


@pytest.mark.parametrize(("order", "answers"), [("forward", (2, 0, 1)), ("reverse", (1, 0, 2))])
def test_symbols_blanks_and_cues_follow_each_other_and_cues_ask(order, answers):
    env = with_symbols(2, 0, 1, alphabet_size=3, delay=2, order=order)
    seen, rewards, ends = [env.observe()[0]], [], []
    for action in (2, 0, 1, 0, 0, *answers):
        observations, reward, terminated, truncated, _ = env.step(np.array([action]))
        seen.append(observations[0])
        rewards.append(reward[0])
        ends.append(terminated[0] or truncated[0])
    assert seen[:8] == [2, 0, 1, 3, 3, 4, 4, 4]
    assert rewards == [0, 0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3]
    assert ends == [False] * 7 + [True]


def test_every_answer_is_worth_alike():
    env = with_symbols(2, 0, alphabet_size=3, delay=0)
    rewards = [env.step(np.array([action]))[1][0] for action in (2, 2, 1, 0)]
    assert rewards == [0, 0, -1 / 2, 1 / 2]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("num_symbols", "delay"), [(1, 0), (5, 0), (3, 7)])
def test_who_keeps_all_symbols_is_always_right(order, num_symbols, delay, play_one_episode_each):
    env, seen = Copy(50, num_symbols, 5, delay, order), []

    def recite(observations):
        seen.append(observations)
        answered = len(seen) - 1 - num_symbols - delay
        place = answered if order == "forward" else num_symbols - 1 - answered
        return seen[place] if answered >= 0 else np.zeros(50, np.int64)

    returns, _ = play_one_episode_each(env, recite)
    np.testing.assert_allclose(returns, 1.0, rtol=1e-12)
    # What is remembered longest: from the step a symbol shows to the step it is asked for.
    first_asked_at = num_symbols + delay if order == "forward" else 2 * num_symbols + delay - 1
    assert env.memory_steps == first_asked_at


def test_all_symbols_come_equally_often_at_every_place():
    env = Copy(EPISODES, 3, 5)
    env.reset(seed=0)
    shares = np.stack([(env.state["symbols"] == symbol).mean(axis=0) for symbol in range(5)])
    np.testing.assert_allclose(shares, 0.2, atol=4 * (0.2 * 0.8 / EPISODES) ** 0.5)


def mean_and_four_errors(returns: np.ndarray) -> tuple[float, float]:
    return returns.mean(), 4 * returns.std() / len(returns) ** 0.5


@pytest.mark.parametrize("knobs", [{}, {"num_symbols": 1, "alphabet_size": 2, "delay": 0}, {"order": "reverse"}])
def test_every_memoryless_policy_has_the_memoryless_return(knobs, play_one_episode_each, most_frequent_answers):
    env, rng = Copy(EPISODES, **knobs), np.random.default_rng(0)
    constant, at_random = (lambda seen: 0 * seen), (lambda seen: rng.integers(env.alphabet_size, size=len(seen)))
    for policy in (constant, at_random, most_frequent_answers(env)):
        mean, error = mean_and_four_errors(play_one_episode_each(env, policy)[0])
        assert mean == pytest.approx(env.memoryless_return, abs=error)


def test_a_frame_shows_the_symbols_shown_so_far_and_marks_the_one_asked_for():
    env = with_symbols(2, 0, delay=1, order="reverse", render_mode="ansi")
    frames = [env.render()[0]]
    for _ in range(4):
        env.step(np.array([0]))
        frames.append(env.render()[0])
    assert frames == ["C \n^ ", "CA\n ^", "CA\n  ", "CA\n ^", "CA\n^ "]


@pytest.mark.parametrize("num_symbols", [0, -1, 1.5, None, True])
def test_an_impossible_number_of_symbols_is_refused(num_symbols):
    with pytest.raises(ValueError, match="num_symbols must be a whole number of at least 1, got "):
        Copy(2, num_symbols)


@pytest.mark.parametrize("alphabet_size", [1, 27, 2.5, None])
def test_an_impossible_alphabet_is_refused(alphabet_size):
    with pytest.raises(ValueError, match="alphabet_size must be a whole number from 2 to 26, got "):
        Copy(2, alphabet_size=alphabet_size)


@pytest.mark.parametrize("delay", [-1, 0.5, None])
def test_an_impossible_delay_is_refused(delay):
    with pytest.raises(ValueError, match="delay must be a whole number of at least 0, got "):
        Copy(2, delay=delay)


@pytest.mark.parametrize("order", ["backwards", "", None, 1])
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ValueError, match=r"order must be one of \('forward', 'reverse'\), got "):
        Copy(2, order=order)
