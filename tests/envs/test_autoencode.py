"""Facts of autoencode, and that it is POPGym's."""

import math

import numpy as np
import pytest
from memagents_envs import Autoencode, SingleAutoencode
from memagents_envs.autoencode import PLAY, WATCH
from popgym.envs.autoencode import Autoencode as PopgymAutoencode

EPISODES = 4000
ORDERS = ("reverse", "forward")


@pytest.mark.parametrize("num_decks", [1, 2, 3])
def test_it_equals_popgyms_environment_when_the_deck_lies_alike(num_decks):
    ours, theirs = SingleAutoencode(num_cards=52 * num_decks), PopgymAutoencode(num_decks=num_decks)
    rng = np.random.default_rng(0)
    for seed in range(3):
        ours.reset(seed=seed)
        observation, _ = theirs.reset(seed=seed)
        ours.state["cards"][0] = theirs.deck.suits_idx[theirs.deck.idx[::-1]]  # POPGym deals from the end
        assert tuple(ours.batch.observe()[0]) == observation
        ended = False
        while not ended:
            action = ours.oracle() if rng.random() < 0.5 else rng.integers(4)
            (seen, *told), (expected, *told_there) = ours.step(action), theirs.step(action)
            assert tuple(seen) == expected
            assert told == told_there
            ended = told[1]
        assert ours.state["step"][0] == 2 * 52 * num_decks - 1


@pytest.mark.parametrize("num_cards", [8, 52, 104])
def test_every_deck_holds_as_many_of_every_suit(num_cards):
    env = Autoencode(20, num_cards)
    env.reset(seed=0)
    counts = np.stack([(env.state["cards"] == suit).sum(axis=1) for suit in range(4)])
    np.testing.assert_array_equal(counts, num_cards // 4)
    assert len(np.unique(env.state["cards"], axis=0)) == 20


@pytest.mark.parametrize("order", ORDERS)
def test_who_keeps_all_cards_is_always_right(order, play_one_episode_each):
    env, cards = Autoencode(20, order=order), []

    def recite(observations):
        if len(cards) < 52:  # one card a step; the last shows with the first question
            cards.append(observations[:, 1])
        if observations[0, 0] == WATCH:
            return np.zeros(20, np.int64)
        asked.append(len(asked))
        return cards[asked[-1] if order == "forward" else 51 - asked[-1]]

    asked: list[int] = []
    returns, _ = play_one_episode_each(env, recite)
    np.testing.assert_allclose(returns, 1.0, rtol=1e-12)
    assert len(asked) == 52


@pytest.mark.parametrize("order", ORDERS)
def test_answers_count_from_the_last_card_on(order):
    env = Autoencode(2, order=order)
    observations, _ = env.reset(seed=0)
    cards = env.state["cards"].copy()
    for step in range(51):
        np.testing.assert_array_equal(observations, [[WATCH, suit] for suit in cards[:, step]])
        observations, rewards, *_ = env.step(np.array([0, 3]))
        np.testing.assert_array_equal(rewards, 0.0)
    np.testing.assert_array_equal(observations, [[PLAY, suit] for suit in cards[:, -1]])
    in_order = cards if order == "forward" else cards[:, ::-1]
    for answer in range(52):
        wrong = (in_order[:, answer] + [0, 1]) % 4
        observations, rewards, terminated, *_ = env.step(wrong)
        np.testing.assert_array_equal(rewards, [1 / 52, -1 / 52])
        assert terminated.all() == (answer == 51)
        if answer < 51:
            np.testing.assert_array_equal(observations, [[PLAY, 0]] * 2)


def mean_and_four_errors(returns: np.ndarray) -> tuple[float, float]:
    return returns.mean(), 4 * returns.std() / len(returns) ** 0.5


@pytest.mark.parametrize("num_cards", [8, 52])
@pytest.mark.parametrize(
    ("order", "answer"), [("reverse", lambda suit: suit), ("forward", lambda suit: (suit + 1) % 4)]
)
def test_the_best_memoryless_policy_has_the_memoryless_return(
    order, answer, num_cards, play_one_episode_each, most_frequent_answers
):
    env = Autoencode(EPISODES, num_cards, order)
    for policy in (lambda seen: answer(seen[:, 1]), most_frequent_answers(env)):
        mean, error = mean_and_four_errors(play_one_episode_each(env, policy)[0])
        assert mean == pytest.approx(env.memoryless_return, abs=error)


def test_random_answers_are_right_once_in_four(play_one_episode_each):
    env, rng = Autoencode(EPISODES), np.random.default_rng(0)
    mean, error = mean_and_four_errors(play_one_episode_each(env, lambda seen: rng.integers(4, size=len(seen)))[0])
    assert mean == pytest.approx(-0.5, abs=error)
    assert mean + error < env.memoryless_return


def test_the_burden_is_all_cards_but_the_one_that_shows():
    # The last card is of one suit; the 51 others are in any order of 12 of that suit and 13 of each other.
    orders = math.factorial(51) // (math.factorial(12) * math.factorial(13) ** 3)
    assert Autoencode().memory_bits == pytest.approx(math.log2(orders), rel=1e-12)
    assert Autoencode(order="reverse").memory_steps == 102
    assert Autoencode(order="forward").memory_steps == 51


def test_a_frame_shows_the_cards_that_are_still_to_be_named():
    env = Autoencode(1, render_mode="ansi")
    env.reset(seed=0)
    env.state["cards"][0] = np.arange(52) % 4
    step = lambda: env.step(np.array([0])) and env.render()[0].split("\n")  # noqa: E731
    assert step() == ["♠♦" + " " * 11, " " * 13, " " * 13, " " * 13]
    for _ in range(49):
        step()
    assert step()[0] == "♠♦♣♥♠♦♣♥♠♦♣♥♠"
    assert step()[3] == "♥♠♦♣♥♠♦♣♥♠♦♣."
    assert step()[3] == "♥♠♦♣♥♠♦♣♥♠♦.."
    few = Autoencode(1, 8, render_mode="ansi")
    few.reset(seed=0)
    assert list(map(len, few.render()[0].split("\n"))) == [4, 4]


def test_in_forward_order_a_frame_loses_the_first_cards_first():
    env = Autoencode(1, order="forward", render_mode="ansi")
    env.reset(seed=0)
    for _ in range(53):
        env.step(np.array([0]))
    lines = env.render()[0].split("\n")
    assert lines[0].startswith("..")
    assert "." not in lines[0][2:] + lines[3]


@pytest.mark.parametrize("num_cards", [0, -4, 8.5, None, True])
def test_an_impossible_number_of_cards_is_refused(num_cards):
    with pytest.raises(ValueError, match="num_cards must be a whole number of at least 4, got "):
        Autoencode(2, num_cards)
    with pytest.raises(ValueError, match="num_cards must be a multiple of 4, got 10"):
        Autoencode(2, 10)


@pytest.mark.parametrize("order", ["backwards", "", None, 1])
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ValueError, match=r"order must be one of \('reverse', 'forward'\), got "):
        Autoencode(2, order=order)
