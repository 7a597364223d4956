"""CartPole of which half is hidden: balance a pole by its position alone, or by its velocity alone, in noise.

Sources: Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning control problems",
IEEE Transactions on Systems, Man, and Cybernetics 13 (1983), as gymnasium's CartPole has it; Morad et al., "POPGym:
Benchmarking Partially Observable Reinforcement Learning", ICLR 2023 (arXiv 2303.01859).
"""

import math
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from gymnasium.spaces import Box, Discrete

from memagents_envs.batched import Array, BatchedEnv, Floats, Integers, Transition
from memagents_envs.knobs import number, whole_number
from memagents_envs.single import SingleEnv

Shows: TypeAlias = Literal["position", "velocity"]

GRAVITY, FORCE, TIME_STEP = 9.8, 10.0, 0.02
POLE_MASS, TOTAL_MASS, HALF_POLE = 0.1, 1.1, 0.5
MAX_POSITION, MAX_ANGLE = 2.4, 12 * 2 * math.pi / 360

MOTION = ("position", "velocity", "angle", "angular_velocity")
SHOWN = {"position": ("position", "angle"), "velocity": ("velocity", "angular_velocity")}
BOUNDS = {"position": (2 * MAX_POSITION, 2 * MAX_ANGLE), "velocity": (np.inf, np.inf)}

BALANCE = np.array([0.1, 0.2, 3.0, 1.0])
"""The oracle pushes to the right where the state, in the order of MOTION, times these is positive."""

MEMORYLESS_STEPS = {"position": 52.0, "velocity": np.inf}
"""More than any memoryless policy balances on average, by what it sees."""

TRACK, POLE_HEIGHT = 25, 3
EMPTY, RAIL, CART, POLE = range(4)


class OccludedCartPole(BatchedEnv):
    """Balance a pole on a cart that is pushed to the left or to the right, seeing half of its motion, in noise.

    The motion has four parts: position and velocity of the cart, angle and angular velocity of the pole, all of them
    small at the start (each drawn between -0.05 and 0.05). Of these the positions are seen (the cart's and the angle)
    or the velocities, each with Gaussian noise that is drawn anew at every step. What is seen is clipped at twice the
    limits of position and angle; those who see velocities see them without limits.

    Observation: Box [2], as `shows` says: position and angle, or velocity and angular velocity. Actions: 0 pushes to
    the left, 1 to the right. Reward: 1/L at every step, so that to balance for all L steps has the return 1. An
    episode is terminated where the cart is more than 2.4 off the middle or the pole more than 12 degrees off the
    vertical, and truncated after L steps. `is_success`: the pole still stood then.
    The rules and numbers are POPGym's: with the default length our grades are its NoisyPositionOnlyCartPole's Easy,
    Medium and Hard; `noise=0` with `episode_length` 200, 400 and 600 are those of its PositionOnlyCartPole, and with
    `shows="velocity"` those of its VelocityOnlyCartPole.

    `best_return` is 1: a linear law of the four parts balances without end.
    `memoryless_return`: by its position alone a pole can be held for a while only, as nothing damps its swings. The
    return is the mean of min(T, L)/L over the step T in which the episode would end, so it is at most E[T]/L, and the
    bound is that with the greatest E[T] that was found: MEMORYLESS_STEPS = 52. A cross-entropy search among stochastic
    policies (`scripts/occluded_bounds.py`) ended with 50.1 and 50.6 without noise, 49.7 with a noise of 0.1; a standard
    error of an evaluation is 0.3. Noise can only lower it: who sees less noise could add the rest. (Clipping is the
    small exception, and takes away information as well.) For velocities it is 1: they need no memory. A policy that
    sees nothing else held the pole for 199.7 of 200 steps on average, and for 198 with a noise of 0.1. So it is the
    positions that put a memory to the test.

    `memory_steps`: without noise the last observation and this one give the velocity. With noise, every past
    observation tells something of the present state, since the motion itself is free of noise, back to the start.
    `memory_bits`: two numbers of 32 bits to remember without noise, an estimate of all four parts with noise.

    Deviations from POPGym: its VelocityOnlyCartPole shows the positions in the first observation of an episode, where
    ours shows the velocities; and an episode that is terminated in its last step is not called truncated too.

    Args:
        num_envs: rows of the batch, B.
        shows: "position" or "velocity".
        noise: standard deviation of the noise on each component of an observation, from 0 to 1.
        episode_length: L, at least 1.
        render_mode: None, "ansi" or "rgb_array"; in a frame, the angle is drawn larger than it is.

    Raises:
        ValueError: for something else to show, or if a number is out of its range.
    """

    tests = "inference: velocities from positions, or positions from velocities, through noise"
    knob = "noise: how far off what is seen is, so over how many steps it must be averaged"
    grades: ClassVar = {"Easy": {"noise": 0.1}, "Medium": {"noise": 0.2}, "Hard": {"noise": 0.3}}
    legend: ClassVar = (
        (" ", (226, 226, 220)),
        ("_", (150, 150, 146)),
        ("#", (40, 44, 52)),
        ("|", (205, 70, 60)),
    )

    def __init__(
        self,
        num_envs: int = 1,
        shows: Shows = "position",
        noise: float = 0.1,
        episode_length: int = 200,
        render_mode: str | None = None,
    ) -> None:
        if shows not in SHOWN:
            raise ValueError(f"shows must be one of {tuple(SHOWN)}, got {shows!r}")
        self.shows = shows
        self.noise = number("noise", noise, low=0.0, high=1.0)
        self.episode_length = whole_number("episode_length", episode_length, low=1)
        high = np.array(BOUNDS[shows], np.float32)
        super().__init__(num_envs, Box(-high, high), Discrete(2), self.episode_length, render_mode)
        self._high = high
        for name in MOTION:
            self.state[name] = np.zeros(self.num_envs)
        # Drawn for a whole episode at its start; of no length where nothing is drawn.
        drawn = self.episode_length + 1 if self.noise else 0
        self.state["noise"] = np.zeros((self.num_envs, drawn, 2), np.float32)
        self._rows = np.arange(self.num_envs)
        self.best_return = 1.0
        self.memoryless_return = min(1.0, MEMORYLESS_STEPS[shows] / self.episode_length)
        self.memory_steps = self.episode_length if self.noise else 1
        self.memory_bits = 128.0 if self.noise else 64.0

    def begin(self, rows: Integers) -> None:
        starts = np.array([self.generators[row].random(4) for row in rows])
        for name, start in zip(MOTION, starts.T, strict=True):
            self.state[name][rows] = -0.05 + 0.1 * start
        if self.noise:
            for row in rows:
                self.generators[row].standard_normal(dtype=np.float32, out=self.state["noise"][row])

    def advance(self, actions: Array) -> Transition:
        position, velocity, angle, angular_velocity = (self.state[name] for name in MOTION)
        cosine, sine = np.cos(angle), np.sin(angle)
        moment = POLE_MASS * HALF_POLE
        force = np.where(actions == 1, FORCE, -FORCE)
        push = (force + moment * np.square(angular_velocity) * sine) / TOTAL_MASS
        inertia = HALF_POLE * (4.0 / 3.0 - POLE_MASS * np.square(cosine) / TOTAL_MASS)
        angular_acceleration = (GRAVITY * sine - cosine * push) / inertia
        acceleration = push - moment * angular_acceleration * cosine / TOTAL_MASS
        position += TIME_STEP * velocity
        velocity += TIME_STEP * acceleration
        angle += TIME_STEP * angular_velocity
        angular_velocity += TIME_STEP * angular_acceleration
        fell = (np.abs(position) > MAX_POSITION) | (np.abs(angle) > MAX_ANGLE)
        return Transition(np.full(self.num_envs, 1 / self.episode_length), fell, ~fell)

    def observe(self) -> Array:
        seen = np.empty((self.num_envs, 2), np.float32)
        for column, name in enumerate(SHOWN[self.shows]):
            seen[:, column] = self.state[name]
        if self.noise:
            seen += np.float32(self.noise) * self.state["noise"][self._rows, self.state["step"]]
            np.clip(seen, -self._high, self._high, out=seen)
        return seen

    def oracle(self) -> Array:
        lean: Floats = np.stack([self.state[name] for name in MOTION], axis=1) @ BALANCE
        return (lean > 0).astype(np.int64)

    def glyphs(self) -> Integers:
        cells = np.full((self.num_envs, POLE_HEIGHT + 1, TRACK), EMPTY)
        cells[:, -1] = RAIL
        middle = TRACK // 2
        place = np.clip(self.state["position"] / MAX_POSITION, -1, 1) * (middle - POLE_HEIGHT)
        lean = np.clip(self.state["angle"] / MAX_ANGLE, -1, 1)
        for height in range(POLE_HEIGHT, 0, -1):
            cells[self._rows, POLE_HEIGHT - height, middle + np.rint(place + height * lean).astype(int)] = POLE
        cells[self._rows, -1, middle + np.rint(place).astype(int)] = CART
        return cells


class SingleOccludedCartPole(SingleEnv):
    """One `OccludedCartPole` as a `gymnasium.Env`, with the same knobs."""

    family = OccludedCartPole
