"""Bandits: find the arm that pays best, and stay with it.

Source: Morad et al., "POPGym: Benchmarking Partially Observable Reinforcement Learning", ICLR 2023 (arXiv 2303.01859),
its multi-armed bandit. As a task that has to be learned anew within every episode: Duan et al., "RL²: Fast
Reinforcement Learning via Slow Reinforcement Learning", 2016 (arXiv 1611.02779).
"""

import math
from functools import cache
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

SHADES = 8
"""In how many steps of brightness a frame shows how often an arm pays."""


class Bandit(BatchedEnv):
    """Pull one of K arms, T times; every arm pays with a chance of its own, drawn anew in every episode.

    The chances are drawn evenly from [0, 1], each by itself, and stay the same for the T steps of an episode. A pull
    that pays gives +1/T, one that does not -1/T, so that the return is in [-1, 1]. The rules and numbers are POPGym's
    MultiarmedBandit, whose grades are 10 arms and 200 steps, 20 and 400, 30 and 600. Ours begin with 5 arms and 100
    steps, where an agent is sooner better than one that stays with what has just paid.

    Observation: MultiDiscrete [K + 1, 2], the arm that was pulled last (K before the first pull) and whether it paid.
    Action: Discrete(K), the arm. There is no `is_success`: the return is the score.

    `best_return` is (K - 1) / (K + 1): the best of K such chances is K / (K + 1) on average. Who does not see the
    chances has to pay for finding out, and stays below.
    `memoryless_return` bounds what can be done with the last pull alone. The best that is known to do is to stay with
    an arm that paid and to leave one that did not. Over time an arm that fails with chance x then holds its player for
    1/x pulls a visit, so that visits to all arms in turn fail with chance K / sum(1/x), the harmonic mean, and in
    expectation over the chances the return is 1 - 2 E[K / sum(1/x)] = 1 - 2K ∫ φ(s)^K ds with φ(s) = E[exp(-s/x)],
    since 1/S is the integral of exp(-sS) over s. To visit some arms more often than others does not help: the harmonic
    mean with weights is convex in them, and the arms are alike. A finite episode, which starts at an arm like any
    other, stays a little below.

    Deviation from POPGym: there the observation is only whether the last pull paid, and a wrapper adds the action.

    Args:
        num_envs: rows of the batch, B.
        num_arms: K, at least 2.
        episode_length: T, the number of pulls, at least 2; by default 20 for every arm, as in POPGym.
        render_mode: None, "ansi" or "rgb_array"; a frame shows how often each arm pays, and below, the last pull.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "learning within an episode: how often each of many choices has paid"
    knob = "num_arms: chances to keep apart"
    grades: ClassVar = {
        "Easy": {"num_arms": 5, "episode_length": 100},
        "Medium": {"num_arms": 10, "episode_length": 200},
        "Hard": {"num_arms": 20, "episode_length": 400},
    }
    legend: ClassVar = (
        *((str(shade), (30 * shade + 20, 25 * shade + 60, 120)) for shade in range(SHADES)),
        (" ", (226, 226, 220)),
        ("-", (205, 70, 60)),
        ("+", (62, 160, 85)),
    )

    def __init__(
        self,
        num_envs: int = 1,
        num_arms: int = 10,
        episode_length: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.num_arms = whole_number("num_arms", num_arms, low=2)
        length = 20 * self.num_arms if episode_length is None else episode_length
        self.episode_length = whole_number("episode_length", length, low=2)
        super().__init__(
            num_envs,
            MultiDiscrete([self.num_arms + 1, 2]),
            Discrete(self.num_arms),
            time_limit=self.episode_length,
            render_mode=render_mode,
        )
        self._rows = np.arange(self.num_envs)
        self.state["chances"] = np.zeros((self.num_envs, self.num_arms))
        self.state["luck"] = np.zeros((self.num_envs, self.episode_length))  # a pull pays if its chance is above it
        self.state["last_arm"] = np.zeros(self.num_envs, np.int64)
        self.state["last_paid"] = np.zeros(self.num_envs, np.int64)
        self.best_return = (self.num_arms - 1) / (self.num_arms + 1)
        self.memoryless_return = 1 - 2 * mean_harmonic_mean(self.num_arms)
        self.memory_steps = self.episode_length - 1
        # How often each arm has paid and has not: 2K counts that add up to T - 1 pulls at the most.
        self.memory_bits = math.log2(math.comb(self.episode_length - 1 + 2 * self.num_arms, 2 * self.num_arms))

    def begin(self, rows: Integers) -> None:
        size = self.num_arms + self.episode_length
        drawn = np.array([self.generators[row].random(size) for row in rows])
        self.state["chances"][rows] = drawn[:, : self.num_arms]
        self.state["luck"][rows] = drawn[:, self.num_arms :]
        self.state["last_arm"][rows] = self.num_arms
        self.state["last_paid"][rows] = 0

    def advance(self, actions: Array) -> Transition:
        luck = self.state["luck"][self._rows, self.state["step"]]
        paid = luck < self.state["chances"][self._rows, actions]
        self.state["last_arm"][:], self.state["last_paid"][:] = actions, paid
        unit = 1 / self.episode_length
        return Transition(np.where(paid, unit, -unit), np.zeros(self.num_envs, np.bool_))

    def observe(self) -> Array:
        return np.stack([self.state["last_arm"], self.state["last_paid"]], axis=1)

    def oracle(self) -> Array:
        best: Integers = self.state["chances"].argmax(axis=1)
        return best

    def glyphs(self) -> Integers:
        shades = (self.state["chances"] * SHADES).astype(np.int64)
        pulled = self.state["last_arm"][:, None] == np.arange(self.num_arms)
        marks = np.where(pulled, SHADES + 1 + self.state["last_paid"][:, None], SHADES)
        return np.stack([shades, marks], axis=1)


class SingleBandit(SingleEnv):
    """One `Bandit` as a `gymnasium.Env`, with the same knobs."""

    family = Bandit


@cache
def mean_harmonic_mean(count: int) -> float:
    """The expected harmonic mean of `count` numbers drawn evenly from [0, 1], to about four digits."""
    x = (np.arange(2000) + 0.5) / 2000
    # s = u² gathers the points of the integral where φ(s) falls steeply; beyond s = 16 nothing is left of it.
    u = (np.arange(1000) + 0.5) / 250
    phi = np.array([np.exp(-s / x).mean() for s in u * u])
    return float(count * np.sum(phi**count * 2 * u) / 250)
