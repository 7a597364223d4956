"""Facts of repeat previous, and that it is POPGym's."""

import numpy as np
import pytest
from memagents_envs import RepeatPrevious, SingleRepeatPrevious
from popgym.envs.repeat_previous import RepeatPrevious as PopgymRepeatPrevious

EPISODES = 8000


@pytest.mark.parametrize(("k", "num_decks"), [(4, 1), (1, 1), (2, 1), (51, 1), (32, 2), (64, 3)])
def test_it_equals_popgyms_environment_when_the_deck_lies_alike(k, num_decks):
    ours, theirs = SingleRepeatPrevious(k=k, num_decks=num_decks), PopgymRepeatPrevious(num_decks=num_decks, k=k)
    rng = np.random.default_rng(0)
    for seed in range(3):
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
    env = RepeatPrevious(20, num_decks=num_decks)
    env.reset(seed=0)
    counts = np.stack([(env.state["cards"] == suit).sum(axis=1) for suit in range(4)])
    np.testing.assert_array_equal(counts, 13 * num_decks)
    assert len(np.unique(env.state["cards"], axis=0)) == 20


def test_k_counts_so_that_one_is_the_card_that_shows(play_one_episode_each):
    env = RepeatPrevious(10, k=1)
    returns, _ = play_one_episode_each(env, lambda suits: suits)
    np.testing.assert_allclose(returns, 1.0, rtol=1e-12)
    assert env.memoryless_return == env.best_return == 1.0


def mean_and_four_errors(returns: np.ndarray) -> tuple[float, float]:
    return returns.mean(), 4 * returns.std() / len(returns) ** 0.5


@pytest.mark.parametrize(("k", "num_decks"), [(2, 1), (4, 1), (32, 2)])
def test_the_best_memoryless_policy_names_a_suit_that_does_not_show(k, num_decks, play_one_episode_each):
    env = RepeatPrevious(EPISODES, k, num_decks)
    mean, error = mean_and_four_errors(play_one_episode_each(env, lambda suits: (suits + 1) % 4)[0])
    assert mean == pytest.approx(env.memoryless_return, abs=error)
    same, same_error = mean_and_four_errors(play_one_episode_each(env, lambda suits: suits)[0])
    assert same + same_error < env.memoryless_return


def test_random_answers_are_right_once_in_four(play_one_episode_each):
    env, rng = RepeatPrevious(EPISODES), np.random.default_rng(0)
    mean, error = mean_and_four_errors(play_one_episode_each(env, lambda suits: rng.integers(4, size=len(suits)))[0])
    assert mean == pytest.approx(-0.5, abs=error)
    assert mean + error < env.memoryless_return


def test_no_answer_counts_before_k_cards_have_been_shown():
    env = RepeatPrevious(3, k=5)
    env.reset(seed=0)
    rewards = np.stack([env.step((env.oracle() + 1) % 4)[1] for _ in range(6)])
    np.testing.assert_array_equal(rewards[:4], 0.0)
    np.testing.assert_array_equal(rewards[4:], -1 / 47)


def test_a_frame_shows_the_last_cards_with_the_asked_one_at_the_left():
    env = RepeatPrevious(1, k=3, render_mode="ansi")
    env.reset(seed=0)
    env.state["cards"][0, :4] = 0, 1, 2, 3
    frames = [env.render()[0]]
    for _ in range(3):
        env.step(np.array([0]))
        frames.append(env.render()[0])
    assert frames == ["  ♠", " ♠♦", "♠♦♣", "♦♣♥"]


@pytest.mark.parametrize("k", [0, -1, 52, 1.5, None, True])
def test_an_impossible_k_is_refused(k):
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 51, got "):
        RepeatPrevious(2, k)


@pytest.mark.parametrize("num_decks", [0, -1, 1.5, None])
def test_an_impossible_number_of_decks_is_refused(num_decks):
    with pytest.raises(ValueError, match="num_decks must be a whole number of at least 1, got "):
        RepeatPrevious(2, 4, num_decks)
