"""Memory-Augmented Neural Network with Least Recently Used Access.

Adam Santoro, Sergey Bartunov, Matthew Botvinick, Daan Wierstra, Timothy Lillicrap: Meta-Learning with Memory-Augmented
Neural Networks. ICML 2016, section 3; arXiv:1605.06065 ("One-shot Learning with ...").
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from memagents.kernels import mann as kernel
from memagents.kernels.unroll import Kernel
from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.addressing import cosine_similarity, least_used
from memagents.ops.controller import Controller, ControllerKind, unroll
from memagents.ops.initialisation import linear
from memagents.ops.recurrence import check_positive


class MANNState(NamedTuple):
    """What a memory-augmented network holds.

    Of the controller the `hidden` vector `[B, H]` and the `cell` (`[B, H]`; `[B, 0]` if it is feed-forward, when the
    hidden vector is not read again either). The `memory` `[B, N, W]`; how much and how lately each slot was used,
    `usage` `[B, N]`; where was read and written last, `read_weights` and `write_weights` `[B, R, N]` (the latter are
    only for who looks on); and the words read last, `reads` `[B, R, W]`.
    """

    hidden: Tensor
    cell: Tensor
    memory: Tensor
    usage: Tensor
    read_weights: Tensor
    write_weights: Tensor
    reads: Tensor


@register_memory("mann")
class MANN(Memory[MANNState]):
    """Memory-Augmented Neural Network: writes where it read last or to the slot unused longest (Santoro et al. 2016).

    The controller reads x_t and the words r_{t-1}. Its hidden vector h_t gives every head a key k_t, which is both
    written and looked up, and a gate α.

        w^w_t = σ(α) w^r_{t-1} + (1 - σ(α)) w^lu_{t-1}                           (eq. 7)
        M_t(i) = M_{t-1}(i) + w^w_t(i) k_t, the least used slot set to 0 before  (eq. 8)
        w^r_t = softmax(cos(k_t, M_t(i)))                                        (eqs 2, 3)
        r_t = Σ_i w^r_t(i) M_t(i)                                                (eq. 4)
        w^u_t = γ w^u_{t-1} + w^r_t + w^w_t                                      (eq. 5)
        w^lu_t(i) = 1 if w^u_t(i) is among the R smallest, else 0                (eq. 6)
        y_t = W_y h_t + W_r r_t

    Usage and what is written add up over the heads; all share w^lu. One slot, the least used, is set to 0, as the paper
    says, though w^lu marks R of them. Eqs 2 and 4 read M_t, so reading comes after writing. Everything is zero when an
    episode starts.

    Args:
        input_size: features of an input, D.
        hidden_size: features of the controller's hidden vector and of an output, H.
        memory_size: slots, N.
        word_size: features of a slot, W.
        num_reads: heads that read and write, R.
        usage_decay: what is left of a usage after a step, γ.
        controller: "lstm" or "feedforward"; see `ops/controller.py`, for how its weights are drawn too.

    Deviations from the paper: each length in the cosine is sqrt(|v|² + 1e-6); among slots that differ in usage by less
    than 1e-5 the first counts as least used.
    """

    bears_16_bits = False  # slots that differ little would be one and the same

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 104,
        memory_size: int = 16,
        word_size: int = 32,
        num_reads: int = 1,
        usage_decay: float = 0.95,
        controller: ControllerKind = "lstm",
    ) -> None:
        check_positive(memory_size=memory_size, word_size=word_size, num_reads=num_reads)
        if num_reads > memory_size:
            raise ValueError(f"num_reads must be at most memory_size, which is {memory_size}, got {num_reads}")
        if not 0 <= usage_decay < 1:
            raise ValueError(f"usage_decay must be at least 0 and below 1, got {usage_decay}")
        super().__init__(input_size, output_size=hidden_size)
        self.memory_size, self.word_size, self.num_reads = memory_size, word_size, num_reads
        self.usage_decay = usage_decay
        read_size = num_reads * word_size
        self.controller = Controller(controller, input_size, read_size, hidden_size, read_size + num_reads)
        self.from_hidden = linear(hidden_size, hidden_size)
        self.from_reads = linear(read_size, hidden_size, bias=False)

    def initial_state(self, batch_size: int) -> MANNState:
        hidden, cell = self.controller.zeros(batch_size)
        weights = hidden.new_zeros(batch_size, self.num_reads, self.memory_size)
        return MANNState(
            hidden,
            cell,
            memory=hidden.new_zeros(batch_size, self.memory_size, self.word_size),
            usage=hidden.new_zeros(batch_size, self.memory_size),
            read_weights=weights,
            write_weights=weights,
            reads=hidden.new_zeros(batch_size, self.num_reads, self.word_size),
        )

    def step(self, x: Float[Tensor, "B D"], state: MANNState) -> tuple[Float[Tensor, "B H"], MANNState]:
        state = self._advance(self.controller.from_input(x), state)
        return self._output(state.hidden, state.reads), state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: MANNState
    ) -> tuple[Float[Tensor, "T B H"], MANNState]:
        memory = self.controller, self._advance, self._kernel()
        hidden, reads, state = unroll(*memory, inputs, episode_starts, state, self.initial_state(len(state.memory)))
        return self._output(hidden, reads), state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: MANNState
    ) -> dict[str, Tensor]:
        """The state after every step, `keys` `[T, B, R, W]`, `gates` σ(α) `[T, B, R, 1]`, and `least_used` `[T, B, N]`.

        The last is w^lu after the step: where the next one may write.
        """
        states = super().trace(inputs, episode_starts, state)
        keys, gates = self._interface(self.controller.interface(states["hidden"].flatten(0, 1)))
        least = least_used(states["usage"].flatten(0, 1), self.num_reads)
        told = {"keys": keys, "gates": gates, "least_used": least}
        return states | {name: torch.unflatten(part, 0, episode_starts.shape) for name, part in told.items()}

    def _kernel(self) -> Kernel:
        sizes = self.num_reads, self.memory_size, self.word_size
        return Kernel(kernel.step, kernel.step_backward, (*sizes, self.usage_decay))

    def _advance(self, from_input: Tensor, state: MANNState) -> MANNState:
        hidden, cell, interface = self.controller(from_input, state.reads, state.hidden, state.cell)
        keys, gates = self._interface(interface)
        least = least_used(state.usage, self.num_reads)[:, None]
        write_weights = torch.lerp(least, state.read_weights, gates)
        cleared = state.memory.masked_fill(least_used(state.usage, 1)[..., None] == 1, 0.0)
        memory = torch.baddbmm(cleared, write_weights.mT, keys)
        read_weights = torch.softmax(cosine_similarity(keys, memory), -1)
        reads = torch.bmm(read_weights, memory)
        usage = self.usage_decay * state.usage + (read_weights + write_weights).sum(1)
        return MANNState(hidden, cell, memory, usage, read_weights, write_weights, reads)

    def _interface(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and gates."""
        of_heads = torch.unflatten(vector, -1, (self.num_reads, -1))
        keys, gates = torch.split(of_heads, [self.word_size, 1], -1)
        return keys, torch.sigmoid(gates)

    def _output(self, hidden: Tensor, reads: Tensor) -> Tensor:
        output: Tensor = self.from_hidden(hidden) + self.from_reads(reads.flatten(-2))
        return output
