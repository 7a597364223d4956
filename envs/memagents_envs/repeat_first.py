"""Repeat first: name the suit of the first card at every step, while others are dealt.

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


class RepeatFirst(BatchedEnv):
    """Cards are dealt one by one from shuffled decks; name the suit of the very first one, again and again.

    An answer gives +1/(n - 1) if right and -1/(n - 1) if wrong, with n cards in all. An episode takes n - 1 steps, all
    of which count, so that the return is in [-1, 1]. Nothing marks the first card but that an episode begins with it.
    The rules and numbers are POPGym's RepeatFirst; its Easy is `num_decks=1`, its Medium 8, its Hard 16.

    Observation and action: Discrete(4), the suits spades, diamonds, clubs and hearts. There is no `is_success`: the
    return is the score.

    `best_return` is 1. `memoryless_return`: who sees only the current card does not know whether it is the first. At
    the first step it is the answer. At each of the n - 2 others, the first card may be any of the n - 1 cards that do
    not show: it has the suit that shows with p = (n/4 - 1) / (n - 1), and each other suit with p + 1 / (n - 1). To
    name what shows is right in 1 + (n - 2) p answers, another suit in 1 / (n - 1) fewer. So the best is to name what
    shows, with the return 2 (1 + (n - 2) p) / (n - 1) - 1: -0.4994 for one deck. Answers at random have -0.5.

    Args:
        num_envs: rows of the batch, B.
        num_decks: decks of 52 cards that are shuffled together, at least 1.
        render_mode: None, "ansi" or "rgb_array"; a frame shows the first card, and at its right the current one.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "retention: one of four suits over a delay"
    knob = "num_decks: steps to remember the first card, 52 a deck"
    grades: ClassVar = {"Easy": {"num_decks": 1}, "Medium": {"num_decks": 8}, "Hard": {"num_decks": 16}}
    legend: ClassVar = (
        ("♠", (40, 44, 52)),
        ("♦", (226, 140, 50)),
        ("♣", (62, 120, 85)),
        ("♥", (205, 70, 60)),
    )

    def __init__(self, num_envs: int = 1, num_decks: int = 1, render_mode: str | None = None) -> None:
        self.num_decks = whole_number("num_decks", num_decks, low=1)
        self.num_cards = CARDS_PER_DECK * self.num_decks
        super().__init__(num_envs, Discrete(NUM_SUITS), Discrete(NUM_SUITS), render_mode=render_mode)
        self._deck = np.arange(self.num_cards) % NUM_SUITS
        self._rows = np.arange(self.num_envs)
        self.state["cards"] = np.zeros((self.num_envs, self.num_cards), np.int64)  # suits, in the order of dealing
        self.best_return = 1.0
        same_suit = (self.num_cards / NUM_SUITS - 1) / (self.num_cards - 1)
        self.memoryless_return = 2 * (1 + (self.num_cards - 2) * same_suit) / (self.num_cards - 1) - 1
        self.memory_steps = self.num_cards - 2
        self.memory_bits = 2.0

    def begin(self, rows: Integers) -> None:
        cards = self.state["cards"]
        cards[rows] = self._deck
        for row in rows:
            self.generators[row].shuffle(cards[row])

    def advance(self, actions: Array) -> Transition:
        unit = 1 / (self.num_cards - 1)
        rewards = np.where(actions == self.state["cards"][:, 0], unit, -unit)
        return Transition(rewards, self.state["step"] == self.num_cards - 2)

    def observe(self) -> Array:
        suits: Array = self.state["cards"][self._rows, self.state["step"]]
        return suits

    def oracle(self) -> Array:
        return self.state["cards"][:, 0].copy()

    def glyphs(self) -> Integers:
        return np.stack([self.oracle(), self.observe()], axis=1)[:, None, :]


class SingleRepeatFirst(SingleEnv):
    """One `RepeatFirst` as a `gymnasium.Env`, with the same knobs."""

    family = RepeatFirst
