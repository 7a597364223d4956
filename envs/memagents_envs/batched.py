"""Natively batched environments: one NumPy implementation serves as the vector environment and as the single one.

A row is one environment of the batch. Every row has its own random generator, so that row i of a batch seeded with s
lives through exactly the episodes of a single environment seeded with s + i, however many rows stand beside it.

Axes: B rows of the batch (`num_envs`), N and k as the families name them.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Dict, MultiDiscrete, Space
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from memagents_envs.knobs import whole_number
from memagents_envs.resets import Seeds, rows_to_reset, seed_of_each_row

Array: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Frame: TypeAlias = str | NDArray[np.uint8]
Observations: TypeAlias = Array | dict[str, Array]
Infos: TypeAlias = dict[str, Any]

PIXELS_PER_CELL = 16


class Transition(NamedTuple):
    """What one step of the rules did to every row: arrays of shape [B], freshly made."""

    rewards: Floats
    terminated: Bools
    success: Bools | None = None
    """Whether an episode that ends now is a success; None where the family defines no success."""


class Snapshot(NamedTuple):
    """All that decides what a batch does next, copied. See `BatchedEnv.get_state`."""

    arrays: dict[str, Array]
    generators: list[Mapping[str, Any]]
    ended: Bools


class BatchedEnv(VectorEnv[Observations, Array, Array], ABC):
    """A batch of partially observed environments in NumPy, with autoreset SAME_STEP.

    A family keeps its hidden state in the arrays of `state` and writes its rules as five hooks, each over all rows:
    `begin`, `advance`, `observe`, `oracle` and `glyphs`. Only `begin` may loop, over the rows that begin. A family owns
    its time limit and is registered without `max_episode_steps`: the batch and the single environment then truncate at
    the same step, instead of one being told and the other being wrapped.

    Observations and rewards are fresh arrays at every step; who keeps a reference keeps what was returned.

    Attributes:
        state: the hidden state, arrays of shape [B, ...] by name. They are the live arrays: copy what you keep, and
            write into them to set a situation up. `state["step"]` counts the steps of the episode.
        best_return: the expected return of the best policy that sees the hidden state.
        memoryless_return: the expected return of the best policy that sees the current observation only, or, where a
            family says so, of the best of a class of such policies.
        memory_steps: over how many steps something must be remembered, at the most.
        memory_bits: how many bits of the past the best policy must hold at once, at the most.
        generators: the random generator of every row.

    Args:
        num_envs: rows, at least 1.
        observation_space: of one row; its batched form is an array.
        action_space: of one row.
        time_limit: steps after which an episode that has not terminated is truncated; None for no limit.
        render_mode: None, "ansi" (text) or "rgb_array"; `render` gives one frame for every row.

    Raises:
        ValueError: for fewer than one row, or a render mode that is not offered.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (gymnasium declares it as an instance attribute)
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }
    tests: ClassVar[str]
    """What of memory the family puts to the test, in a few words."""
    knob: ClassVar[str]
    """The argument that makes the task harder, and what it measures: "corridor_length: steps to remember the sign"."""
    grades: ClassVar[dict[str, dict[str, Any]]]
    """The knobs of the ids that end in Easy, Medium and Hard."""
    legend: ClassVar[tuple[tuple[str, tuple[int, int, int]], ...]]
    """What `glyphs` counts through: the character and the colour of every kind of cell."""

    action_names: ClassVar[tuple[str, ...]] = ()
    """What the actions are called, where numbers would say little to a person who watches."""

    best_return: float
    memoryless_return: float
    memory_steps: int
    memory_bits: float

    def __init__(
        self,
        num_envs: int,
        observation_space: Space[Any],
        action_space: Space[Any],
        time_limit: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode must be None or one of {self.metadata['render_modes']}, got {render_mode!r}")
        self.num_envs = whole_number("num_envs", num_envs, low=1)
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)
        self._least_actions, self._greatest_actions = bounds_of(self.action_space)
        self.time_limit = time_limit
        self.render_mode = render_mode
        self.generators = [np.random.default_rng() for _ in range(self.num_envs)]
        self.state: dict[str, Array] = {"step": np.zeros(self.num_envs, np.int64)}
        self.is_revealed = False
        self._ended = np.ones(self.num_envs, np.bool_)  # until a first reset there is no episode to step through

    def reveal(self) -> None:
        """From here on shows the hidden state beside what it shows anyway: the control that needs no memory.

        Observation: Dict of `observation`, what the environment shows, and `state`, all arrays of its hidden state flat
        and one after the other, a float32 Box [S]. The hidden state decides what comes next, up to what is yet to be
        drawn. It may hold more than a policy can use, as cards that have not been dealt yet.
        """
        if not self.is_revealed:
            hidden = Box(-np.inf, np.inf, self.flat_state().shape[1:], np.float32)
            self.single_observation_space = Dict({"observation": self.single_observation_space, "state": hidden})
            self.observation_space = batch_space(self.single_observation_space, self.num_envs)
            self.is_revealed = True

    def flat_state(self) -> Array:
        """The arrays of the hidden state in one, in the order of their names, [B, S]."""
        flat = [self.state[name].reshape(self.num_envs, -1) for name in sorted(self.state)]
        return np.concatenate(flat, axis=1).astype(np.float32)

    def show(self) -> Observations:
        """What agents get to see: what the rules let them, and the hidden state where it is revealed."""
        seen = self.observe()
        return {"observation": seen, "state": self.flat_state()} if self.is_revealed else seen

    @abstractmethod
    def begin(self, rows: Integers) -> None:
        """Draws a new episode for these rows, each from its own generator, and puts them at its start."""

    @abstractmethod
    def advance(self, actions: Array) -> Transition:
        """Applies one valid action to every row. `state["step"]` is counted by the base class, afterwards."""

    @abstractmethod
    def observe(self) -> Array:
        """What every row shows now, in a fresh array."""

    @abstractmethod
    def oracle(self) -> Array:
        """The best action for every row, computed from the hidden state."""

    @abstractmethod
    def glyphs(self) -> Integers:
        """A picture of every row, hidden state included: cells [B, height, width] that index `legend`."""

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Observations, Infos]:
        """Starts new episodes.

        Args:
            seed: s gives row i the seed s + i; a sequence gives every row its own; None lets a row's stream go on.
            options: `{"reset_mask": Bools [B]}` resets the marked rows only.

        Returns:
            The observations of all rows, and no infos.

        Raises:
            ValueError: for seeds or a mask that do not fit the rows.
        """
        rows = rows_to_reset(options, self.num_envs)
        seeds = seed_of_each_row(seed, self.num_envs)
        for row in rows:
            if seeds[row] is not None:
                self.generators[row], _ = seeding.np_random(seeds[row])
        self.restart(rows)
        return self.show(), {}

    def step(self, actions: Array) -> tuple[Observations, Floats, Bools, Bools, Infos]:
        """Takes one action in every row; a row whose episode ends shows the first observation of its next one.

        Args:
            actions: one for every row, in `action_space`.

        Returns:
            Observations, rewards, terminated, truncated and infos. Where episodes end, infos hold `final_obs` and
            `final_info` with their masks, as gymnasium's own SAME_STEP vector environments give them; else nothing.

        Raises:
            ValueError: for actions of the wrong shape or kind, or out of range; no row has moved then.
            ResetNeeded: before the first reset.
        """
        (rewards, terminated, success), truncated = self.transition(actions)
        ended = np.flatnonzero(self._ended)
        if not ended.size:
            return self.show(), rewards, terminated, truncated, {}
        infos = self._infos_of_ends(ended, success)
        self.restart(ended)
        return self.show(), rewards, terminated, truncated, infos

    def transition(self, actions: Array) -> tuple[Transition, Bools]:
        """One step without autoreset: what the rules did, and which rows the time limit cut. See `step`."""
        if self._ended.any():
            raise ResetNeeded(
                f"rows {np.flatnonzero(self._ended).tolist()} have no running episode: call reset() first"
            )
        outcome = self.advance(self._checked(actions))
        self.state["step"] += 1
        truncated = ~outcome.terminated & (self.state["step"] >= (self.time_limit or np.inf))
        self._ended = outcome.terminated | truncated
        return outcome, truncated

    def restart(self, rows: Integers) -> None:
        """Starts a new episode in these rows."""
        self.begin(rows)
        self.state["step"][rows] = 0
        self._ended[rows] = False

    def get_state(self) -> Snapshot:
        """All that decides what comes next, copied: hidden state, random generators, and which episodes have ended."""
        return Snapshot(
            {name: array.copy() for name, array in self.state.items()},
            [copy.deepcopy(generator.bit_generator.state) for generator in self.generators],
            self._ended.copy(),
        )

    def set_state(self, snapshot: Snapshot) -> None:
        """Goes on exactly from where `get_state` was called, on this environment or one made alike.

        Raises:
            ValueError: for a snapshot of another family or of other sizes; nothing has changed then.
        """
        got = {name: (array.shape, array.dtype) for name, array in snapshot.arrays.items()}
        expected = {name: (array.shape, array.dtype) for name, array in self.state.items()}
        if got != expected:
            raise ValueError(
                f"the snapshot must come from {type(self).__name__} with the same rows and knobs: expected arrays "
                f"{expected}, got {got}"
            )
        for name, array in snapshot.arrays.items():
            self.state[name][...] = array
        for generator, bits in zip(self.generators, snapshot.generators, strict=True):
            generator.bit_generator.state = bits
        self._ended = snapshot.ended.copy()

    def render(self) -> tuple[Frame, ...] | None:
        """A frame for every row in the chosen render mode; None if none was chosen."""
        if self.render_mode is None:
            return None
        characters, colours = zip(*self.legend, strict=True)
        if self.render_mode == "ansi":
            return tuple("\n".join("".join(line) for line in grid) for grid in np.array(characters)[self.glyphs()])
        pixels = np.array(colours, np.uint8)[self.glyphs()]
        return tuple(pixels.repeat(PIXELS_PER_CELL, axis=1).repeat(PIXELS_PER_CELL, axis=2))

    def _checked(self, actions: Array) -> Array:
        actions, space = np.asarray(actions), self.action_space
        assert space.dtype is not None
        # "same_kind" lets any integers be integers, but does not truncate 0.7 or an undefined number to an action.
        if actions.shape == space.shape and np.can_cast(actions.dtype, space.dtype, "same_kind"):
            cast = actions.astype(space.dtype, copy=False)
            # Asked of the space itself, this would take a fifth of an environment's step.
            if ((cast >= self._least_actions) & (cast <= self._greatest_actions)).all():
                return cast
        raise ValueError(
            f"actions must be {self.num_envs} of {self.single_action_space}, in an array of {space.dtype} of shape "
            f"{space.shape}; got {actions.dtype} of shape {actions.shape}: {np.array2string(actions, threshold=8)}"
        )

    def _infos_of_ends(self, rows: Integers, success: Bools | None) -> Infos:
        observations = self.show()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for row in rows:
            final_obs[row] = row_of(observations, row)
        ended = self._ended
        final_info = {} if success is None else {"is_success": success & ended, "_is_success": ended.copy()}
        return {
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": final_info,
            "_final_info": ended.copy(),
        }


def bounds_of(actions: Space[Any]) -> tuple[Array, Array]:
    """The least and the greatest number in each place of a batch of actions."""
    if isinstance(actions, MultiDiscrete):
        return actions.start, actions.start + actions.nvec - 1
    assert isinstance(actions, Box), f"actions must be numbers, got {actions}"
    return actions.low, actions.high


def row_of(observations: Observations, row: int) -> Any:
    """What one row shows."""
    if isinstance(observations, dict):
        return {name: values[row] for name, values in observations.items()}
    return observations[row]
