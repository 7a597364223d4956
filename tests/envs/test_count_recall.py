"""Facts of count recall, and that it is POPGym's."""

from math import comb

import numpy as np
import pytest
from memagents_envs import CountRecall, SingleCountRecall
from popgym.envs.count_recall import CountRecall as PopgymCountRecall

EPISODES = 4000
SETTINGS = [(1, "colors"), (2, "suits"), (4, "ranks")]


@pytest.mark.parametrize(("num_decks", "deck_type"), SETTINGS)
def test_it_equals_popgyms_environment_when_the_decks_lie_alike(num_decks, deck_type):
    knobs = {"num_decks": num_decks, "deck_type": deck_type}
    ours, theirs = SingleCountRecall(**knobs), PopgymCountRecall(**knobs)
    assert ours.action_space == theirs.action_space
    assert ours.observation_space == theirs.observation_space
    rng = np.random.default_rng(0)
    for seed in range(3):
        ours.reset(seed=seed)
        observation, _ = theirs.reset(seed=seed)
        for cards, deck in zip(ours.state["cards"][0], (theirs.value_deck, theirs.query_deck), strict=True):
            cards[:] = theirs.deck_idx_type[deck.idx[::-1]]  # POPGym deals from the end
        ours.state["counts"][0] = theirs.counts
        ended = False
        np.testing.assert_array_equal(ours.batch.observe()[0], observation, strict=True)
        while not ended:
            action = ours.oracle() if rng.random() < 0.5 else rng.integers(ours.action_space.n)
            (seen, *told, _), (expected, *told_there, _) = ours.step(action), theirs.step(action)
            np.testing.assert_array_equal(seen, expected, strict=True)
            assert told == told_there
            ended = told[1]
        assert ours.state["step"][0] == 52 * num_decks - 1


@pytest.mark.parametrize(("num_decks", "deck_type"), SETTINGS)
def test_every_kind_is_dealt_and_queried_equally_often(num_decks, deck_type):
    env = CountRecall(20, num_decks, deck_type)
    env.reset(seed=0)
    counts = np.stack([(env.state["cards"] == kind).sum(axis=2) for kind in range(env.num_kinds)])
    np.testing.assert_array_equal(counts, env.max_count)
    assert len(np.unique(env.state["cards"].reshape(40, -1), axis=0)) == 40  # no deck lies like another


@pytest.mark.parametrize(("num_decks", "deck_type"), SETTINGS)
def test_who_counts_the_cards_that_show_is_always_right(num_decks, deck_type, play_one_episode_each):
    env, rows = CountRecall(20, num_decks, deck_type), np.arange(20)
    counts = np.zeros((20, env.num_kinds), np.int64)

    def count(observations):
        dealt, queried = observations.T
        counts[rows, dealt] += 1
        return counts[rows, queried]

    returns, _ = play_one_episode_each(env, count)
    np.testing.assert_allclose(returns, 1.0, rtol=1e-12)


def test_the_card_that_shows_counts():
    env = CountRecall(1)
    env.reset(seed=0)
    env.state["cards"][0, :, :4] = (1, 1, 0, 1), (0, 1, 1, 0)
    env.state["counts"][0] = 0, 1
    rewards = [env.step(np.array([answer]))[1][0] for answer in (0, 2, 1, 1)]
    assert rewards == [1 / 51, 1 / 51, -1 / 51, 1 / 51]


def mean_and_four_errors(returns: np.ndarray) -> tuple[float, float]:
    return returns.mean(), 4 * returns.std() / len(returns) ** 0.5


@pytest.mark.parametrize(("num_decks", "deck_type"), SETTINGS)
def test_any_count_in_the_middle_is_as_good_as_the_best_memoryless_policy(
    num_decks, deck_type, play_one_episode_each, most_frequent_answers
):
    env = CountRecall(EPISODES, num_decks, deck_type)
    one, middle = (lambda seen: np.ones(len(seen), np.int64)), (lambda seen: np.full(len(seen), env.max_count // 2))
    for policy in (one, middle, most_frequent_answers(env)):
        mean, error = mean_and_four_errors(play_one_episode_each(env, policy)[0])
        assert mean == pytest.approx(env.memoryless_return, abs=error)


@pytest.mark.parametrize(("num_decks", "deck_type"), SETTINGS)
def test_the_memoryless_return_is_that_of_the_best_answer_at_every_observation(num_decks, deck_type):
    env = CountRecall(1, num_decks, deck_type)
    n, c, m = env.num_cards, env.num_kinds, env.max_count

    def right(answer: int, alike: bool) -> float:
        """How often, in an episode, two given kinds show and the answer is right: step by step, by the cards before."""
        before = answer - 1 if alike else answer
        marked = m - 1 if alike else m  # cards of the queried kind besides the one that shows, among n - 1
        chances = (
            comb(marked, before) * comb(n - 1 - marked, step - before) / comb(n - 1, step)
            for step in range(n - 1)
            if 0 <= before <= step
        )
        return sum(chances) / c**2

    same, other = (max(right(answer, alike) for answer in range(m + 1)) for alike in (True, False))
    assert env.memoryless_return == pytest.approx(2 * (c * same + c * (c - 1) * other) / (n - 1) - 1, rel=1e-12)


def test_random_counts_are_right_once_in_as_many_as_there_are(play_one_episode_each):
    env, rng = CountRecall(EPISODES), np.random.default_rng(0)
    mean, error = mean_and_four_errors(play_one_episode_each(env, lambda seen: rng.integers(27, size=len(seen)))[0])
    assert mean == pytest.approx(2 / 27 - 1, abs=error)
    assert env.memoryless_return > 2 / 27 - 1


def test_a_frame_shows_counts_as_columns_and_what_was_dealt_and_queried():
    env = CountRecall(1, deck_type="ranks", render_mode="ansi")
    env.reset(seed=0)
    env.state["cards"][0, :, :3] = (1, 1, 12), (5, 0, 1)
    env.state["counts"][0] = np.arange(13) == 1
    for _ in range(2):
        env.step(np.array([0]))
    lines = env.render()[0].split("\n")
    assert lines == [
        " " * 13,
        " " * 13,
        " #" + " " * 11,
        " #" + " " * 10 + "#",
        " " * 12 + "+",
        " ?" + " " * 11,
    ]


@pytest.mark.parametrize("num_decks", [0, -1, 1.5, None, True])
def test_an_impossible_number_of_decks_is_refused(num_decks):
    with pytest.raises(ValueError, match="num_decks must be a whole number of at least 1, got "):
        CountRecall(2, num_decks)


@pytest.mark.parametrize("deck_type", ["colours", "", None, 2])
def test_an_impossible_deck_type_is_refused(deck_type):
    with pytest.raises(ValueError, match=r"deck_type must be one of \('colors', 'suits', 'ranks'\), got "):
        CountRecall(2, deck_type=deck_type)
