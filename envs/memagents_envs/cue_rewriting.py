"""Cue rewriting: a cue is replaced again and again, and only the latest counts when it is asked for.

Source: after Shchendrigin et al., "Memory Retention Is Not Enough to Master Memory Tasks in Reinforcement Learning",
AAMAS 2026 (arXiv 2601.15086), whose Endless T-Maze gives a new cue in every corridor. The task here is ours.
"""

from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

NUM_CUES = 4

BLANK, QUESTION = NUM_CUES, NUM_CUES + 1
"""What shows besides the cues 0 to 3."""


class CueRewriting(BatchedEnv):
    """Name the latest of many cues whenever the question shows.

    An episode has R + 1 rounds, for R rewrites. A round shows a cue for one step, one of 4 and always another than the
    round before, then nothing for 1 to `max_delay` steps. Then it asks, in half of the rounds, and in the last one
    always: the question shows for one step, and the answer should be the cue of the round. So the agent knows neither
    when it will be asked nor whether the cue it holds will be replaced unasked. Which cues are shown, how long nothing
    is and which rounds ask is drawn at the start, evenly. With the last answer the episode ends.

    Observation: Discrete(6), a cue from 0 to 3, 4 for nothing, 5 for the question. Action: Discrete(4), the answer; at
    any other time it is ignored. Reward: +1/q for a right answer and -1/q for a wrong one, with q questions in the
    episode, so that the return is in [-1, 1]. `is_success`: all answers were right.

    `best_return` is 1. `memoryless_return` is -0.5: the question looks the same whatever the cue was, and every cue is
    the latest equally often, whatever was done before. So any answer is right once in four, and 2/4 - 1 is the return
    of every policy without memory. Who remembers the first cue and never another does worse than that after the first
    rewrite, since the second cue is never the first.

    Deviations from the paper: no corridors to walk, hence no moves to learn; 4 cues rather than 2, for at two every
    rewrite would be a toggle; not every cue is asked for; and an episode ends.

    Args:
        num_envs: rows of the batch, B.
        num_rewrites: R, how often the cue is replaced, at least 1.
        max_delay: how many steps without anything may follow a cue, at least 1.
        render_mode: None, "ansi" or "rgb_array"; a frame shows what shows now and, beside it, the right answer.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "rewriting: a cue that is replaced, of which only the latest counts"
    knob = "num_rewrites: how often the cue is replaced"
    grades: ClassVar = {
        "Easy": {"num_rewrites": 4, "max_delay": 4},
        "Medium": {"num_rewrites": 16, "max_delay": 8},
        "Hard": {"num_rewrites": 64, "max_delay": 16},
    }
    legend: ClassVar = (
        ("A", (62, 120, 200)),
        ("B", (226, 140, 50)),
        ("C", (62, 160, 85)),
        ("D", (205, 70, 60)),
        (".", (226, 226, 220)),
        ("?", (40, 44, 52)),
    )

    def __init__(
        self, num_envs: int = 1, num_rewrites: int = 4, max_delay: int = 4, render_mode: str | None = None
    ) -> None:
        self.num_rewrites = whole_number("num_rewrites", num_rewrites, low=1)
        self.max_delay = whole_number("max_delay", max_delay, low=1)
        super().__init__(num_envs, Discrete(NUM_CUES + 2), Discrete(NUM_CUES), render_mode=render_mode)
        self._rows = np.arange(self.num_envs)
        rounds = self.num_rewrites + 1
        self.state["shown"] = np.zeros((self.num_envs, rounds * (self.max_delay + 2)), np.int8)  # by step
        self.state["cue"] = np.zeros(self.num_envs, np.int64)  # the latest
        self.state["asked"] = np.zeros(self.num_envs, np.int64)  # q
        self.state["right"] = np.zeros(self.num_envs, np.int64)  # answers so far
        self.state["length"] = np.zeros(self.num_envs, np.int64)
        self.best_return = 1.0
        self.memoryless_return = 2 / NUM_CUES - 1
        self.memory_steps = self.max_delay + 1
        self.memory_bits = 2.0

    def begin(self, rows: Integers) -> None:
        # The numbers drawn are multiples of all that is drawn evenly below, so that their remainders are even too.
        ways = 2 * NUM_CUES * (NUM_CUES - 1) * self.max_delay
        size = self.num_rewrites + 1
        drawn = np.array([self.generators[row].integers(ways, size=size) for row in rows])
        drawn, asks = drawn // 2, drawn % 2 == 1
        asks[:, -1] = True
        drawn, delays = drawn // self.max_delay, 1 + drawn % self.max_delay
        steps_on = np.where(np.arange(size) == 0, drawn % NUM_CUES, 1 + drawn % (NUM_CUES - 1))
        cues = steps_on.cumsum(axis=1) % NUM_CUES
        ends = (1 + delays + asks).cumsum(axis=1)
        shown = np.full((len(rows), self.state["shown"].shape[1]), BLANK, np.int8)
        every = np.arange(len(rows))[:, None]
        shown[every, ends - 1 - delays - asks] = cues
        row, turn = np.nonzero(asks)
        shown[row, ends[row, turn] - 1] = QUESTION
        self.state["shown"][rows] = shown
        self.state["cue"][rows] = cues[:, 0]
        self.state["asked"][rows] = asks.sum(axis=1)
        self.state["right"][rows] = 0
        self.state["length"][rows] = ends[:, -1]

    def advance(self, actions: Array) -> Transition:
        asked, right, cue = self.state["asked"], self.state["right"], self.state["cue"]
        question = self._shown(self.state["step"]) == QUESTION
        correct = question & (actions == cue)
        right += correct
        rewards = np.where(question, np.where(correct, 1.0, -1.0) / asked, 0.0)
        ends = self.state["step"] == self.state["length"] - 1
        after = self._shown(np.where(ends, 0, self.state["step"] + 1))
        np.copyto(cue, after, where=after < NUM_CUES)
        return Transition(rewards, ends, right == asked)

    def observe(self) -> Array:
        return self._shown(np.minimum(self.state["step"], self.state["length"] - 1))

    def oracle(self) -> Array:
        return self.state["cue"].copy()

    def glyphs(self) -> Integers:
        return np.stack([self.observe(), self.state["cue"]], axis=1)[:, None, :]

    def _shown(self, step: Integers) -> Integers:
        """What shows at the `step[b]`-th step of every row b."""
        return self.state["shown"][self._rows, step].astype(np.int64)


class SingleCueRewriting(SingleEnv):
    """One `CueRewriting` as a `gymnasium.Env`, with the same knobs."""

    family = CueRewriting
