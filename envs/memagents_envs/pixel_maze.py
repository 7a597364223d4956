"""A maze of pixels: the colour of the place where it starts says which way to turn at its end.

The task is the T-maze's (Bram Bakker, "Reinforcement Learning with Long Short-Term Memory", NeurIPS 14, 2001), with a
winding way, seen from above through a small window, for encoders of images.
"""

import functools
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete

from memagents_envs.batched import Array, BatchedEnv, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

NORTH, EAST, SOUTH, WEST = range(4)
OPPOSITE = np.array([SOUTH, WEST, NORTH, EAST])

WALL, FLOOR, RED_CUE, GREEN_CUE, RED_GOAL, GREEN_GOAL, AGENT = range(7)

COLOURS = np.array(
    [(40, 44, 52), (226, 226, 220), (205, 70, 60), (62, 160, 85), (205, 70, 60), (62, 160, 85)], np.uint8
)

REACH, TILE = 2, 8
"""Cells that the window reaches from its middle, where the agent is, and pixels of a cell."""

KINDS, WINDOW = len(COLOURS), 2 * REACH + 1
SIDE = WINDOW * TILE


class PixelMaze(BatchedEnv):
    """Follow a winding corridor of N cells, and take the goal that has the colour of the place where it began.

    The corridor goes east, and north or south: which of the two, and where it bends, is drawn for every episode. It
    starts and ends with two cells to the east. Its first cell is red or green, each in half of the episodes. At its
    end (the junction, N steps from the start) there are two goals, the red one to the north and the green one to the
    south. The agent sees the 5 x 5 cells around itself. When a goal comes into view, the first cell is out of it.
    The goals do not change sides: to combine what was seen with what is seen is another test than to remember it.

    Observation: image [40, 40, 3] of uint8, 8 x 8 pixels a cell: walls dark, corridor light, the first cell filled
    with its colour, a goal a square of its colour on the corridor's. North is up; the agent is in the middle, and is
    not drawn. Actions: 0 North, 1 East, 2 South, 3 West.
    Reward: into a goal ends the episode, with +1 if it has the colour of the first cell and -1 if not. A move that
    brings the agent closer to the junction costs nothing, any other move, or one against a wall, 0.1. An episode is
    truncated after 4 (N + 1) steps. `is_success`: the right goal was reached.

    `best_return` is 1: N moves along the corridor cost nothing, the right goal gives 1.
    `memoryless_return` is 0. Where the first cell is out of view, nothing that shows depends on its colour, and a
    policy without memory does the same for either: of the episodes that reach a goal, it reaches the red one in the
    same part whether that is right or wrong. If it always reached one, it would gain 0. To reach none, on one of the
    colours, costs more than 1: of the 4 (N + 1) steps at most half and N / 2 bring the agent closer, and the rest cost
    0.1 each. So it does not pay to sit an episode out.

    Args:
        num_envs: rows of the batch, B.
        distance: N, at least 10; steps from the start to the junction. A shorter corridor could bend so that its start
            and a goal show at once.
        render_mode: None, "ansi" or "rgb_array"; a frame shows the whole maze.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "retention of what an image showed, over a delay"
    knob = "distance: steps to remember the colour"
    grades: ClassVar = {"Easy": {"distance": 10}, "Medium": {"distance": 30}, "Hard": {"distance": 100}}
    legend: ClassVar = (
        ("#", (40, 44, 52)),
        (".", (226, 226, 220)),
        ("r", (205, 70, 60)),
        ("g", (62, 160, 85)),
        ("R", (205, 70, 60)),
        ("G", (62, 160, 85)),
        ("@", (60, 90, 190)),
    )

    def __init__(self, num_envs: int = 1, distance: int = 10, render_mode: str | None = None) -> None:
        self.distance = whole_number("distance", distance, low=10)
        super().__init__(
            num_envs,
            Box(0, 255, (SIDE, SIDE, 3), np.uint8),
            Discrete(4),
            time_limit=4 * (self.distance + 1),
            render_mode=render_mode,
        )
        # Bends take the corridor N - 4 cells to the north or south at the most, and the window reaches beyond.
        self.height = self.distance - 3 + 2 * REACH
        self.width = self.distance + 1 + 2 * REACH
        shape = (self.num_envs, self.height * self.width)
        self.state["cells"] = np.zeros(shape, np.uint8)  # the maze, row by row from the north-west
        self.state["ahead"] = np.zeros((self.num_envs, self.distance + 1), np.int64)  # the way on, from every cell
        self.state["place"] = np.zeros((self.num_envs, self.distance + 1), np.int64)  # where it is in `cells`
        self.state["progress"] = np.zeros(self.num_envs, np.int64)  # cells walked along the corridor
        self.state["cue_is_red"] = np.zeros(self.num_envs, np.bool_)
        self._rows = np.arange(self.num_envs)
        self._stride = np.array([-self.width, 1, self.width, -1])
        span = np.arange(-REACH, REACH + 1)
        self._window = (span[:, None] * self.width + span).ravel()
        self.best_return = 1.0
        self.memoryless_return = 0.0
        self.memory_steps = self.distance - REACH
        self.memory_bits = 1.0

    def begin(self, rows: Integers) -> None:
        coins = np.array([self.generators[row].random(self.distance - 2) < 0.5 for row in rows])
        cue_is_red, goes_north, bends = coins[:, 0], coins[:, 1], coins[:, 2:]
        ahead = np.full((len(rows), self.distance + 1), EAST)
        ahead[:, 2:-3] = np.where(bends, np.where(goes_north, NORTH, SOUTH)[:, None], EAST)
        line = np.where(goes_north, self.height - 1 - REACH, REACH)
        start = line * self.width + REACH
        moves = self._stride[ahead[:, :-1]]
        place = start[:, None] + np.concatenate([np.zeros((len(rows), 1), np.int64), moves.cumsum(axis=1)], axis=1)
        cells = np.full((len(rows), self.height * self.width), WALL, np.uint8)
        np.put_along_axis(cells, place, FLOOR, axis=1)
        each, junction = np.arange(len(rows)), place[:, -1]
        cells[each, start] = np.where(cue_is_red, RED_CUE, GREEN_CUE)
        cells[each, junction - self.width] = RED_GOAL
        cells[each, junction + self.width] = GREEN_GOAL
        drawn = {"cells": cells, "ahead": ahead, "place": place, "cue_is_red": cue_is_red}
        for name, values in drawn.items():
            self.state[name][rows] = values
        self.state["progress"][rows] = 0

    def advance(self, actions: Array) -> Transition:
        ahead, progress = self.state["ahead"], self.state["progress"]
        at_junction = progress == self.distance
        chooses = at_junction & ((actions == NORTH) | (actions == SOUTH))
        success = chooses & (actions == self._right_goal())
        forward = ~at_junction & (actions == ahead[self._rows, progress])
        back = (progress > 0) & (actions == OPPOSITE[ahead[self._rows, progress - 1]])
        rewards = np.where(chooses, np.where(success, 1.0, -1.0), np.where(forward, 0.0, -0.1))
        progress += forward
        progress -= back
        return Transition(rewards, chooses, success)

    def observe(self) -> Array:
        middle = self.state["place"][self._rows, self.state["progress"]]
        seen = self.state["cells"][self._rows[:, None], middle[:, None] + self._window]
        lines = seen.reshape(-1, WINDOW) @ KINDS ** np.arange(WINDOW)
        images: Array = drawn_lines().take(lines, axis=0).reshape(-1, SIDE, SIDE, 3)
        return images

    def oracle(self) -> Array:
        progress = self.state["progress"]
        return np.where(progress == self.distance, self._right_goal(), self.state["ahead"][self._rows, progress])

    def glyphs(self) -> Integers:
        cells = self.state["cells"].astype(np.int64)
        cells[self._rows, self.state["place"][self._rows, self.state["progress"]]] = AGENT
        return cells.reshape(-1, self.height, self.width)

    def _right_goal(self) -> Integers:
        return np.where(self.state["cue_is_red"], NORTH, SOUTH)


class SinglePixelMaze(SingleEnv):
    """One `PixelMaze` as a `gymnasium.Env`, with the same knobs."""

    family = PixelMaze


@functools.cache
def drawn_lines() -> Array:
    """Pixels of every line of cells there can be, [KINDS ^ WINDOW, TILE x SIDE x 3].

    The kinds of the cells, from west to east, are the digits of a line's number, the lowest first. With whole lines
    instead of cells, five of them make an image.
    """
    tiles = np.repeat(np.repeat(COLOURS[:, None, None], TILE, axis=1), TILE, axis=2)
    for goal in (RED_GOAL, GREEN_GOAL):
        tiles[goal] = COLOURS[FLOOR]
        tiles[goal, 2:-2, 2:-2] = COLOURS[goal]
    lines = np.arange(KINDS**WINDOW)[:, None] // KINDS ** np.arange(WINDOW) % KINDS
    return tiles[lines].transpose(0, 2, 1, 3, 4).reshape(len(lines), -1)
