"""End-to-End Memory Network.

Sainbayar Sukhbaatar, Arthur Szlam, Jason Weston, Rob Fergus: End-To-End Memory Networks. NeurIPS 2015,
arXiv:1503.08895, sections 2 and 4.1.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.attention import Blocks, answer, ask, by_age, by_context, keep, past, weights_beside_blank
from memagents.ops.episodes import episode_time
from memagents.ops.linear import Linear, linear
from memagents.ops.recurrence import check_positive


class MemN2NState(NamedTuple):
    """What a memory network holds: the inputs before the present one, `[B, N, D]`, and for how many steps the episode
    has been running, `[B]`."""

    inputs: Tensor
    time: Tensor


@register_memory("memn2n")
class MemN2N(Memory[MemN2NState]):
    """End-to-End Memory Network: past inputs, read in several hops of attention (Sukhbaatar et al. 2015).

        u = A¹ x_t                                     the question: what is seen now (B = A¹)
        m_i = Aᵏ x_i + T_Aᵏ(t - i)                     section 2.1; T_A: section 4.1, "temporal encoding"
        c_i = Cᵏ x_i + T_Cᵏ(t - i)
        p = softmax(u·m_i)                             eq. 1
        o = Σ_i p_i c_i                                eq. 2
        u = u + o        then the next hop, k + 1      section 2.2

    i runs over the last `memory_size` inputs of the episode, the present one not among them. With "adjacent" tying
    Aᵏ⁺¹ = Cᵏ; with "layerwise" tying every hop has the same A and C, and u = H u + o.

    Args:
        input_size: features of an input, D.
        hidden_size: features of an embedding and of an output, H.
        memory_size: past inputs that are held, N.
        num_hops: times the memory is read, K.
        tying: which weights hops share, "adjacent" or "layerwise".

    Deviations from the paper: the output is u after the last hop (the answer is the agent's to make); one more, blank
    slot (m = c = 0), for at the start of an episode there is nothing to read; time is counted in steps from the
    present; embeddings are drawn so that scores have variance 1 at first; no linear start, no noise in the times.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 192,
        memory_size: int = 64,
        num_hops: int = 3,
        tying: Literal["adjacent", "layerwise"] = "adjacent",
    ) -> None:
        check_positive(hidden_size=hidden_size, memory_size=memory_size, num_hops=num_hops)
        if tying not in ("adjacent", "layerwise"):
            raise ValueError(f"tying must be 'adjacent' or 'layerwise', got {tying!r}")
        super().__init__(input_size, output_size=hidden_size)
        self.memory_size, self.num_hops = memory_size, num_hops
        num_embeddings = num_hops + 1 if tying == "adjacent" else 2
        # Entries of u, m and c then have a standard deviation of H^(-1/4), and a product of two of them one of 1.
        spread = hidden_size**-0.25
        self.embeddings = nn.Parameter(torch.randn(num_embeddings, hidden_size, input_size) * spread / input_size**0.5)
        self.times = nn.Parameter(torch.randn(num_embeddings, memory_size, hidden_size) * spread)
        self.between_hops = Linear(hidden_size, hidden_size, bias=False) if tying == "layerwise" else nn.Identity()
        if isinstance(self.between_hops, nn.Linear):
            nn.init.eye_(self.between_hops.weight)

    def initial_state(self, batch_size: int) -> MemN2NState:
        inputs = self.embeddings.new_zeros(batch_size, self.memory_size, self.input_size)
        return MemN2NState(inputs, torch.zeros(batch_size, dtype=torch.int64, device=inputs.device))

    def step(self, x: Float[Tensor, "B D"], state: MemN2NState) -> tuple[Float[Tensor, "B H"], MemN2NState]:
        outputs, state = self(x[None], torch.zeros(1, len(x), dtype=torch.bool, device=x.device), state)
        return outputs[0], state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: MemN2NState
    ) -> tuple[Float[Tensor, "T B H"], MemN2NState]:
        outputs, _, state = self._unroll(inputs, episode_starts, state)
        return outputs, state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: MemN2NState
    ) -> dict[str, Tensor]:
        """The state after every step and `attention [T, B, K, N]`: what each hop reads, the oldest input first."""
        _, attention, _ = self._unroll(inputs, episode_starts, state)
        return super().trace(inputs, episode_starts, state) | {"attention": attention}

    def _unroll(self, inputs: Tensor, episode_starts: Tensor, state: MemN2NState) -> tuple[Tensor, Tensor, MemN2NState]:
        state = self.reset(state, episode_starts[0])
        time = episode_time(episode_starts, state.time)
        blocks = Blocks.of(len(inputs), self.memory_size)
        readable, x = past(blocks.split(time), self.memory_size), blocks.split(inputs.transpose(0, 1))
        context = blocks.contexts(state.inputs, x)
        u, attention = linear(x, self.embeddings[0]), []
        for hop in range(self.num_hops):
            key = hop % (len(self.embeddings) - 1)
            by_time = by_context(F.pad(u @ self.times[key].mT, (0, 1)), x.shape[1])
            p = weights_beside_blank(ask(u, context, self.embeddings[key]) + by_time, readable)
            attention.append(by_age(p, self.memory_size)[..., :-1])
            o = answer(p, context, self.embeddings[key + 1]) + attention[-1] @ self.times[key + 1]
            u = self.between_hops(u) + o
        after = MemN2NState(keep(blocks.last(context), time, self.memory_size), time[:, -1] + 1)
        outputs, read = blocks.join(u), blocks.join(torch.stack(attention, 2))
        return outputs.transpose(0, 1), read.transpose(0, 1), after
