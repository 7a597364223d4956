"""A natively batched environment as a single one."""

from typing import Any, ClassVar

import gymnasium
import numpy as np

from memagents_envs.batched import Array, BatchedEnv, Frame, Snapshot, row_of


class SingleEnv(gymnasium.Env[Any, Any]):
    """A batch of one as a single `gymnasium.Env`: the same rules, numbers and random stream, and no autoreset.

    Args:
        knobs: those of the family.

    Raises:
        ValueError: for knobs that the family refuses.
    """

    family: ClassVar[type[Any]]
    """The batched environment."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (gymnasium declares it as an instance attribute)
        name: BatchedEnv.metadata[name] for name in ("render_modes", "render_fps")
    }

    def __init__(self, **knobs: Any) -> None:
        batch: BatchedEnv = self.family(num_envs=1, **knobs)
        self.batch = batch
        self.observation_space, self.action_space = batch.single_observation_space, batch.single_action_space
        self.render_mode = batch.render_mode

    @property
    def state(self) -> dict[str, Array]:
        """The hidden state, as a batch of one."""
        return self.batch.state

    @property
    def action_names(self) -> tuple[str, ...]:
        """What the actions are called; empty where they have no names."""
        return self.batch.action_names

    @property
    def best_return(self) -> float:
        """The expected return of the best policy that sees the hidden state."""
        return self.batch.best_return

    @property
    def memoryless_return(self) -> float:
        """The expected return of the best policy that sees the current observation only."""
        return self.batch.memoryless_return

    def reveal(self) -> None:
        """From here on shows the hidden state too. See `BatchedEnv.reveal`."""
        self.batch.reveal()
        self.observation_space = self.batch.single_observation_space

    def oracle(self) -> Any:
        """The best action, computed from the hidden state."""
        return self.batch.oracle()[0]

    def get_state(self) -> Snapshot:
        """All that decides what comes next, copied."""
        return self.batch.get_state()

    def set_state(self, snapshot: Snapshot) -> None:
        """Goes on exactly from where `get_state` was called. See `BatchedEnv.set_state`."""
        self.batch.set_state(snapshot)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts a new episode: from `seed`, or from where the random stream stands."""
        super().reset(seed=seed)
        self.batch.generators[0] = self.np_random
        self.batch.restart(np.zeros(1, np.int64))
        return row_of(self.batch.show(), 0), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes one action. At the end of an episode, info holds `is_success` where the family defines success.

        Raises:
            ValueError: for an action outside `action_space`.
            ResetNeeded: before the first reset, and after an episode has ended.
        """
        (rewards, terminated, success), truncated = self.batch.transition(np.asarray(action)[None])
        ended = bool(terminated[0] or truncated[0])
        info = {"is_success": bool(success[0])} if ended and success is not None else {}
        return row_of(self.batch.show(), 0), float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> Frame | None:
        """The frame in the chosen render mode; None if none was chosen."""
        frames = self.batch.render()
        return None if frames is None else frames[0]
