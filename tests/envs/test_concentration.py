"""Facts of concentration, and that it is POPGym's."""

import itertools

import numpy as np
import pytest
from memagents_envs import Concentration, SingleConcentration
from memagents_envs.concentration import best_blind_return
from popgym.envs.concentration import Concentration as PopgymConcentration

EPISODES = 2000


@pytest.mark.parametrize(
    ("num_decks", "deck_type", "num_values"), [(1, "colors", 2), (2, "colors", 2), (1, "ranks", 13)]
)
@pytest.mark.parametrize("skill", [0.0, 0.8, 0.98])
def test_it_equals_popgyms_environment_when_the_cards_lie_alike(num_decks, deck_type, num_values, skill):
    num_cards = 52 * num_decks
    ours = SingleConcentration(num_cards=num_cards, num_values=num_values)
    theirs = PopgymConcentration(num_decks=num_decks, deck_type=deck_type)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    for seed in range(3):
        observation, _ = ours.reset(seed=seed)
        expected, _ = theirs.reset(seed=seed)
        np.testing.assert_array_equal(observation, expected)
        ours.state["values"][0] = theirs.state
        ended = False
        while not ended:
            action = ours.oracle() if rng.random() < skill else rng.integers(num_cards)
            observation, reward, terminated, truncated, _ = ours.step(action)
            expected, *told, _ = theirs.step(action)
            np.testing.assert_array_equal(observation, expected)
            assert reward == pytest.approx(told[0], abs=1e-15)
            assert (terminated, truncated) == (told[1], told[2] and not terminated)
            ended = terminated or truncated


def laid(*values: int, rows: int = 1) -> Concentration:
    env = Concentration(rows, len(values), max(values) + 1)
    env.reset(seed=0)
    env.state["values"][:] = values
    return env


def turn(env: Concentration, *places: int) -> tuple[list[list[int]], list[float], bool]:
    """Turns these places over in order: what shows, the rewards, and whether the episode has ended."""
    stepped = [env.step(np.full(env.num_envs, place)) for place in places]
    return [s[0][0].tolist() for s in stepped], [s[1][0] for s in stepped], bool(stepped[-1][2][0] or stepped[-1][3][0])


def test_a_match_stays_up_and_a_miss_shows_for_one_more_step():
    env = laid(0, 1, 0, 1, 2, 2)
    seen, rewards, _ = turn(env, 0, 1, 4, 5, 3)
    assert seen == [
        [0, 3, 3, 3, 3, 3],
        [0, 1, 3, 3, 3, 3],
        [3, 3, 3, 3, 2, 3],
        [3, 3, 3, 3, 2, 2],
        [3, 3, 3, 1, 2, 2],
    ]
    np.testing.assert_allclose(rewards, [0, -1 / 6, 0, 1 / 3, 0])


def test_the_same_card_twice_is_a_miss():
    assert turn(laid(0, 1, 0, 1), 0, 0)[1] == [0, -1 / 4]


def test_a_card_that_is_up_ends_the_turn_and_costs_by_its_steps():
    env = laid(0, 1, 0, 1, 2, 2)
    turn(env, 4, 5)
    assert turn(env, 4)[1] == [-1 / 12]
    assert turn(env, 0, 5)[1] == [0, -1 / 6]
    assert turn(env, 0, 2)[1] == [0, 1 / 3]


def test_the_last_match_wins_and_ends_the_episode():
    env = laid(0, 1, 0, 1)
    turn(env, 0, 2, 1)
    _, rewards, terminated, truncated, infos = env.step(np.array([3]))
    assert (rewards[0], terminated[0], truncated[0]) == (0.5, True, False)
    assert infos["final_info"]["is_success"][0]
    np.testing.assert_array_equal(infos["final_obs"][0], [0, 1, 0, 1])


def test_an_episode_is_cut_after_twice_as_many_steps_as_cards():
    env = laid(0, 1, 0, 1)
    _, rewards, ended = turn(env, *[0] * 7)
    assert not ended
    *_, ended = turn(env, 0)
    assert ended
    assert sum(rewards) == -3 / 4


@pytest.mark.parametrize(("num_cards", "num_values"), [(8, None), (52, 2), (12, 3)])
def test_every_value_is_on_as_many_cards(num_cards, num_values):
    env = Concentration(20, num_cards, num_values)
    env.reset(seed=0)
    counts = np.stack([(env.state["values"] == value).sum(axis=1) for value in range(env.num_values)])
    np.testing.assert_array_equal(counts, env.copies)
    assert len(np.unique(env.state["values"], axis=0)) == 20


def turns_hidden_cards(num_values, seed=0):
    """Turns cards that lie face down, at random."""
    rng = np.random.default_rng(seed)
    return lambda seen: np.where(seen == num_values, rng.random(seen.shape), -1.0).argmax(axis=1)


@pytest.mark.parametrize("num_cards", [4, 8, 16])
def test_who_turns_hidden_cards_at_random_comes_near_the_memoryless_return(num_cards, play_one_episode_each):
    env = Concentration(EPISODES, num_cards)
    returns, _ = play_one_episode_each(env, turns_hidden_cards(env.num_values))
    error = 4 * returns.std() / EPISODES**0.5
    assert env.memoryless_return - 0.03 - error < returns.mean() < env.memoryless_return + error


def test_with_two_values_the_memoryless_return_is_a_bound_that_is_nearly_reached(play_one_episode_each):
    env = Concentration(500, 52, 2)
    returns, _ = play_one_episode_each(env, turns_hidden_cards(2))
    assert env.memoryless_return - 0.06 < returns.mean() < env.memoryless_return


def test_the_blind_return_of_four_cards_is_that_of_the_arithmetic():
    # A turn matches with chance 1/3, for 1/2, or costs 1/4; after the first match the rest is sure. Four turns.
    miss, expected = 1.0, 0.0
    for misses in range(4):
        rest = 1.0 if misses < 3 else 0.5
        expected += miss / 3 * (rest - misses / 4)
        miss *= 2 / 3
    assert best_blind_return(4, 2) == pytest.approx(expected - miss, abs=1e-12)


def remembers(env: Concentration):
    """Forgets no card, and turns a new one over whenever no known one matches."""
    known = np.full((env.num_envs, env.num_cards), -1)
    rows, rng = np.arange(env.num_envs), np.random.default_rng(0)

    def act(seen):
        known[:] = np.where(seen < env.num_values, seen, known)
        first, down = env.state["first"], ~env.state["matched"]
        noise = rng.random(known.shape)
        alike = (
            (known[:, :, None] == known[:, None, :]) & (known[:, :, None] >= 0) & down[:, None, :] & down[:, :, None]
        )
        alike[:, range(env.num_cards), range(env.num_cards)] = False
        as_first = np.where(down, 2.0 * alike.any(axis=2) + (known < 0) + noise * 0.5, -1.0)
        as_second = np.where(down, 2.0 * alike[rows, first] + (known < 0) + noise * 0.5, -1.0)
        as_second[rows, first] = -1.0
        return np.where(first < 0, as_first.argmax(axis=1), as_second.argmax(axis=1))

    return act


@pytest.mark.parametrize(("num_cards", "best"), [(8, 0.76), (16, 0.73)])
def test_who_remembers_everything_gets_what_the_docstring_says(num_cards, best, play_one_episode_each):
    env = Concentration(EPISODES, num_cards)
    returns, _ = play_one_episode_each(env, remembers(env))
    assert best - 0.03 < returns.mean() < best + 0.01


def test_with_four_cards_notes_in_places_make_up_for_memory():
    """Places 0 and 1 first; if they differ, place 2 or 3 next, which tells what lies in place 0."""
    layouts = np.array(sorted(set(itertools.permutations([0, 0, 1, 1]))))
    env = Concentration(len(layouts), 4)
    seen, _ = env.reset(seed=0)
    env.state["values"][:] = layouts
    returns, running = np.zeros(len(layouts)), np.ones(len(layouts), bool)
    while running.any():
        up = [tuple(np.flatnonzero(row < 2)) for row in seen]
        actions = [from_notes(row, places) for row, places in zip(seen, up, strict=True)]
        seen, rewards, terminated, truncated, _ = env.step(np.array(actions))
        returns += rewards * running
        running &= ~(terminated | truncated)
    assert returns.mean() == pytest.approx(5 / 6, abs=1e-12)  # who remembers everything misses two times in three


def from_notes(seen: np.ndarray, up: tuple[int, ...]) -> int:
    """The action of the policy above: a function of what shows now, and of nothing else."""
    if up == (0, 1) and seen[0] != seen[1]:
        return 2 if seen[0] == 0 else 3
    if len(up) == 1 and up[0] >= 2:
        value_of_0 = 0 if up[0] == 2 else 1
        return 0 if seen[up[0]] == value_of_0 else 1
    return next(place for place in range(4) if place not in up)


def test_a_frame_shows_what_is_seen_and_what_is_there():
    env = Concentration(1, 4, render_mode="ansi")
    env.reset(seed=0)
    env.state["values"][:] = 1, 0, 0, 1
    env.step(np.array([3]))
    assert env.render() == ("???B\nBAAB",)


@pytest.mark.parametrize("num_cards", [3, 0, -4, 4.5, None, True])
def test_an_impossible_number_of_cards_is_refused(num_cards):
    with pytest.raises(ValueError, match="num_cards must be a whole number of at least 4, got "):
        Concentration(2, num_cards)


@pytest.mark.parametrize("num_values", [0, 1, 5, 2.5, True])
def test_an_impossible_number_of_values_is_refused(num_values):
    with pytest.raises(ValueError, match="num_values must be a whole number from 2 to 4, got "):
        Concentration(2, 8, num_values)


@pytest.mark.parametrize(("num_cards", "num_values"), [(8, 3), (12, 4), (7, None), (52, 4)])
def test_cards_that_cannot_all_be_matched_are_refused(num_cards, num_values):
    with pytest.raises(ValueError, match=r"num_cards must be num_values times an even number.*got num_cards"):
        Concentration(2, num_cards, num_values)
