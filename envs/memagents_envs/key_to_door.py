"""Key to door: pick up a key, spend a while at something else, then open the one door that the key fits.

Source: after the Key-to-Door task of Hung et al., "Optimizing Agent Behavior over Long Time Scales by Transporting
Value", Nature Communications 2019 (arXiv 1810.06721), also in Ni et al., "When Do Transformers Shine in RL? Decoupling
Memory from Credit Assignment", NeurIPS 2023 (arXiv 2307.03864). The rooms and the colours are ours.
"""

from typing import ClassVar

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from memagents_envs.batched import Array, BatchedEnv, Bools, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv

WEST, EAST = range(2)

ROOM = 5
MIDDLE = ROOM // 2
ROOM_STEPS = 4
"""How long the room of the key and the room of the doors last, at the most."""

EMPTY, RED_KEY, BLUE_KEY, RED_DOOR, BLUE_DOOR, APPLE = range(6)

AGENT = 6


class KeyToDoor(BatchedEnv):
    """Fetch a key, eat apples for a while, then open the door of the key's colour.

    An episode leads through three rooms, each a row of 5 cells that the agent enters in the middle and crosses step by
    step, to the west or to the east. In the first, for 4 steps, a key lies at one end; to step on it is to pick it up.
    In the second, for D steps, one apple hangs in some cell; to step there is to eat it, and the next one hangs in
    another cell. In the third, for at most 4 steps, there is a door at each end, one red and one blue. To step to a
    door ends the episode: it opens if the agent has the key and the key is of its colour. Colour and end of the key,
    the ends of the doors and the cells of the apples are drawn evenly.

    Observation: MultiDiscrete [6] * 5 + [5], what is in each cell (0 nothing, 1 a red key, 2 a blue key, 3 the red
    door, 4 the blue door, 5 an apple) and the cell of the agent. Nothing shows whether the agent has a key, and the
    time does not show either. Actions: 0 West, 1 East; at the end of a room, to walk on is to stay.
    Reward: 1/D for an apple, 1 for the door that opens. An episode is truncated after D + 8 steps. `is_success`: a door
    was opened.

    `best_return` is 1 and what the apples give, near 1/2, to who goes straight to each; it is computed step by step.
    `memoryless_return` is 1/2 less: in the third room the agent stands in the middle, and the ends of the doors were
    drawn apart from the colour of the key. So nothing that shows there depends on that colour, nor on anything done
    before, and any door fits in half of the episodes. All else needs no memory, since it shows where key and apple are.
    Credit has to go far: to pick up the key pays nothing until D steps later, and the apples pay in between.

    Deviations from the papers: one row of cells instead of a room seen from above; the agent is moved on from room to
    room by the clock alone; all apples are worth the same; and the key has a colour, for with one key and one door
    the best agent needs no memory: it picks up any key and tries any door.

    Args:
        num_envs: rows of the batch, B.
        delay: D, the steps among the apples, at least 1.
        render_mode: None, "ansi" or "rgb_array"; a frame shows the room and, at the right of it, the key that is held.

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "credit assignment: an act that pays off only after a delay"
    knob = "delay: steps between the room of the key and that of the doors"
    grades: ClassVar = {"Easy": {"delay": 10}, "Medium": {"delay": 50}, "Hard": {"delay": 200}}
    legend: ClassVar = (
        (".", (226, 226, 220)),
        ("r", (235, 130, 120)),
        ("b", (120, 160, 230)),
        ("R", (205, 70, 60)),
        ("B", (62, 120, 200)),
        ("o", (62, 160, 85)),
        ("@", (40, 44, 52)),
    )

    def __init__(self, num_envs: int = 1, delay: int = 10, render_mode: str | None = None) -> None:
        self.delay = whole_number("delay", delay, low=1)
        super().__init__(
            num_envs,
            MultiDiscrete([*[6] * ROOM, ROOM]),
            Discrete(2),
            time_limit=self.delay + 2 * ROOM_STEPS,
            render_mode=render_mode,
        )
        self._rows = np.arange(self.num_envs)
        self.state["position"] = np.zeros(self.num_envs, np.int64)
        self.state["key_is_blue"] = np.zeros(self.num_envs, np.bool_)
        self.state["key_is_east"] = np.zeros(self.num_envs, np.bool_)
        self.state["blue_is_east"] = np.zeros(self.num_envs, np.bool_)  # of the doors
        self.state["has_key"] = np.zeros(self.num_envs, np.bool_)
        self.state["apples"] = np.zeros((self.num_envs, self.delay + 1), np.int64)  # where they hang, one by one
        self.state["eaten"] = np.zeros(self.num_envs, np.int64)
        apples = expected_apples(self.delay) / self.delay
        self.best_return = 1.0 + apples
        self.memoryless_return = 0.5 + apples
        self.memory_steps = self.delay + ROOM_STEPS - 1
        self.memory_bits = 1.0

    def begin(self, rows: Integers) -> None:
        drawn = np.array([self.generators[row].integers(8, size=self.delay + 2) for row in rows])
        self.state["key_is_blue"][rows] = drawn[:, 0] & 1
        self.state["key_is_east"][rows] = drawn[:, 0] & 2
        self.state["blue_is_east"][rows] = drawn[:, 0] & 4
        self.state["has_key"][rows] = False
        # Each apple hangs in another cell than the one before; 8 numbers fall evenly on the 4 that are left.
        steps_on = 1 + drawn[:, 1:] % (ROOM - 1)
        self.state["apples"][rows] = (MIDDLE + steps_on.cumsum(axis=1)) % ROOM
        self.state["eaten"][rows] = 0
        self.state["position"][rows] = MIDDLE

    def advance(self, actions: Array) -> Transition:
        position, step = self.state["position"], self.state["step"]
        in_key_room, in_door_room = self._in_key_room(), self._in_door_room()
        position[:] = np.clip(position + np.where(actions == EAST, 1, -1), 0, ROOM - 1)
        self.state["has_key"] |= in_key_room & (position == self._key())
        eats = ~in_key_room & ~in_door_room & (position == self._apple())
        self.state["eaten"] += eats
        at_door = in_door_room & ((position == 0) | (position == ROOM - 1))
        opens = at_door & self.state["has_key"] & (position == self._fitting_door())
        enters = (step == ROOM_STEPS - 1) | (step == ROOM_STEPS + self.delay - 1)
        position[enters] = MIDDLE
        return Transition(eats / self.delay + opens, at_door, opens)

    def observe(self) -> Array:
        return np.concatenate([self._cells(), self.state["position"][:, None]], axis=1)

    def oracle(self) -> Array:
        target = np.where(self._in_key_room(), self._key(), self._apple())
        target = np.where(self._in_door_room(), self._fitting_door(), target)
        return np.where(target > self.state["position"], EAST, WEST)

    def glyphs(self) -> Integers:
        cells = self._cells()
        cells[self._rows, self.state["position"]] = AGENT
        held = np.where(self.state["has_key"], np.where(self.state["key_is_blue"], BLUE_KEY, RED_KEY), EMPTY)
        return np.concatenate([cells, held[:, None]], axis=1)[:, None, :]

    def _cells(self) -> Integers:
        cells = np.full((self.num_envs, ROOM), EMPTY)
        in_key_room, in_door_room = self._in_key_room(), self._in_door_room()
        blue_is_east = self.state["blue_is_east"][in_door_room]
        cells[in_door_room, 0] = np.where(blue_is_east, RED_DOOR, BLUE_DOOR)
        cells[in_door_room, -1] = np.where(blue_is_east, BLUE_DOOR, RED_DOOR)
        key = np.flatnonzero(in_key_room & ~self.state["has_key"])
        cells[key, self._key()[key]] = np.where(self.state["key_is_blue"][key], BLUE_KEY, RED_KEY)
        apple = np.flatnonzero(~in_key_room & ~in_door_room)
        cells[apple, self._apple()[apple]] = APPLE
        return cells

    def _in_key_room(self) -> Bools:
        return self.state["step"] < ROOM_STEPS

    def _in_door_room(self) -> Bools:
        return self.state["step"] >= ROOM_STEPS + self.delay

    def _key(self) -> Integers:
        return np.where(self.state["key_is_east"], ROOM - 1, 0)

    def _apple(self) -> Integers:
        return self.state["apples"][self._rows, self.state["eaten"]]

    def _fitting_door(self) -> Integers:
        return np.where(self.state["key_is_blue"] == self.state["blue_is_east"], ROOM - 1, 0)


class SingleKeyToDoor(SingleEnv):
    """One `KeyToDoor` as a `gymnasium.Env`, with the same knobs."""

    family = KeyToDoor


def expected_apples(steps: int) -> float:
    """How many apples are eaten in so many steps by who goes straight to each, from the middle on."""
    cells = np.arange(ROOM)
    distance = np.abs(cells[:, None] - cells)
    others = distance > 0
    # left[t, c]: apples still to be eaten, on average, t steps before the end by who has just eaten one in cell c.
    left = np.zeros((steps + 1, ROOM))
    for time in range(1, steps + 1):
        after = np.where(distance <= time, 1 + left[np.maximum(time - distance, 0), cells], 0.0)
        left[time] = np.where(others, after, 0.0).sum(axis=1) / (ROOM - 1)
    return float(left[steps, MIDDLE])
