"""The T-maze: a sign at the start of a corridor says which way to turn at its end.

Source: Bram Bakker, "Reinforcement Learning with Long Short-Term Memory", NeurIPS 14 (2001), its T-maze task.
"""

from typing import ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete

from memagents_envs.batched import Array, BatchedEnv, Floats, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

NORTH, EAST, SOUTH, WEST = range(4)

EASTWARD = np.array([0, 1, 0, -1])
"""How far along the corridor an action takes the agent, by action."""

SIGN_SOUTH, SIGN_NORTH, CORRIDOR, JUNCTION = range(4)

BITS = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 1, 0]], np.float32)
"""What is seen, by kind of place."""

WALL, FLOOR, GOAL, AGENT = range(4)

STRIPE = 12
"""Width in pixels of a bit, where the bits are shown as an image; three of them are what SB3's CNN needs at least."""


class TMaze(BatchedEnv):
    """Walk a corridor of N cells and turn, at the junction, the way the sign at its start said.

    The agent starts at position 0, where it sees the road sign: 011 (the goal is north) or 110 (south), each in half
    of the episodes. In the corridor it sees 101, at the junction (position N) 010. The cue shows whenever the agent
    stands at position 0. To know the way at the junction is to remember for at least N steps.

    Observation: Box [3] of zeros and ones, or with `pixels` a grey image [36, 36, 1] in which each bit is a black or
    white stripe, for encoders of images. Actions: 0 North, 1 East, 2 South, 3 West (the order is ours).
    Reward: at the junction North and South end the episode, with +1 in the right arm and -1 in the wrong one. A move
    that brings the agent closer to the junction costs nothing, any other move 0.1. An episode is truncated after
    4 (N + 1) steps. `is_success`: the right arm was reached.

    `best_return` is 1: N moves East cost nothing, the right turn gives 1.
    `memoryless_return` is 0: at the junction both signs look the same, so whoever turns wins as often as it loses.
    N = 1 is the exception, with 0.1: so short an episode can be sat out. The policy that turns as one sign says, and
    stands still for all 8 steps at the other, gains 1 and loses 0.8 in turn. For N = 2 standing still already costs
    more than the wrong arm. The best memoryless policy that turns is right in half of the episodes.

    Deviations from the paper: the goal is worth 1 (there 4) and the wrong arm -1 (there -0.1), and moving west costs
    0.1 as standing still does (there standing still only); the paper names no time limit.

    Args:
        num_envs: rows of the batch, B.
        corridor_length: N, at least 1; the steps from the sign to the junction.
        pixels: whether the bits are shown as an image.
        render_mode: None, "ansi" or "rgb_array".

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "retention: one bit over a delay"
    knob = "corridor_length: steps to remember the sign"
    grades: ClassVar = {
        "Easy": {"corridor_length": 10},
        "Medium": {"corridor_length": 50},
        "Hard": {"corridor_length": 200},
    }
    action_names: ClassVar = ("north", "east", "south", "west")
    legend: ClassVar = (
        ("#", (40, 44, 52)),
        (".", (226, 226, 220)),
        ("G", (62, 160, 85)),
        ("@", (205, 70, 60)),
    )

    def __init__(
        self, num_envs: int = 1, corridor_length: int = 10, pixels: bool = False, render_mode: str | None = None
    ) -> None:
        self.corridor_length = whole_number("corridor_length", corridor_length, low=1)
        self.shown = as_stripes(BITS) if pixels else BITS
        super().__init__(
            num_envs,
            Box(0, 255, self.shown.shape[1:], np.uint8) if pixels else Box(0.0, 1.0, (3,), np.float32),
            Discrete(4),
            time_limit=4 * (self.corridor_length + 1),
            render_mode=render_mode,
        )
        self.state["goal_is_north"] = np.zeros(self.num_envs, np.bool_)
        self.state["position"] = np.zeros(self.num_envs, np.int64)
        self.best_return = 1.0
        self.memoryless_return = 0.1 if self.corridor_length == 1 else 0.0
        self.memory_steps = self.corridor_length
        self.memory_bits = 1.0

    def begin(self, rows: Integers) -> None:
        self.state["goal_is_north"][rows] = [self.generators[row].random() < 0.5 for row in rows]
        self.state["position"][rows] = 0

    def advance(self, actions: Array) -> Transition:
        position = self.state["position"]
        moved = np.clip(position + EASTWARD[actions], 0, self.corridor_length)
        turns = (position == self.corridor_length) & ((actions == NORTH) | (actions == SOUTH))
        success = turns & ((actions == NORTH) == self.state["goal_is_north"])
        arm: Floats = np.where(success, 1.0, -1.0)
        rewards = np.where(turns, arm, np.where(moved > position, 0.0, -0.1))
        position[:] = moved
        return Transition(rewards, turns, success)

    def observe(self) -> Array:
        position = self.state["position"]
        along = np.where(position == self.corridor_length, JUNCTION, CORRIDOR)
        sign = np.where(self.state["goal_is_north"], SIGN_NORTH, SIGN_SOUTH)
        return self.shown[np.where(position == 0, sign, along)]

    def oracle(self) -> Array:
        turn = np.where(self.state["goal_is_north"], NORTH, SOUTH)
        return np.where(self.state["position"] == self.corridor_length, turn, EAST)

    def glyphs(self) -> Integers:
        cells = np.full((self.num_envs, 3, self.corridor_length + 1), WALL)
        cells[:, 1, :] = cells[:, :, -1] = FLOOR
        rows = np.arange(self.num_envs)
        cells[rows, np.where(self.state["goal_is_north"], 0, 2), -1] = GOAL
        cells[rows, 1, self.state["position"]] = AGENT
        return cells


class SingleTMaze(SingleEnv):
    """One `TMaze` as a `gymnasium.Env`, with the same knobs."""

    family = TMaze


def as_stripes(bits: Array) -> Array:
    """Every row of bits as a grey image of upright stripes, `[B, height, width, 1]`."""
    stripes = np.repeat(255 * bits.astype(np.uint8), STRIPE, axis=1)
    return np.repeat(stripes[:, None, :, None], stripes.shape[1], axis=1)
