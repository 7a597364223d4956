"""Autoencode: watch a deck being dealt, then say all of it again.

Source: Morad et al., "POPGym: Benchmarking Partially Observable Reinforcement Learning", ICLR 2023 (arXiv 2303.01859).
"""

from math import lgamma, log
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

NUM_SUITS = 4

PLAY, WATCH = range(2)

ORDERS = ("reverse", "forward")

UNSEEN, SAID = NUM_SUITS, NUM_SUITS + 1

CARDS_PER_LINE = 13


class Autoencode(BatchedEnv):
    """Cards are dealt one by one from a shuffled deck, until none is left; then name the suits of all, the last first.

    In the mode "watch" a card shows and no answer counts. With the last of the n cards the mode turns to "play": from
    that step on, n answers are asked, each worth +1/n if right and -1/n if wrong, so that the return is in [-1, 1].
    The last card shows while the first answer is asked; after that a spade shows, whatever is asked. An episode takes
    2n - 1 steps. The rules and numbers are POPGym's Autoencode; its grades are `num_cards=52`, 104 and 156. Ours begin
    with 8 cards: of a whole deck, published agents have learned next to nothing in 15 million steps.

    Observation: MultiDiscrete([2, 4]), the mode (0 play, 1 watch) and a suit. Action: Discrete(4), a suit. The suits
    are spades, diamonds, clubs and hearts. There is no `is_success`: the return is the score.

    `best_return` is 1. `memoryless_return`, for the order "reverse": the first answer shows, and all others look like
    a spade in play. Naming what shows gets the first one right, and of the n - 1 others the n/4 spades, less the one
    that the last card is in a quarter of the episodes. Naming another suit at a spade in play gets as many of the
    others, and the first one wrong if it is a spade. So the best is (n + 3) / 4 right answers, and the return
    2 (n + 3) / (4 n) - 1: -0.471 for 52 cards. Answers at random have -0.5. For the order "forward", the first answer
    is a suit that does not show with p = (n/4) / (n - 1), a little more than one in four, and all others are as good as
    any: p + (n - 1)/4 right answers, and the return 2 (p + (n - 1)/4) / n - 1, -0.4998 for 52 cards.

    Deviations from POPGym: the observation is a MultiDiscrete, there a Tuple; the order "forward" is ours.

    Args:
        num_envs: rows of the batch, B.
        num_cards: n, a multiple of 4, so that there are as many of each suit.
        order: "reverse" asks for the last card first, "forward" for the first.
        render_mode: None, "ansi" or "rgb_array"; a frame shows the cards that were dealt and are still to be named, and
            a dot for every card that was asked, in lines of 13, or of 4 where there are no whole lines of 13.

    Raises:
        ValueError: if a number is out of its range, or the order is none of the two.
    """

    tests = "capacity: a whole deck, in reverse order"
    knob = "num_cards: cards to hold at once, in order"
    grades: ClassVar = {"Easy": {"num_cards": 8}, "Medium": {"num_cards": 52}, "Hard": {"num_cards": 156}}
    legend: ClassVar = (
        ("♠", (40, 44, 52)),
        ("♦", (226, 140, 50)),
        ("♣", (62, 120, 85)),
        ("♥", (205, 70, 60)),
        (" ", (226, 226, 220)),
        (".", (180, 180, 176)),
    )

    def __init__(
        self, num_envs: int = 1, num_cards: int = 52, order: str = "reverse", render_mode: str | None = None
    ) -> None:
        self.num_cards = whole_number("num_cards", num_cards, low=NUM_SUITS)
        if self.num_cards % NUM_SUITS:
            raise ValueError(f"num_cards must be a multiple of {NUM_SUITS}, got {num_cards}")
        if order not in ORDERS:
            raise ValueError(f"order must be one of {ORDERS}, got {order!r}")
        self.order = order
        spaces = MultiDiscrete([2, NUM_SUITS]), Discrete(NUM_SUITS)
        super().__init__(num_envs, *spaces, render_mode=render_mode)
        self._deck = np.arange(self.num_cards) % NUM_SUITS
        self._rows = np.arange(self.num_envs)
        # By step, the place of the card that is asked for; the first to be asked for, as long as none is.
        answered = np.clip(np.arange(2 * self.num_cards) - (self.num_cards - 1), 0, self.num_cards - 1)
        self._asked = self.num_cards - 1 - answered if order == "reverse" else answered
        self.state["cards"] = np.zeros((self.num_envs, self.num_cards), np.int64)  # suits, in the order of dealing
        self.best_return = 1.0
        other_suit = self.num_cards / NUM_SUITS / (self.num_cards - 1)
        right = (self.num_cards + 3) / 4 if order == "reverse" else other_suit + (self.num_cards - 1) / 4
        self.memoryless_return = 2 * right / self.num_cards - 1
        self.memory_steps = 2 * self.num_cards - 2 if order == "reverse" else self.num_cards - 1
        self.memory_bits = log_of_arrangements(self.num_cards) - 2.0  # of all cards but the one that shows

    def begin(self, rows: Integers) -> None:
        cards = self.state["cards"]
        cards[rows] = self._deck
        for row in rows:
            self.generators[row].shuffle(cards[row])

    def advance(self, actions: Array) -> Transition:
        unit = 1 / self.num_cards
        rewards = np.where(actions == self.oracle(), unit, -unit)
        rewards[self.state["step"] < self.num_cards - 1] = 0.0  # no answer is asked yet
        return Transition(rewards, self.state["step"] == 2 * self.num_cards - 2)

    def observe(self) -> Array:
        step, last = self.state["step"], self.num_cards - 1
        observations = np.empty((self.num_envs, 2), np.int64)
        observations[:, 0] = np.where(step < last, WATCH, PLAY)
        observations[:, 1] = np.where(step <= last, self.state["cards"][self._rows, np.minimum(step, last)], 0)
        return observations

    def oracle(self) -> Array:
        suits: Array = self.state["cards"][self._rows, self._asked[self.state["step"]]]
        return suits

    def glyphs(self) -> Integers:
        step, place = self.state["step"][:, None], np.arange(self.num_cards)
        asked = self._asked[step]
        said = (step >= self.num_cards) & (place > asked if self.order == "reverse" else place < asked)
        cells = np.where(place > step, UNSEEN, np.where(said, SAID, self.state["cards"]))
        return cells.reshape(self.num_envs, -1, NUM_SUITS if self.num_cards % CARDS_PER_LINE else CARDS_PER_LINE)


class SingleAutoencode(SingleEnv):
    """One `Autoencode` as a `gymnasium.Env`, with the same knobs."""

    family = Autoencode


def log_of_arrangements(num_cards: int) -> float:
    """In bits, how many orders of suits a deck can have: n! / (n/4)!^4 of them, all equally likely."""
    return (lgamma(num_cards + 1) - NUM_SUITS * lgamma(num_cards / NUM_SUITS + 1)) / log(2)
