"""Repeat previous: name the suit of the card that was shown a while ago, at every step.

Source: Morad et al., "POPGym: Benchmarking Partially Observable Reinforcement Learning", ICLR 2023 (arXiv 2303.01859).
"""

from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

NUM_SUITS = 4
CARDS_PER_DECK = 52


class RepeatPrevious(BatchedEnv):
    """Cards are dealt one by one from shuffled decks; name the suit of the card shown k cards ago.

    k counts so that k = 1 is the card that shows now, k = 2 the one before. As long as fewer than k cards have been
    shown, nothing is asked and the reward is 0; from then on an answer gives +1/(n - k) if right and -1/(n - k) if
    wrong, with n cards in all. An episode takes n - 1 steps, so that n - k answers count and the return is in [-1, 1].
    The rules and numbers are POPGym's RepeatPrevious; its Easy is `k=4, num_decks=1`, its Medium `k=32, num_decks=2`,
    its Hard `k=64, num_decks=3`.

    Observation and action: Discrete(4), the suits spades, diamonds, clubs and hearts. There is no `is_success`: the
    return is the score.

    `best_return` is 1. `memoryless_return` is 1 for k = 1, where the answer shows. For k > 1 the card that is asked for
    may, to who sees only the current one, be any of the other n - 1 cards alike: n/4 - 1 of them share the suit that
    shows, n/4 have each other suit. Naming a suit that does not show is right with p = (n/4) / (n - 1), a little more
    than one in four, and the best return is 2p - 1: -0.490 for one deck. By symmetry that holds at every step, so to
    know the time would not help. Answers at random have the return -0.5.

    Args:
        num_envs: rows of the batch, B.
        k: which card is asked for, from 1 (the current one) to n - 1.
        num_decks: decks of 52 cards that are shuffled together, at least 1.
        render_mode: None, "ansi" or "rgb_array"; a frame shows the last k cards, the one asked for at the left.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "a sliding buffer: what was seen a constant number of steps ago"
    knob = "k: cards to hold at once, in order"
    grades: ClassVar = {
        "Easy": {"k": 4, "num_decks": 1},
        "Medium": {"k": 32, "num_decks": 2},
        "Hard": {"k": 64, "num_decks": 3},
    }
    legend: ClassVar = (
        (" ", (226, 226, 220)),
        ("♠", (40, 44, 52)),
        ("♦", (226, 140, 50)),
        ("♣", (62, 120, 85)),
        ("♥", (205, 70, 60)),
    )

    def __init__(self, num_envs: int = 1, k: int = 4, num_decks: int = 1, render_mode: str | None = None) -> None:
        self.num_decks = whole_number("num_decks", num_decks, low=1)
        self.num_cards = CARDS_PER_DECK * self.num_decks
        self.k = whole_number("k", k, low=1, high=self.num_cards - 1)
        super().__init__(num_envs, Discrete(NUM_SUITS), Discrete(NUM_SUITS), render_mode=render_mode)
        self._deck = np.arange(self.num_cards) % NUM_SUITS
        self._rows = np.arange(self.num_envs)
        self.state["cards"] = np.zeros((self.num_envs, self.num_cards), np.int64)  # suits, in the order of dealing
        self.best_return = 1.0
        other_suit = self.num_cards / NUM_SUITS / (self.num_cards - 1)
        self.memoryless_return = 1.0 if self.k == 1 else 2 * other_suit - 1
        self.memory_steps = self.k - 1
        self.memory_bits = 2.0 * (self.k - 1)

    def begin(self, rows: Integers) -> None:
        for row in rows:
            self.state["cards"][row] = self.generators[row].permutation(self._deck)

    def advance(self, actions: Array) -> Transition:
        unit = 1 / (self.num_cards - self.k)
        rewards = np.where(actions == self.oracle(), unit, -unit)
        rewards[self.state["step"] < self.k - 1] = 0.0  # fewer than k cards have been shown
        return Transition(rewards, self.state["step"] == self.num_cards - 2)

    def observe(self) -> Array:
        return self._suits(self.state["step"])

    def oracle(self) -> Array:
        return self._suits(np.maximum(self.state["step"] - self.k + 1, 0))

    def glyphs(self) -> Integers:
        shown = self.state["step"][:, None] + np.arange(1 - self.k, 1)
        suits = np.take_along_axis(self.state["cards"], np.maximum(shown, 0), axis=1)
        return np.where(shown < 0, 0, suits + 1)[:, None, :]

    def _suits(self, index: Integers) -> Array:
        """The suit of the `index[b]`-th card of every row b."""
        suits: Array = self.state["cards"][self._rows, index]
        return suits


class SingleRepeatPrevious(SingleEnv):
    """One `RepeatPrevious` as a `gymnasium.Env`, with the same knobs."""

    family = RepeatPrevious
