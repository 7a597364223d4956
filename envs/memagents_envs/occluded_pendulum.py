"""Pendulum of which the velocity is hidden: swing it up, and hold it, by its noisy position alone.

Sources: gymnasium's Pendulum; Morad et al., "POPGym: Benchmarking Partially Observable Reinforcement Learning", ICLR
2023 (arXiv 2303.01859).
"""

import functools
from typing import ClassVar

import numpy as np
from gymnasium.spaces import Box

from memagents_envs.batched import Array, BatchedEnv, Floats, Integers, Transition
from memagents_envs.knobs import number, whole_number
from memagents_envs.single import SingleEnv

GRAVITY, TIME_STEP, MAX_SPEED, MAX_TORQUE = 10.0, 0.05, 8.0, 2.0

MEAN_COST = 16.2736044 / 2
"""Half of the cost of the worst step there is: a step that costs this much gives no reward."""

ANGLES, SPEEDS, TORQUES, HORIZON = 72, 57, 5, 200
"""Of the oracle: cells of its grid, torques it chooses from, and steps it plans ahead at the most."""

LENGTHS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 75, 100, 200)
BEST_COSTS = (3.29, 6.62, 10.04, 17.31, 25.53, 40.5, 71.9, 93.9, 106.5, 117.4, 132.1, 136.4, 139.7, 139.7, 139.8)
"""What an episode of these lengths costs the oracle, on average of 8,000 episodes."""

MEMORYLESS_LENGTHS, MEMORYLESS_RETURNS = (1, 10, 25, 50), (0.60, 0.51, 0.39, 0.38)
"""0.01 more than the best return of a memoryless policy that was found, by the length of the episode."""

SIZE = 9
EMPTY, ROD, BOB, PIVOT = range(4)


class OccludedPendulum(BatchedEnv):
    """Swing a pendulum up and hold it upright, seeing where it is, in noise, but not how fast it moves.

    The torque is too weak to lift the pendulum in one go, so it must be swung to and fro. It starts at any angle, at a
    velocity between -1 and 1. What is seen is the cosine and the sine of its angle (0 is upright), each with Gaussian
    noise that is drawn anew at every step, clipped to [-1, 1].

    Observation: Box [2], cosine and sine. Action: Box [1], the torque, from -2 to 2. Reward: (c - cost) / (c L), where
    cost = angle² + 0.1 velocity² + 0.001 torque², with the angle wound back to [-π, π], before the step, and c = 8.1368
    is half of the cost of the worst step there is: a return is in [-1, 1]. An episode is truncated after L steps. There
    is no `is_success`: the return is the score.
    The rules and numbers are POPGym's: with the default length our grades are its NoisyPositionOnlyPendulum's Easy,
    Medium and Hard; `noise=0` with `episode_length` 200, 150 and 100 are those of its PositionOnlyPendulum.

    `best_return` is what the oracle gets, on average of 8,000 episodes: 0.914 for L = 200 (standard error 0.001). The
    oracle plans to the end of the episode by dynamic programming over a grid of angle and velocity. A grid three times
    as fine in both, with twice the torques, gained less than 0.002. Between the lengths that were measured, the cost is
    interpolated.
    `memoryless_return`: a torque that depends on the angle alone takes as much from a swing on its way down as it gave
    on the way up, so it can neither swing up nor damp, but only hold what starts near the top. The bound is 0.01 more,
    about as much as two searches differ, than the best that a cross-entropy search found among stochastic policies
    without noise (`scripts/occluded_bounds.py`): 0.497, 0.373, 0.363 and 0.367 for 10, 25, 50 and 100 steps, 0.366,
    0.367 and 0.369 for 200; from 50 steps on it is taken as constant. A torque of -10 times the sine, within its
    limits, is about as good. Noise can only lower it, as who sees less noise could add the rest: with 0.1 the search
    found 0.339.

    `memory_steps`: without noise the last observation and this one give the velocity. With noise, every past
    observation tells something of the present state, since the motion itself is free of noise, back to the start.
    `memory_bits`: one number of 32 bits to remember without noise, an estimate of angle and velocity with noise.

    Args:
        num_envs: rows of the batch, B.
        noise: standard deviation of the noise on cosine and sine, from 0 to 1.
        episode_length: L, at least 1.
        render_mode: None, "ansi" or "rgb_array".

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "inference: a velocity from positions, through noise"
    knob = "noise: how far off what is seen is, so over how many steps it must be averaged"
    grades: ClassVar = {"Easy": {"noise": 0.1}, "Medium": {"noise": 0.2}, "Hard": {"noise": 0.3}}
    legend: ClassVar = (
        (" ", (226, 226, 220)),
        ("*", (40, 44, 52)),
        ("O", (205, 70, 60)),
        ("+", (62, 120, 85)),
    )

    def __init__(
        self, num_envs: int = 1, noise: float = 0.1, episode_length: int = 200, render_mode: str | None = None
    ) -> None:
        self.noise = number("noise", noise, low=0.0, high=1.0)
        self.episode_length = whole_number("episode_length", episode_length, low=1)
        torque = Box(-MAX_TORQUE, MAX_TORQUE, (1,), np.float32)
        super().__init__(num_envs, Box(-1.0, 1.0, (2,), np.float32), torque, self.episode_length, render_mode)
        self.state["angle"] = np.zeros(self.num_envs)  # 0 is upright; it is not wound back to one turn
        self.state["velocity"] = np.zeros(self.num_envs)
        # Drawn for a whole episode at its start; of no length where nothing is drawn.
        drawn = self.episode_length + 1 if self.noise else 0
        self.state["noise"] = np.zeros((self.num_envs, drawn, 2), np.float32)
        self._rows = np.arange(self.num_envs)
        best_cost = float(np.interp(self.episode_length, LENGTHS, BEST_COSTS))
        self.best_return = 1.0 - best_cost / MEAN_COST / self.episode_length
        memoryless = float(np.interp(self.episode_length, MEMORYLESS_LENGTHS, MEMORYLESS_RETURNS))
        self.memoryless_return = min(self.best_return, memoryless)
        self.memory_steps = self.episode_length if self.noise else 1
        self.memory_bits = 64.0 if self.noise else 32.0

    def begin(self, rows: Integers) -> None:
        starts = np.array([self.generators[row].random(2) for row in rows])
        self.state["angle"][rows] = -np.pi + 2 * np.pi * starts[:, 0]
        self.state["velocity"][rows] = -1.0 + 2.0 * starts[:, 1]
        if self.noise:
            for row in rows:
                self.generators[row].standard_normal(dtype=np.float32, out=self.state["noise"][row])

    def advance(self, actions: Array) -> Transition:
        angle, velocity = self.state["angle"], self.state["velocity"]
        costs, angle[:], velocity[:] = swung(angle, velocity, actions[:, 0])
        rewards = (MEAN_COST - costs) / MEAN_COST / self.episode_length
        return Transition(rewards, np.zeros(self.num_envs, np.bool_))

    def observe(self) -> Array:
        seen = np.empty((self.num_envs, 2), np.float32)
        seen[:, 0] = np.cos(self.state["angle"])
        seen[:, 1] = np.sin(self.state["angle"])
        if self.noise:
            seen += np.float32(self.noise) * self.state["noise"][self._rows, self.state["step"]]
            np.clip(seen, -1.0, 1.0, out=seen)
        return seen

    def oracle(self) -> Array:
        tables = costs_to_go(min(self.episode_length, HORIZON))
        torques = np.linspace(-MAX_TORQUE, MAX_TORQUE, TORQUES)
        now, angle, velocity = swung(self.state["angle"][:, None], self.state["velocity"][:, None], torques)
        steps_to_go = np.minimum(self.episode_length - 1 - self.state["step"], len(tables) - 1)
        corners, weights = between(angle, velocity)
        later = (tables.reshape(len(tables), -1)[steps_to_go[:, None, None], corners] * weights).sum(axis=-1)
        best: Array = torques[np.argmin(now + later, axis=1)].astype(np.float32)[:, None]
        return best

    def glyphs(self) -> Integers:
        cells = np.full((self.num_envs, SIZE, SIZE), EMPTY)
        middle = SIZE // 2
        for radius in range(1, middle + 1):
            up = np.rint(radius * np.cos(self.state["angle"])).astype(int)
            left = np.rint(radius * np.sin(self.state["angle"])).astype(int)
            cells[self._rows, middle - up, middle - left] = ROD if radius < middle else BOB
        cells[:, middle, middle] = PIVOT
        return cells


class SingleOccludedPendulum(SingleEnv):
    """One `OccludedPendulum` as a `gymnasium.Env`, with the same knobs."""

    family = OccludedPendulum


def swung(angle: Array, velocity: Array, torque: Array) -> tuple[Array, Array, Array]:
    """What a step costs, and the angle and the velocity after it. The arrays are broadcast."""
    upright = (angle + np.pi) % (2 * np.pi) - np.pi
    costs = upright**2 + 0.1 * velocity**2 + 0.001 * torque**2
    faster = velocity + (3 * GRAVITY / 2 * np.sin(angle) + 3.0 * torque) * TIME_STEP
    faster = np.clip(faster, -MAX_SPEED, MAX_SPEED)
    return costs, angle + faster * TIME_STEP, faster


def between(angle: Array, velocity: Array) -> tuple[Integers, Floats]:
    """The four points of the grid around each state, and their weights: [..., 4]; the grid is ANGLES x SPEEDS, flat."""
    turn = (angle / (2 * np.pi) % 1) * ANGLES
    speed = (velocity / MAX_SPEED + 1) / 2 * (SPEEDS - 1)
    near, low = np.floor(turn).astype(int), np.minimum(np.floor(speed).astype(int), SPEEDS - 2)
    across, up = turn - near, speed - low
    near, far = near % ANGLES * SPEEDS, (near + 1) % ANGLES * SPEEDS
    corners = np.stack([near + low, near + low + 1, far + low, far + low + 1], axis=-1)
    weights = np.stack([(1 - across) * (1 - up), (1 - across) * up, across * (1 - up), across * up], axis=-1)
    return corners, weights


@functools.cache
def costs_to_go(steps: int) -> Floats:
    """The least cost of the next 0, 1, ... `steps` - 1 steps from every point of the grid: [steps, ANGLES, SPEEDS].

    Dynamic programming backwards from the end of the episode, bilinear between the points of the grid. It takes about
    a second, and is kept.
    """
    angle = np.arange(ANGLES)[:, None, None] * (2 * np.pi / ANGLES)
    velocity = np.linspace(-MAX_SPEED, MAX_SPEED, SPEEDS)[:, None]
    now, *then = swung(angle, velocity, np.linspace(-MAX_TORQUE, MAX_TORQUE, TORQUES))
    corners, weights = between(*np.broadcast_arrays(*then))
    tables = np.zeros((steps, ANGLES, SPEEDS))
    for step in range(1, steps):
        later = (tables[step - 1].ravel()[corners] * weights).sum(axis=-1)
        tables[step] = (now + later).min(axis=-1)
    return tables
