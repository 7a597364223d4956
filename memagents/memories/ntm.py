"""Neural Turing Machine.

Alex Graves, Greg Wayne, Ivo Danihelka: Neural Turing Machines. arXiv:1410.5401, 2014, section 3.
Mark Collier, Joeran Beel: Implementing Neural Turing Machines. ICANN 2018, arXiv:1807.08518 (some of what the paper
leaves open).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from memagents.kernels import ntm as kernel
from memagents.kernels.unroll import Kernel
from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.addressing import content_weights, interpolate, sharpen, shift, write
from memagents.ops.controller import Controller, ControllerKind, unroll
from memagents.ops.initialisation import linear
from memagents.ops.recurrence import check_positive

BLANK = 1e-6
"""What is everywhere in the memory when an episode starts (Collier and Beel 2018)."""


class NTMState(NamedTuple):
    """What a Neural Turing Machine holds.

    Of the controller the `hidden` vector `[B, H]` and the `cell` (`[B, H]`; `[B, 0]` if it is feed-forward, when the
    hidden vector is not read again either). The `memory` `[B, N, W]`; where its K heads of each kind are,
    `read_weights` and `write_weights` `[B, K, N]`; and the words read last, `reads` `[B, K, W]`.
    """

    hidden: Tensor
    cell: Tensor
    memory: Tensor
    read_weights: Tensor
    write_weights: Tensor
    reads: Tensor


class Heads(NamedTuple):
    """What the heads are told, `[B, 2K, ...]`, those that read before those that write; the last two `[B, K, W]`."""

    keys: Tensor
    strengths: Tensor
    gates: Tensor
    shifts: Tensor
    exponents: Tensor
    erase: Tensor
    add: Tensor


@register_memory("ntm")
class NTM(Memory[NTMState]):
    """Neural Turing Machine: heads that read and write a tape, by content and by moving along (Graves et al. 2014).

    The controller reads x_t and the words r_{t-1}. Its hidden vector h_t tells every head a key k, a strength β, a gate
    g, attention to moves s and an exponent γ, and a head that writes an erase vector e and an add vector a as well.

        w^c_i = softmax_i(β cos(k, M_i))               look up the key             (eqs 5, 6)
        w^g   = g w^c + (1 - g) w_{t-1}                or stay                     (eq. 7)
        w~_i  = Σ_j w^g_j s(i - j)                     move along                  (eq. 8)
        w_i   = w~_i^γ / Σ_j w~_j^γ                    stay sharp                  (eq. 9)
        r_t   = Σ_i w_i M_i                            for a head that reads       (eq. 2)
        M_t   = M_{t-1} ∘ Π (1 - w e^T) + Σ w a^T      over all heads that write   (eqs 3, 4)
        y_t   = W_y h_t + W_r r_t

    β = softplus, g = σ, s = softmax, γ = 1 + softplus, e = σ, a = tanh of what the controller says.

    Args:
        input_size: features of an input, D.
        hidden_size: features of the controller's hidden vector and of an output, H.
        memory_size: slots, N.
        word_size: features of a slot, W.
        num_heads: heads that read, and as many that write, K.
        shift_range: slots that a head can move by in one step, to either side.
        controller: "lstm" or "feedforward"; see `ops/controller.py`, for how its weights are drawn too.

    Deviations from the paper: each length in the cosine is sqrt(|v|² + 1e-6); eq. 9 is computed in logarithms, with
    1e-16 added to every weight. What it leaves open is as Collier and Beel (2018) have it: all heads address M_{t-1},
    and it is read before it is written; the interface vector is clipped to ±20, and a goes through tanh; the memory
    starts as 1e-6 everywhere. But all heads start at slot 0, where theirs learn where to: from equal weights over equal
    slots no two slots would ever be told apart.
    """

    bears_16_bits = False  # slots that differ little would be one and the same

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 96,
        memory_size: int = 16,
        word_size: int = 32,
        num_heads: int = 1,
        shift_range: int = 1,
        controller: ControllerKind = "lstm",
    ) -> None:
        check_positive(memory_size=memory_size, word_size=word_size, num_heads=num_heads, shift_range=shift_range)
        super().__init__(input_size, output_size=hidden_size)
        self.memory_size, self.word_size, self.num_heads = memory_size, word_size, num_heads
        self.head_sizes = [word_size, 1, 1, 2 * shift_range + 1, 1]
        self.interface_sizes = [2 * num_heads * sum(self.head_sizes), num_heads * word_size, num_heads * word_size]
        read_size = num_heads * word_size
        self.controller = Controller(controller, input_size, read_size, hidden_size, sum(self.interface_sizes))
        self.from_hidden = linear(hidden_size, hidden_size)
        self.from_reads = linear(read_size, hidden_size, bias=False)

    def initial_state(self, batch_size: int) -> NTMState:
        hidden, cell = self.controller.zeros(batch_size)
        memory = hidden.new_full((batch_size, self.memory_size, self.word_size), BLANK)
        weights = hidden.new_zeros(batch_size, self.num_heads, self.memory_size)
        weights[..., 0] = 1.0
        reads = hidden.new_zeros(batch_size, self.num_heads, self.word_size)
        return NTMState(hidden, cell, memory, weights, weights, reads)

    def step(self, x: Float[Tensor, "B D"], state: NTMState) -> tuple[Float[Tensor, "B H"], NTMState]:
        state = self._advance(self.controller.from_input(x), state)
        return self._output(state.hidden, state.reads), state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: NTMState
    ) -> tuple[Float[Tensor, "T B H"], NTMState]:
        memory = self.controller, self._advance, self._kernel()
        hidden, reads, state = unroll(*memory, inputs, episode_starts, state, self.initial_state(len(state.memory)))
        return self._output(hidden, reads), state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: NTMState
    ) -> dict[str, Tensor]:
        """The state after every step and what the heads were told.

        For all heads, those that read before those that write: `keys` `[T, B, 2K, W]`, `strengths` β, `gates` g and
        `exponents` γ `[T, B, 2K, 1]`, and `shifts` s `[T, B, 2K, S]`, from the farthest move back to the farthest on.
        For those that write: `erase` and `add` `[T, B, K, W]`.
        """
        states = super().trace(inputs, episode_starts, state)
        told = self._heads(self.controller.interface(states["hidden"].flatten(0, 1)))
        return states | {name: torch.unflatten(part, 0, episode_starts.shape) for name, part in told._asdict().items()}

    def _kernel(self) -> Kernel:
        return Kernel(kernel.step, kernel.step_backward, (self.num_heads, self.memory_size, self.word_size))

    def _advance(self, from_input: Tensor, state: NTMState) -> NTMState:
        hidden, cell, told = self.controller(from_input, state.reads, state.hidden, state.cell)
        keys, strengths, gates, shifts, exponents, erase, add = self._heads(told)
        content = content_weights(keys, state.memory, strengths)
        previous = torch.cat([state.read_weights, state.write_weights], 1)
        weights = sharpen(shift(interpolate(content, previous, gates), shifts), exponents)
        read_weights, write_weights = weights.chunk(2, 1)
        reads = torch.bmm(read_weights, state.memory)
        memory = write(state.memory, write_weights, erase, add)
        return NTMState(hidden, cell, memory, read_weights, write_weights, reads)

    def _heads(self, interface: Tensor) -> Heads:
        """Takes the interface vector apart, and bounds its parts."""
        addressing, erase, add = torch.split(interface.clamp(-kernel.LIMIT, kernel.LIMIT), self.interface_sizes, -1)
        addressing = torch.unflatten(addressing, -1, (2 * self.num_heads, -1))
        keys, strengths, gates, shifts, exponents = torch.split(addressing, self.head_sizes, -1)
        return Heads(
            keys,
            F.softplus(strengths),
            torch.sigmoid(gates),
            torch.softmax(shifts, -1),
            1 + F.softplus(exponents),
            torch.unflatten(torch.sigmoid(erase), -1, (-1, self.word_size)),
            torch.unflatten(torch.tanh(add), -1, (-1, self.word_size)),
        )

    def _output(self, hidden: Tensor, reads: Tensor) -> Tensor:
        output: Tensor = self.from_hidden(hidden) + self.from_reads(reads.flatten(-2))
        return output
