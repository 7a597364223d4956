"""Rollouts as whole sequences: no padding, no mask.

Axes: T steps of the rollout (`n_steps`), N environments, L steps of a sequence (`sequence_length`), S sequences.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from memagents.agents.sequences import AgentState, Sequences, map_observation


class SequenceBuffer(RolloutBuffer):
    """A rollout buffer that yields minibatches of whole sequences, each with the state at its start.

    Only states at the start of sequences are kept. All other arrays are SB3's, `[T, N, ...]`, and stay so.

    Args:
        args: SB3's own arguments, as are `kwargs`.
        sequence_length: L, a divisor of the buffer's size T; None for T.
    """

    observations: np.ndarray | dict[str, np.ndarray]  # type: ignore[assignment]

    def __init__(self, *args: Any, sequence_length: int | None = None, **kwargs: Any) -> None:
        self.sequence_length = sequence_length or 0
        super().__init__(*args, **kwargs)
        self.sequence_length = sequence_length or self.buffer_size
        if self.buffer_size % self.sequence_length:
            raise ValueError(
                f"sequence_length must divide n_steps, got sequence_length={sequence_length} and "
                f"n_steps={self.buffer_size}"
            )

    def reset(self) -> None:
        """Empties the buffer."""
        if isinstance(self.observation_space, spaces.Dict):
            shapes = cast(dict[str, tuple[int, ...]], self.obs_shape)
            self.observations = {key: self._zeros(self.observation_space[key], shape) for key, shape in shapes.items()}
        else:
            self.observations = self._zeros(self.observation_space, self.obs_shape)
        self.actions = self._zeros(self.action_space, (self.action_dim,))
        numbers = spaces.Box(-np.inf, np.inf, dtype=np.float32)
        for name in ("rewards", "returns", "episode_starts", "values", "log_probs", "advantages"):
            setattr(self, name, self._zeros(numbers, ()))
        self.states: list[AgentState] = []
        self._rollout: RolloutBufferSamples | None = None
        self.pos, self.full = 0, False

    def _zeros(self, space: spaces.Space[Any], shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros((self.buffer_size, self.n_envs, *shape), space.dtype)

    def add(  # type: ignore[override]
        self,
        obs: np.ndarray | dict[str, np.ndarray],
        action: np.ndarray,
        reward: np.ndarray,
        episode_start: np.ndarray,
        value: Tensor,
        log_prob: Tensor,
        state: AgentState,
    ) -> None:
        """Stores one step of every environment; `state` is what the agent remembered before it."""
        if self.pos % self.sequence_length == 0:
            self.states.append(state)
        if isinstance(self.observations, dict):
            for key, stored in self.observations.items():
                stored[self.pos] = cast(dict[str, np.ndarray], obs)[key].reshape(stored.shape[1:])
        else:
            self.observations[self.pos] = cast(np.ndarray, obs).reshape(self.observations.shape[1:])
        self.actions[self.pos] = action.reshape(self.n_envs, self.action_dim)
        self.rewards[self.pos] = reward
        self.episode_starts[self.pos] = episode_start
        self.values[self.pos] = value.cpu().numpy().reshape(self.n_envs)
        self.log_probs[self.pos] = log_prob.cpu().numpy().reshape(self.n_envs)
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def get(self, batch_size: int | None = None) -> Iterator[RolloutBufferSamples]:  # type: ignore[override]
        """Yields all sequences in random order, as many in a minibatch as `batch_size` steps hold (None: all)."""
        assert self.full, "the rollout is not complete"
        if self._rollout is None:
            self._rollout = self._sequences()
        num_sequences = self.buffer_size * self.n_envs // self.sequence_length
        per_batch = max(1, (batch_size or self.buffer_size * self.n_envs) // self.sequence_length)
        order = torch.as_tensor(np.random.permutation(num_sequences))
        for chosen in torch.split(order, per_batch):
            yield self._minibatch(self._rollout, chosen)

    def _sequences(self) -> RolloutBufferSamples:
        """The rollout as `[L, S, ...]`: the sequences of all environments, side by side."""
        return RolloutBufferSamples(
            observations=Sequences(  # type: ignore[arg-type]
                map_observation(self._cut, self.observations),
                self._cut(self.episode_starts).bool(),
                AgentState.join(self.states),
            ),
            actions=self._cut(self.actions.astype(np.float32, copy=False)),
            old_values=self._cut(self.values),
            old_log_prob=self._cut(self.log_probs),
            advantages=self._cut(self.advantages),
            returns=self._cut(self.returns),
        )

    def _cut(self, array: np.ndarray) -> Tensor:
        pieces = array.reshape(-1, self.sequence_length, *array.shape[1:])
        return torch.as_tensor(pieces.swapaxes(0, 1).reshape(self.sequence_length, -1, *array.shape[2:]))

    def _minibatch(self, rollout: RolloutBufferSamples, chosen: Tensor) -> RolloutBufferSamples:
        """The chosen sequences, everything but the episode starts and the state flattened to `[L * S, ...]`."""
        take = partial(self._take, chosen)
        sequences = cast(Sequences, rollout.observations)
        rows = chosen.to(self.device)
        minibatch = Sequences(
            map_observation(take, sequences.observations),
            sequences.episode_starts.index_select(1, chosen).to(self.device),
            sequences.state.map(lambda field: field.index_select(0, rows)),
        )
        return RolloutBufferSamples(minibatch, *map(take, rollout[1:]))  # type: ignore[arg-type]

    def _take(self, chosen: Tensor, values: Tensor) -> Tensor:
        return values.index_select(1, chosen).flatten(0, 1).to(self.device)
