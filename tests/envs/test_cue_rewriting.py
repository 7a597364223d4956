"""Facts of cue rewriting."""

import numpy as np
import pytest
from memagents_envs import CueRewriting
from memagents_envs.cue_rewriting import BLANK, NUM_CUES, QUESTION

EPISODES = 4000


def written(*scripts: str) -> CueRewriting:
    """A batch whose episodes show what is written: cues "0" to "3", "." for nothing, "?" for the question."""
    env = CueRewriting(len(scripts), num_rewrites=2, max_delay=4)
    env.reset(seed=0)
    for row, script in enumerate(scripts):
        env.state["shown"][row, : len(script)] = ["0123.?".index(sign) for sign in script]
        env.state["cue"][row] = int(script[0])
        env.state["asked"][row] = script.count("?")
        env.state["length"][row] = len(script)
    return env


def scripts_of(env: CueRewriting) -> list[np.ndarray]:
    return [shown[:length] for shown, length in zip(env.state["shown"], env.state["length"], strict=True)]


def test_only_the_latest_cue_counts_and_only_at_a_question():
    env = written("0.?2..1.?")
    shows, rewards = [env.observe()[0]], []
    for answer in (0, 0, 0, 0, 0, 0, 2, 2, 1):
        (observation,), (reward,), (terminated,), _, infos = env.step(np.array([answer]))
        rewards.append(reward)
        shows.append(infos["final_obs"][0] if terminated else observation)
    assert "".join("0123.?"[sign] for sign in shows) == "0.?2..1.??"  # an episode ends on its last question
    assert rewards == [0, 0, 0.5, 0, 0, 0, 0, 0, 0.5]
    assert infos["final_info"]["is_success"][0]


def test_a_wrong_answer_costs_as_much_as_a_right_one_gives():
    env = written("0.?2..1.?", "3.2.1.?")
    rewards = np.stack([env.step(np.array([0, 2]))[1] for _ in range(7)])
    np.testing.assert_array_equal(rewards[:, 0], [0, 0, 0.5, 0, 0, 0, 0])
    np.testing.assert_array_equal(rewards[:, 1], [0, 0, 0, 0, 0, 0, -1])


def test_one_wrong_answer_is_no_success():
    env = written("0.?2..1.?")
    for _ in range(9):
        *_, infos = env.step(np.array([0]))
    assert not infos["final_info"]["is_success"][0]


@pytest.mark.parametrize(("num_rewrites", "max_delay"), [(1, 1), (4, 4), (9, 3)])
def test_every_round_is_a_new_cue_a_delay_and_perhaps_a_question(num_rewrites, max_delay):
    env = CueRewriting(300, num_rewrites, max_delay)
    env.reset(seed=0)
    for script in scripts_of(env):
        starts = np.flatnonzero(script < NUM_CUES)
        assert starts[0] == 0
        assert len(starts) == num_rewrites + 1
        assert (np.diff(script[starts]) != 0).all()
        assert script[-1] == QUESTION
        for cue_and_more in np.split(script, starts[1:]):
            blanks = (cue_and_more[1:] == BLANK).sum()
            assert 1 <= blanks <= max_delay
            assert (cue_and_more[1 : 1 + blanks] == BLANK).all()
            assert list(cue_and_more[1 + blanks :]) in ([], [QUESTION])


def test_cues_delays_and_questions_are_drawn_evenly():
    env = CueRewriting(EPISODES, num_rewrites=3, max_delay=3)
    env.reset(seed=0)
    scripts = scripts_of(env)
    cues = np.array([script[script < NUM_CUES] for script in scripts])
    blanks = np.array([(script == BLANK).sum() for script in scripts])
    error = 4 * 0.5 / EPISODES**0.5
    for turn in range(4):
        np.testing.assert_allclose(np.bincount(cues[:, turn], minlength=4) / EPISODES, 1 / 4, atol=error)
        step_on = (cues[:, turn] - cues[:, turn - 1]) % NUM_CUES
        if turn:
            np.testing.assert_allclose(np.bincount(step_on, minlength=4)[1:] / EPISODES, 1 / 3, atol=error)
    assert blanks.mean() == pytest.approx(4 * 2, abs=4 * blanks.std() / EPISODES**0.5)
    assert env.state["asked"].mean() == pytest.approx(1 + 3 / 2, abs=4 * (3 / 4) ** 0.5 / EPISODES**0.5)


@pytest.mark.parametrize("answer", range(NUM_CUES))
def test_every_answer_has_the_memoryless_return(answer, play_one_episode_each):
    env = CueRewriting(EPISODES)
    returns, _ = play_one_episode_each(env, lambda shown: np.full(EPISODES, answer))
    assert returns.mean() == pytest.approx(env.memoryless_return, abs=4 * returns.std() / EPISODES**0.5)


def test_who_keeps_the_first_cue_is_right_in_the_first_round_and_never_in_the_second():
    env = CueRewriting(EPISODES, num_rewrites=1)
    first = env.reset(seed=0)[0].astype(np.int64)
    in_second_round, running = np.zeros(EPISODES, bool), np.ones(EPISODES, bool)
    while running.any():
        observations, rewards, terminated, _, _ = env.step(first)
        assert (rewards[running & ~in_second_round] >= 0).all()
        assert (rewards[running & in_second_round] <= 0).all()
        running &= ~terminated
        in_second_round |= (observations < NUM_CUES) & running


def test_a_frame_shows_what_shows_and_the_right_answer():
    env = CueRewriting(1, 1, 1, render_mode="ansi")
    env.reset(seed=0)
    env.state["shown"][0, :5] = 2, BLANK, 1, BLANK, QUESTION
    env.state["cue"][0], env.state["length"][0], env.state["asked"][0] = 2, 5, 1
    frames = [env.render()[0]]
    for _ in range(4):
        env.step(np.array([0]))
        frames.append(env.render()[0])
    assert frames == ["CC", ".C", "BB", ".B", "?B"]


@pytest.mark.parametrize("value", [0, -1, 1.5, None, True])
def test_impossible_numbers_are_refused(value):
    with pytest.raises(ValueError, match="num_rewrites must be a whole number of at least 1, got "):
        CueRewriting(2, value)
    with pytest.raises(ValueError, match="max_delay must be a whole number of at least 1, got "):
        CueRewriting(2, 4, value)
