"""Copy: symbols are shown, and after a delay they are to be named again.

Sources: the copy tasks of Graves et al., "Neural Turing Machines", 2014 (arXiv 1410.5401), section 4.1, and, with a
delay, of Arjovsky et al., "Unitary Evolution Recurrent Neural Networks", ICML 2016 (arXiv 1511.06464), section 5.1.
"""

from math import log2
from string import ascii_uppercase
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.colours import hues
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

ORDERS = ("forward", "reverse")

UNSEEN, MARK, LETTER = range(3)


class Copy(BatchedEnv):
    """k symbols show one after another; after a delay of d steps, name all of them, in the same order or in reverse.

    Every symbol is drawn anew from an alphabet of m, each equally likely. An episode takes 2k + d steps: k with a
    symbol each, d with a blank, and k with a cue, at which an answer is asked. It gives +1/k if right and -1/k if
    wrong, so that the return is in [-1, 1]; what is done before does not count.

    Observation: Discrete(m + 2), the symbols 0 to m - 1, the blank m and the cue m + 1. Action: Discrete(m), a symbol.
    There is no `is_success`: the return is the score.

    `best_return` is 1. `memoryless_return` is 2/m - 1, that of every memoryless policy, random ones too: whenever an
    answer is asked the cue shows, which says nothing about the symbol, and each of the m is equally likely.

    Deviations from the papers: there the sequence to be learned from is given, here a reward for every symbol; there a
    delimiter shows once before the answers, here the cue shows at each of them. The order "reverse" is ours.

    Args:
        num_envs: rows of the batch, B.
        num_symbols: k, at least 1.
        alphabet_size: m, from 2 to 26.
        delay: d, at least 0; the steps between the last symbol and the first answer.
        order: "forward" asks for the first symbol first, "reverse" for the last.
        render_mode: None, "ansi" or "rgb_array"; a frame shows the symbols that have been shown, and below them a mark
            at the one that shows or is asked for.

    Raises:
        ValueError: if a number is out of its range, or the order is none of the two.
    """

    tests = "capacity: a sequence of symbols, in order"
    knob = "num_symbols: symbols to hold at once, in order"
    grades: ClassVar = {"Easy": {"num_symbols": 4}, "Medium": {"num_symbols": 16}, "Hard": {"num_symbols": 64}}
    legend: ClassVar = (
        (" ", (226, 226, 220)),
        ("^", (40, 44, 52)),
        *zip(ascii_uppercase, hues(len(ascii_uppercase)), strict=True),
    )

    def __init__(
        self,
        num_envs: int = 1,
        num_symbols: int = 4,
        alphabet_size: int = 4,
        delay: int = 4,
        order: str = "forward",
        render_mode: str | None = None,
    ) -> None:
        self.num_symbols = whole_number("num_symbols", num_symbols, low=1)
        self.alphabet_size = whole_number("alphabet_size", alphabet_size, low=2, high=len(ascii_uppercase))
        self.delay = whole_number("delay", delay, low=0)
        if order not in ORDERS:
            raise ValueError(f"order must be one of {ORDERS}, got {order!r}")
        self.order = order
        self.first_answer = self.num_symbols + self.delay  # the step at which the cue shows first
        spaces = Discrete(self.alphabet_size + 2), Discrete(self.alphabet_size)
        super().__init__(num_envs, *spaces, render_mode=render_mode)
        self._rows = np.arange(self.num_envs)
        # By step, the place of the symbol that is asked for; the first to be asked for, as long as none is.
        steps, last = np.arange(self.first_answer + self.num_symbols + 1), self.num_symbols - 1
        answered = np.clip(steps - self.first_answer, 0, last)
        self._asked = last - answered if order == "reverse" else answered
        self.state["symbols"] = np.zeros((self.num_envs, self.num_symbols), np.int64)
        self.best_return = 1.0
        self.memoryless_return = 2 / self.alphabet_size - 1
        self.memory_steps = self.first_answer + (self.num_symbols - 1 if order == "reverse" else 0)
        self.memory_bits = self.num_symbols * log2(self.alphabet_size)

    def begin(self, rows: Integers) -> None:
        drawn = np.empty((len(rows), self.num_symbols))
        for index, row in enumerate(rows):
            self.generators[row].random(out=drawn[index])
        self.state["symbols"][rows] = drawn * self.alphabet_size  # rounded down

    def advance(self, actions: Array) -> Transition:
        unit = 1 / self.num_symbols
        rewards = np.where(actions == self.oracle(), unit, -unit)
        rewards[self.state["step"] < self.first_answer] = 0.0
        return Transition(rewards, self.state["step"] == self.first_answer + self.num_symbols - 1)

    def observe(self) -> Array:
        step, blank, cue = self.state["step"], self.alphabet_size, self.alphabet_size + 1
        symbol = self.state["symbols"][self._rows, np.minimum(step, self.num_symbols - 1)]
        return np.where(step < self.num_symbols, symbol, np.where(step < self.first_answer, blank, cue))

    def oracle(self) -> Array:
        symbols: Array = self.state["symbols"][self._rows, self._asked[self.state["step"]]]
        return symbols

    def glyphs(self) -> Integers:
        step, place = self.state["step"][:, None], np.arange(self.num_symbols)
        shown = np.where(place > step, UNSEEN, self.state["symbols"] + LETTER)
        shows = (place == step) | ((place == self._asked[step]) & (step >= self.first_answer))
        return np.stack([shown, np.where(shows, MARK, UNSEEN)], axis=1)


class SingleCopy(SingleEnv):
    """One `Copy` as a `gymnasium.Env`, with the same knobs."""

    family = Copy
