"""Count recall: cards are dealt; say how often a kind of card has been dealt so far.

Source: Morad et al., "POPGym: Benchmarking Partially Observable Reinforcement Learning", ICLR 2023 (arXiv 2303.01859).
"""

from math import log2
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

CARDS_PER_DECK = 52

KINDS = {"colors": 2, "suits": 4, "ranks": 13}
"""How many kinds of card there are, by what tells them apart."""

EMPTY, BAR, DEALT, QUERIED = range(4)


class CountRecall(BatchedEnv):
    """A card is dealt and a kind of card queried at every step; say how many cards of that kind have been dealt so far.

    Cards are of c kinds: 2 colours, 4 suits or 13 ranks. n cards are dealt from shuffled decks, n/c of each kind, and
    the queries from as many shuffled decks of their own. The card that shows counts. An answer gives +1/(n - 1) if
    right and -1/(n - 1) if wrong; an episode takes n - 1 steps, all of which count, so that the return is in [-1, 1].
    The rules and numbers are POPGym's CountRecall; its Easy is `num_decks=1, deck_type="colors"`, its Medium
    `num_decks=2, deck_type="suits"`, its Hard `num_decks=4, deck_type="ranks"`.

    Observation: MultiDiscrete([c, c]), the kind dealt and the kind queried. Action: Discrete(n/c + 1), a count. There
    is no `is_success`: the return is the score.

    `best_return` is 1. `memoryless_return`: who sees only the current card and query learns whether they are alike.
    Let m = n/c. Where they are alike, and the query is alike at one card in c, every answer a from 1 to m - 1 is right
    at just one card of each kind, the a-th: c kinds make 1 right answer. Where they differ, an answer a from 0 to m - 1
    is right for the cards dealt between the a-th and the next one of the queried kind: of the m cards of another kind,
    m / (m + 1) on average, and 1 / c of them is queried about; c (c - 1) pairs of kinds make (c - 1) m / (m + 1) right
    answers. (The answer m is right less often, since nothing is asked at the last card.) So the best return is
    2 (1 + (c - 1) m / (m + 1)) / (n - 1) - 1: -0.923 for one deck's colours. Answers at random have 2 / (m + 1) - 1,
    here -0.926.

    Deviation from POPGym: no counts in the infos, which there give the answer away.

    Args:
        num_envs: rows of the batch, B.
        num_decks: decks of 52 cards that are shuffled together, at least 1.
        deck_type: what tells cards apart: "colors", "suits" or "ranks".
        render_mode: None, "ansi" or "rgb_array"; a frame shows the counts as columns, and below them which kind was
            dealt and which is queried.

    Raises:
        ValueError: if a number is out of its range, or the deck type is none of the three.
    """

    tests = "counting: sets whose order does not matter"
    knob = "num_decks: cards to count, 52 a deck"
    grades: ClassVar = {
        "Easy": {"num_decks": 1, "deck_type": "colors"},
        "Medium": {"num_decks": 2, "deck_type": "suits"},
        "Hard": {"num_decks": 4, "deck_type": "ranks"},
    }
    legend: ClassVar = (
        (" ", (226, 226, 220)),
        ("#", (62, 120, 85)),
        ("+", (40, 44, 52)),
        ("?", (205, 70, 60)),
    )

    def __init__(
        self, num_envs: int = 1, num_decks: int = 1, deck_type: str = "colors", render_mode: str | None = None
    ) -> None:
        self.num_decks = whole_number("num_decks", num_decks, low=1)
        if deck_type not in KINDS:
            raise ValueError(f"deck_type must be one of {tuple(KINDS)}, got {deck_type!r}")
        self.deck_type = deck_type
        self.num_cards, self.num_kinds = CARDS_PER_DECK * self.num_decks, KINDS[deck_type]
        self.max_count = self.num_cards // self.num_kinds
        spaces = MultiDiscrete([self.num_kinds] * 2), Discrete(self.max_count + 1)
        super().__init__(num_envs, *spaces, render_mode=render_mode)
        self._decks = np.tile(np.arange(self.num_cards) % self.num_kinds, (2, 1))
        self._rows = np.arange(self.num_envs)
        # Kinds in the order of dealing: the cards dealt, and the queries.
        self.state["cards"] = np.zeros((self.num_envs, 2, self.num_cards), np.int64)
        self.state["counts"] = np.zeros((self.num_envs, self.num_kinds), np.int64)
        self.best_return = 1.0
        right = 1 + (self.num_kinds - 1) * self.max_count / (self.max_count + 1)
        self.memoryless_return = 2 * right / (self.num_cards - 1) - 1
        self.memory_steps = self.num_cards - 2
        self.memory_bits = self.num_kinds * log2(self.max_count + 1)

    def begin(self, rows: Integers) -> None:
        for row in rows:
            self.generators[row].permuted(self._decks, axis=1, out=self.state["cards"][row])
        self.state["counts"][rows] = 0
        self.state["counts"][rows, self.state["cards"][rows, 0, 0]] = 1

    def advance(self, actions: Array) -> Transition:
        unit = 1 / (self.num_cards - 1)
        rewards = np.where(actions == self.oracle(), unit, -unit)
        following = self.state["step"] + 1
        self.state["counts"][self._rows, self.state["cards"][self._rows, 0, following]] += 1
        return Transition(rewards, following == self.num_cards - 1)

    def observe(self) -> Array:
        kinds: Array = self.state["cards"][self._rows, :, self.state["step"]]
        return kinds

    def oracle(self) -> Array:
        queried = self.state["cards"][self._rows, 1, self.state["step"]]
        counts: Array = self.state["counts"][self._rows, queried]
        return counts

    def glyphs(self) -> Integers:
        height = np.arange(self.max_count, 0, -1)[:, None]
        columns = np.where(self.state["counts"][:, None, :] >= height, BAR, EMPTY)
        kinds, shown = np.arange(self.num_kinds), self.observe()[:, :, None]
        marks = np.where(kinds == shown, [[DEALT], [QUERIED]], EMPTY)
        return np.concatenate([columns, marks], axis=1)


class SingleCountRecall(SingleEnv):
    """One `CountRecall` as a `gymnasium.Env`, with the same knobs."""

    family = CountRecall
