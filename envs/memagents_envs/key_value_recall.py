"""Key-value recall: pairs of a key and a value are shown; then a key is shown, and its value to be named.

Sources: the associative recall of Ba et al., "Using Fast Weights to Attend to the Recent Past", NeurIPS 2016 (arXiv
1610.06258), section 4.1, and, with several queries, of Arora et al., "Zoology: Measuring and Improving Recall in
Efficient Language Models", ICLR 2024 (arXiv 2312.04927).
"""

from math import log2
from string import ascii_uppercase
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.colours import hues
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

UNSEEN, MARK, LETTER = range(3)


class KeyValueRecall(BatchedEnv):
    """n pairs of a key and a value show one after another; then q of the keys show alone, and their values are asked.

    Every key from 0 to n - 1 has a value, drawn from m that are equally likely; several keys may have the same. All
    pairs show, in random order, and then q different keys, in an order that has nothing to do with the first. So what
    must be found again is known by its key, not by when it was shown. An answer gives +1/q if right and -1/q if wrong,
    and an episode takes n + q steps, so that the return is in [-1, 1]; what is done while pairs show does not count.

    Observation: MultiDiscrete([n, m + 1]), a key and its value, or m for the value that is asked for. Action:
    Discrete(m), a value. There is no `is_success`: the return is the score.

    `best_return` is 1. `memoryless_return` is 2/m - 1, that of every memoryless policy, random ones too: whenever an
    answer is asked only the key shows, and values are drawn without regard to keys, each of the m equally likely.

    Deviations from the papers: a key and its value show in one step, there one after the other; every key appears, so
    that which of them appear is nothing to remember; an answer is rewarded, there the sequence to be learned from is
    given.

    Args:
        num_envs: rows of the batch, B.
        num_pairs: n, at least 1.
        num_values: m, from 2 to 26.
        num_queries: q, from 1 to n; None asks for every key once.
        render_mode: None, "ansi" or "rgb_array"; a frame shows by key the values that have been shown, and below them
            a mark at the key that shows.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "content addressing: values by their keys"
    knob = "num_pairs: values to hold at once, by key"
    grades: ClassVar = {"Easy": {"num_pairs": 4}, "Medium": {"num_pairs": 16}, "Hard": {"num_pairs": 64}}
    legend: ClassVar = (
        (" ", (226, 226, 220)),
        ("^", (40, 44, 52)),
        *zip(ascii_uppercase, hues(len(ascii_uppercase)), strict=True),
    )

    def __init__(
        self,
        num_envs: int = 1,
        num_pairs: int = 4,
        num_values: int = 4,
        num_queries: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.num_pairs = whole_number("num_pairs", num_pairs, low=1)
        self.num_values = whole_number("num_values", num_values, low=2, high=len(ascii_uppercase))
        asked = self.num_pairs if num_queries is None else num_queries
        self.num_queries = whole_number("num_queries", asked, low=1, high=self.num_pairs)
        spaces = MultiDiscrete([self.num_pairs, self.num_values + 1]), Discrete(self.num_values)
        super().__init__(num_envs, *spaces, render_mode=render_mode)
        self._rows = np.arange(self.num_envs)
        num_steps = self.num_pairs + self.num_queries
        self.state["keys"] = np.zeros((self.num_envs, num_steps), np.int64)  # as they show: pairs, then queries
        self.state["values"] = np.zeros((self.num_envs, self.num_pairs), np.int64)  # by key
        self.best_return = 1.0
        self.memoryless_return = 2 / self.num_values - 1
        self.memory_steps = num_steps - 1
        self.memory_bits = self.num_pairs * log2(self.num_values)

    def begin(self, rows: Integers) -> None:
        drawn = np.empty((len(rows), 3, self.num_pairs))
        for index, row in enumerate(rows):
            self.generators[row].random(out=drawn[index])
        orders = drawn[:, :2].argsort(axis=2)  # two permutations of the keys
        self.state["keys"][rows, : self.num_pairs] = orders[:, 0]
        self.state["keys"][rows, self.num_pairs :] = orders[:, 1, : self.num_queries]
        self.state["values"][rows] = drawn[:, 2] * self.num_values  # rounded down

    def advance(self, actions: Array) -> Transition:
        unit = 1 / self.num_queries
        rewards = np.where(actions == self.oracle(), unit, -unit)
        rewards[self.state["step"] < self.num_pairs] = 0.0
        return Transition(rewards, self.state["step"] == self.memory_steps)

    def observe(self) -> Array:
        key = self._key()
        observations = np.empty((self.num_envs, 2), np.int64)
        observations[:, 0] = key
        value = self.state["values"][self._rows, key]
        observations[:, 1] = np.where(self.state["step"] < self.num_pairs, value, self.num_values)
        return observations

    def oracle(self) -> Array:
        values: Array = self.state["values"][self._rows, self._key()]
        return values

    def glyphs(self) -> Integers:
        step = self.state["step"][:, None]
        when = self.state["keys"][:, : self.num_pairs].argsort(axis=1)  # the step at which a key shows with its value
        shown = np.where(when > step, UNSEEN, self.state["values"] + LETTER)
        marks = np.where(np.arange(self.num_pairs) == self._key()[:, None], MARK, UNSEEN)
        return np.stack([shown, marks], axis=1)

    def _key(self) -> Integers:
        """The key that shows; after the end still the last one."""
        keys: Integers = self.state["keys"][self._rows, np.minimum(self.state["step"], self.memory_steps)]
        return keys


class SingleKeyValueRecall(SingleEnv):
    """One `KeyValueRecall` as a `gymnasium.Env`, with the same knobs."""

    family = KeyValueRecall
