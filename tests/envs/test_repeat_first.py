"""Facts of repeat first, and that it is POPGym's."""

import numpy as np
import pytest
from memagents_envs import RepeatFirst, SingleRepeatFirst
from popgym.envs.repeat_first import RepeatFirst as PopgymRepeatFirst

EPISODES = 4000


@pytest.mark.parametrize("num_decks", [1, 8, 16])
def test_it_equals_popgyms_environment_when_the_deck_lies_alike(num_decks):
    ours, theirs = SingleRepeatFirst(num_decks=num_decks), PopgymRepeatFirst(num_decks=num_decks)
    rng = np.random.default_rng(0)
    for seed in range(2):
        ours.reset(seed=seed)
        observation, _ = theirs.reset(seed=seed)
        ours.state["cards"][0] = theirs.deck.suits_idx[theirs.deck.idx[::-1]]  # POPGym deals from the end
        assert ours.batch.observe()[0] == observation
        ended = False
        while not ended:
            action = ours.oracle() if rng.random() < 0.5 else rng.integers(4)
            stepped, expected = ours.step(action), theirs.step(action)
            assert stepped == expected
            ended = stepped[2]
        assert ours.state["step"][0] == 52 * num_decks - 1


@pytest.mark.parametrize("num_decks", [1, 2])
def test_every_deck_holds_every_suit_thirteen_times(num_decks):
    env = RepeatFirst(20, num_decks)
    env.reset(seed=0)
    counts = np.stack([(env.state["cards"] == suit).sum(axis=1) for suit in range(4)])
    np.testing.assert_array_equal(counts, 13 * num_decks)
    assert len(np.unique(env.state["cards"], axis=0)) == 20


def test_who_keeps_the_first_card_is_always_right(play_one_episode_each):
    env, first = RepeatFirst(20), []
    returns, _ = play_one_episode_each(env, lambda suits: first.append(suits) or first[0])
    np.testing.assert_allclose(returns, 1.0, rtol=1e-12)


def test_only_the_first_card_is_asked_for():
    env = RepeatFirst(1)
    env.reset(seed=0)
    env.state["cards"][0, :4] = 2, 1, 2, 0
    rewards = [env.step(np.array([answer]))[1][0] for answer in (2, 1, 2)]
    assert rewards == [1 / 51, -1 / 51, 1 / 51]


def mean_and_four_errors(returns: np.ndarray) -> tuple[float, float]:
    return returns.mean(), 4 * returns.std() / len(returns) ** 0.5


@pytest.mark.parametrize("num_decks", [1, 2])
def test_the_best_memoryless_policy_names_what_shows(num_decks, play_one_episode_each, most_frequent_answers):
    env = RepeatFirst(EPISODES, num_decks)
    for policy in (lambda suits: suits, most_frequent_answers(env)):
        mean, error = mean_and_four_errors(play_one_episode_each(env, policy)[0])
        assert mean == pytest.approx(env.memoryless_return, abs=error)


def test_what_shows_is_right_once_more_than_its_share_of_the_deck():
    # By counting, in another way than the docstring: 51 answers; the first is right; the 50 others show 50 of the 51
    # other cards, of which 12 have the suit of the first.
    right = 1 + 50 * 12 / 51
    assert RepeatFirst().memoryless_return == pytest.approx((right - (51 - right)) / 51, abs=1e-12)


def test_random_answers_are_right_once_in_four(play_one_episode_each):
    env, rng = RepeatFirst(EPISODES), np.random.default_rng(0)
    mean, error = mean_and_four_errors(play_one_episode_each(env, lambda suits: rng.integers(4, size=len(suits)))[0])
    assert mean == pytest.approx(-0.5, abs=error)


def test_a_frame_shows_the_first_card_and_the_current_one():
    env = RepeatFirst(1, render_mode="ansi")
    env.reset(seed=0)
    env.state["cards"][0, :3] = 3, 0, 1
    frames = [env.render()[0]]
    for _ in range(2):
        env.step(np.array([0]))
        frames.append(env.render()[0])
    assert frames == ["♥♥", "♥♠", "♥♦"]


@pytest.mark.parametrize("num_decks", [0, -1, 1.5, None, True])
def test_an_impossible_number_of_decks_is_refused(num_decks):
    with pytest.raises(ValueError, match="num_decks must be a whole number of at least 1, got "):
        RepeatFirst(2, num_decks)
