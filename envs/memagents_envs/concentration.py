"""Concentration: cards lie face down, and are turned over two at a time to find those that match.

Source: Morad et al., "POPGym: Benchmarking Partially Observable Reinforcement Learning", ICLR 2023 (arXiv 2303.01859).
"""

import functools
import math
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.colours import hues
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

NONE = -1
"""In place of a card that waits for its match: there is none."""

FACES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Concentration(BatchedEnv):
    """Turn cards over in pairs; those that match stay face up, the others are turned down again.

    n cards lie face down in n places, with v values, each on n/v of the cards. A turn is two steps, and each turns the
    card in one place over. Two cards of the same value, in two places, match and stay up: +2/n. Two that differ, or the
    same card twice, are a miss: -1/n; both show once more and lie face down from the next step on. To turn a card that
    is up already ends the turn at once, and costs 1/(2n) for every step the turn has taken. With the last match the
    episode ends; it is truncated after 2n steps. The return is in [-1, 1]. Rules and numbers are POPGym's.

    POPGym's grades are `num_cards=52, num_values=2` (Easy), `num_cards=104, num_values=2` (Medium) and `num_cards=52,
    num_values=13` (Hard). Ours are 8 and 16 cards in pairs, which are sooner learned, and POPGym's Hard. Two values
    say little about memory: half of all blind turns match, for a return near 0.47.

    Observation: MultiDiscrete [v + 1] * n, the value in each place, v where it lies face down. Action: Discrete(n), the
    place. `is_success`: all cards were matched.

    `best_return` is 1: who sees through the cards never misses. Who has to look first, and forgets nothing, needs
    about 1.61 turns for every pair (Velleman and Warrington, "What to Expect in a Game of Memory", 2013), which is a
    return of 0.76 on the Easy grade and 0.73 on the Medium one.
    `memoryless_return` is that of the best policy without memory that treats all places alike that show alike. It sees
    the first card of a turn and no other that is not matched, so it can do no better than to turn any card that lies
    face down: of m such cards, c of the first one's value, it finds a match with chance (c - 1) / (m - 1). The figure
    is the optimum of this game by dynamic programming, for a player who may also choose the value of each first card
    and knows the time; where all cards are in pairs, that choice is none.
    It is no bound for policies that treat places unlike: these can leave themselves notes, since the place of the first
    card, which they chose, still shows when they choose the second. With 4 cards that makes up for the memory (5/6 with
    either); for 6 and 8 cards, a search over deterministic tables has found one with 0.44 and one with -0.29.

    Deviation from POPGym: at the very last step, an episode that is won is terminated but not truncated too.

    Args:
        num_envs: rows of the batch, B.
        num_cards: n, at least 4.
        num_values: v, from 2 to n/2; every value must be on an even number of cards. By default n/2: all in pairs.
        render_mode: None, "ansi" or "rgb_array"; a frame shows what is seen, and below, what lies there.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "spatial recall: what lies where"
    knob = "num_cards: places to remember"
    grades: ClassVar = {
        "Easy": {"num_cards": 8},
        "Medium": {"num_cards": 16},
        "Hard": {"num_cards": 52, "num_values": 13},
    }
    legend: ClassVar = (
        *zip(FACES, hues(len(FACES)), strict=True),
        ("?", (40, 44, 52)),
    )

    def __init__(
        self, num_envs: int = 1, num_cards: int = 8, num_values: int | None = None, render_mode: str | None = None
    ) -> None:
        self.num_cards = whole_number("num_cards", num_cards, low=4)
        values = self.num_cards // 2 if num_values is None else num_values
        self.num_values = whole_number("num_values", values, low=2, high=self.num_cards // 2)
        self.copies, left_over = divmod(self.num_cards, self.num_values)
        if left_over or self.copies % 2:
            raise ValueError(
                "num_cards must be num_values times an even number, so that all cards can be matched; got num_cards "
                f"{num_cards} and num_values {values}"
            )
        super().__init__(
            num_envs,
            MultiDiscrete(np.full(self.num_cards, self.num_values + 1)),
            Discrete(self.num_cards),
            time_limit=2 * self.num_cards,
            render_mode=render_mode,
        )
        self._deck = np.arange(self.num_cards) % self.num_values
        self._rows = np.arange(self.num_envs)
        self.state["values"] = np.zeros((self.num_envs, self.num_cards), np.int64)  # by place
        self.state["matched"] = np.zeros((self.num_envs, self.num_cards), np.bool_)
        self.state["shown"] = np.zeros((self.num_envs, self.num_cards), np.bool_)
        self.state["first"] = np.full(self.num_envs, NONE)  # the place of the card that waits for its match
        self.best_return = 1.0
        self.memoryless_return = best_blind_return(self.num_cards, self.num_values)
        self.memory_steps = 2 * self.num_cards - 1
        layouts = math.factorial(self.num_cards) // math.factorial(self.copies) ** self.num_values
        self.memory_bits = math.log2(layouts)

    def begin(self, rows: Integers) -> None:
        self.state["values"][rows] = [self.generators[row].permutation(self._deck) for row in rows]
        self.state["matched"][rows] = self.state["shown"][rows] = False
        self.state["first"][rows] = NONE

    def advance(self, actions: Array) -> Transition:
        values, matched, shown, first = (self.state[name] for name in ("values", "matched", "shown", "first"))
        rows, is_second = self._rows, first != NONE
        was_up = matched[rows, actions]
        np.copyto(shown, matched)
        shown[rows, np.where(is_second, first, actions)] = True
        shown[rows, actions] = True
        alike = (values[rows, actions] == values[rows, first]) & (actions != first)
        match = is_second & alike & ~was_up
        matched[rows[match], actions[match]] = matched[rows[match], first[match]] = True
        steps_lost = np.where(was_up | (is_second & ~match), 1.0 + is_second, 0.0)
        rewards = np.where(match, 2 / self.num_cards, -steps_lost / (2 * self.num_cards))
        first[:] = np.where(is_second | was_up, NONE, actions)
        won = match & matched.all(axis=1)
        return Transition(rewards, won, won)

    def observe(self) -> Array:
        return np.where(self.state["shown"], self.state["values"], self.num_values)

    def oracle(self) -> Array:
        values, first = self.state["values"], self.state["first"]
        down = ~self.state["matched"]
        fits = down & (values == values[self._rows, first][:, None])
        fits[self._rows, first] = False
        places: Integers = np.where(first == NONE, down.argmax(axis=1), fits.argmax(axis=1))
        return places

    def glyphs(self) -> Integers:
        faces = self.state["values"] % len(FACES)
        return np.stack([np.where(self.state["shown"], faces, len(FACES)), faces], axis=1)


class SingleConcentration(SingleEnv):
    """One `Concentration` as a `gymnasium.Env`, with the same knobs."""

    family = Concentration


@functools.cache
def best_blind_return(num_cards: int, num_values: int) -> float:
    """The best return of a player who turns cards at random, but knows what is left, the time, and each first card."""
    ways = {(num_cards // num_values,) * num_values: 0}  # what lies face down: cards of each value left, by size
    turns: list[tuple[int, float, int]] = []
    queue = list(ways)
    for counts in queue:
        for count in set(counts):
            rest = list(counts)
            rest.remove(count)
            left = tuple(sorted([*rest, count - 2] if count > 2 else rest))
            if left not in ways:
                ways[left] = len(ways)
                queue.append(left)
            turns.append((ways[counts], (count - 1) / (sum(counts) - 1), ways[left]))
    before, chance, after = (np.array(column) for column in zip(*turns, strict=True))
    # With one step left, a card can be turned over for nothing.
    two_steps_later = one_step_later = np.zeros(len(ways))
    for _ in range(2, 2 * num_cards + 1):
        match, miss = 2 / num_cards + two_steps_later[after], -1 / num_cards + two_steps_later[before]
        now = np.full(len(ways), -np.inf)
        np.maximum.at(now, before, chance * match + (1 - chance) * miss)
        # Where a card is up already, a single step can be wasted on it.
        now[1:] = np.maximum(now[1:], one_step_later[1:] - 1 / (2 * num_cards))
        now[ways[()]] = 0.0
        two_steps_later, one_step_later = one_step_later, now
    return float(one_step_later[0])
