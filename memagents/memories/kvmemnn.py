"""Key-Value Memory Network.

Alexander Miller, Adam Fisch, Jesse Dodge, Amir-Hossein Karimi, Antoine Bordes, Jason Weston: Key-Value Memory Networks
for Directly Reading Documents. EMNLP 2016, arXiv:1606.03126, section 3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.attention import Blocks, answer, ask, by_age, by_context, keep, past, weights_beside_blank
from memagents.ops.episodes import episode_time
from memagents.ops.linear import linear
from memagents.ops.recurrence import check_positive


class KVMemNNState(NamedTuple):
    """What a key-value memory network holds: the inputs before the present one, `[B, N, D]`, of which keys and values
    are made, and for how many steps the episode has been running, `[B]`."""

    inputs: Tensor
    time: Tensor


@register_memory("kvmemnn")
class KVMemNN(Memory[KVMemNNState]):
    """Key-Value Memory Network: finds a past input by what it was, reads what came of it (Miller et al. 2016).

        q = A x_t                                    the question: what is seen now
        k_i = A x_i + T_K(t - i)                     key: what was seen
        v_i = A_V [x_i, x_{i+1}] + T_V(t - i)        value: that, and what came next
        p = softmax(q·k_i)                           section 3.1, "key addressing"
        o = Σ_i p_i v_i                              "value reading"
        q = R_j (q + o)        then the next hop     section 3.1, eq. 1

    i runs over the last `memory_size` inputs of the episode, the present one not among them. All hops read the same
    keys and values; each has a matrix R_j of its own.

    Args:
        input_size: features of an input, D.
        hidden_size: features of keys, values and outputs, H.
        memory_size: past inputs that are held, N.
        num_hops: times the memory is read, J.

    Deviations from the paper: keys and values are made of the stream of observations (the paper makes them of facts or
    windows of text, by hashing); embeddings of time for keys and values; values have an embedding of their own, for
    they are twice as wide; one more, blank slot (k = v = 0), for at the start of an episode there is nothing to read;
    the output is q after the last hop; R_j begins as the identity, and embeddings are drawn so that scores have
    variance 1 at first.
    """

    def __init__(self, input_size: int, hidden_size: int = 128, memory_size: int = 64, num_hops: int = 3) -> None:
        check_positive(hidden_size=hidden_size, memory_size=memory_size, num_hops=num_hops)
        super().__init__(input_size, output_size=hidden_size)
        self.memory_size = memory_size
        # Entries of q and k then have a standard deviation of H^(-1/4), and a product of two of them one of 1.
        spread = hidden_size**-0.25
        self.keys = nn.Parameter(torch.randn(hidden_size, input_size) * spread / input_size**0.5)
        self.values = nn.Parameter(torch.randn(hidden_size, 2 * input_size) * spread / input_size**0.5)
        self.key_times = nn.Parameter(torch.randn(memory_size, hidden_size) * spread)
        self.value_times = nn.Parameter(torch.randn(memory_size, hidden_size) * spread)
        self.rotations = nn.Parameter(torch.eye(hidden_size).repeat(num_hops, 1, 1))

    def initial_state(self, batch_size: int) -> KVMemNNState:
        inputs = self.keys.new_zeros(batch_size, self.memory_size, self.input_size)
        return KVMemNNState(inputs, torch.zeros(batch_size, dtype=torch.int64, device=inputs.device))

    def step(self, x: Float[Tensor, "B D"], state: KVMemNNState) -> tuple[Float[Tensor, "B H"], KVMemNNState]:
        outputs, state = self(x[None], torch.zeros(1, len(x), dtype=torch.bool, device=x.device), state)
        return outputs[0], state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: KVMemNNState
    ) -> tuple[Float[Tensor, "T B H"], KVMemNNState]:
        outputs, _, state = self._unroll(inputs, episode_starts, state)
        return outputs, state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: KVMemNNState
    ) -> dict[str, Tensor]:
        """The state after every step and `attention [T, B, J, N]`: what each hop reads, the oldest input first."""
        _, attention, _ = self._unroll(inputs, episode_starts, state)
        return super().trace(inputs, episode_starts, state) | {"attention": attention}

    def _unroll(
        self, inputs: Tensor, episode_starts: Tensor, state: KVMemNNState
    ) -> tuple[Tensor, Tensor, KVMemNNState]:
        state = self.reset(state, episode_starts[0])
        time = episode_time(episode_starts, state.time)
        blocks = Blocks.of(len(inputs), self.memory_size)
        readable, x = past(blocks.split(time), self.memory_size), blocks.split(inputs.transpose(0, 1))
        context = blocks.contexts(state.inputs, x)
        # The present input has no successor yet, and is not read.
        pairs = torch.cat([context, F.pad(context[:, 1:], (0, 0, 0, 1))], -1)
        q, attention = linear(x, self.keys), []
        for rotation in self.rotations:
            by_time = by_context(F.pad(q @ self.key_times.mT, (0, 1)), x.shape[1])
            p = weights_beside_blank(ask(q, context, self.keys) + by_time, readable)
            attention.append(by_age(p, self.memory_size)[..., :-1])
            q = linear(q + answer(p, pairs, self.values) + attention[-1] @ self.value_times, rotation)
        after = KVMemNNState(keep(blocks.last(context), time, self.memory_size), time[:, -1] + 1)
        outputs, read = blocks.join(q), blocks.join(torch.stack(attention, 2))
        return outputs.transpose(0, 1), read.transpose(0, 1), after
