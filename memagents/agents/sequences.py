"""What passes between buffer and policy: observations in sequences, and what the agent remembered before them.

Axes: L steps of a sequence, S sequences.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from memagents.agents.precision import in_32_bits
from memagents.memories import Memory, State, map_state


class AgentState(NamedTuple):
    """What an agent remembers: the states of its actor's and of its critic's memory, batch first.

    The critic's is empty when it shares the actor's memory, and when it has none.
    """

    actor: State
    critic: State

    def map(self, function: Callable[[Tensor], Tensor]) -> "AgentState":
        """Applies `function` to every tensor."""
        return AgentState(map_state(function, self.actor), map_state(function, self.critic))

    @staticmethod
    def join(states: Sequence["AgentState"]) -> "AgentState":
        """One state whose rows are those of all `states`, in order."""
        return AgentState(_join([state.actor for state in states]), _join([state.critic for state in states]))


class Sequences(NamedTuple):
    """A minibatch of sequences, handed to `policy.evaluate_actions` in the slot where SB3 has observations.

    Attributes:
        observations: time-major and flat, `[L * S, ...]` (a dict of them for Dict observations).
        episode_starts: where an episode begins; also gives L and S.
        state: what the agent remembered before the first step of each sequence, `[S, ...]`.
    """

    observations: Tensor | dict[str, Tensor]
    episode_starts: Bool[Tensor, "L S"]
    state: AgentState


def unroll(
    memory: Memory[Any], features: Float[Tensor, "LS D"], starts: Bool[Tensor, "L S"], state: State
) -> tuple[Float[Tensor, "LS H"], State]:
    """Runs a memory over sequences; in 16 bits where torch may choose them and the memory bears them.

    A state keeps its 32.
    """
    device = features.device.type
    if not torch.is_autocast_enabled(device):
        return _unroll(memory, features, starts, state)
    with torch.autocast(device, torch.get_autocast_dtype(device), enabled=memory.bears_16_bits):
        outputs, after = _unroll(memory, in_32_bits(features), starts, state)
    return outputs, type(state)(*(new.to(old.dtype) for new, old in zip(after, state, strict=True)))


def map_observation(function: Callable[[Any], Any], observation: Any) -> Any:
    """Applies `function` to an observation, or to every entry of a Dict observation."""
    if isinstance(observation, dict):
        return {key: function(value) for key, value in observation.items()}
    return function(observation)


def _join(states: Sequence[State]) -> State:
    return type(states[0])(*(torch.cat(fields) for fields in zip(*states, strict=True)))


def _unroll(memory: Memory[Any], features: Tensor, starts: Tensor, state: State) -> tuple[Tensor, State]:
    """Acting, which is a sequence of one step, takes that step itself.

    The kernels behind `forward` prepare for many steps. Where no episode starts there is nothing to reset either; to
    ask would make a GPU wait. There it is the plain step, for where torch may choose fewer bits it would for all of a
    faster one, the state included.
    """
    if len(starts) > 1:
        outputs, state = memory(features.view(*starts.shape, -1), starts, state)
        return outputs.flatten(0, 1), state
    if starts.is_cuda:
        return memory.step(features, memory.reset(state, starts[0]))
    if starts.any():
        state = memory.reset(state, starts[0])
    return memory.fast_step(features, state)
