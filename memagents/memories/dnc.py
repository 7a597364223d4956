"""Differentiable Neural Computer.

Alex Graves, Greg Wayne, Malcolm Reynolds, Tim Harley, Ivo Danihelka, Agnieszka Grabska-Barwińska et al.: Hybrid
computing using a neural network with dynamic external memory. Nature 538, 2016, Methods.
Róbert Csordás, Jürgen Schmidhuber: Improving Differentiable Neural Computers Through Memory Masking, De-allocation,
and Link Distribution Sharpness Control. ICLR 2019, arXiv:1904.10278 (the three repairs).
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from memagents.kernels import dnc as kernel
from memagents.kernels.unroll import Kernel
from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops import addressing
from memagents.ops.controller import Controller, ControllerKind, unroll
from memagents.ops.initialisation import linear
from memagents.ops.recurrence import check_positive


class DNCState(NamedTuple):
    """What a Differentiable Neural Computer holds.

    Of the controller the `hidden` vector `[B, H]` and the `cell` (`[B, H]`; `[B, 0]` if it is feed-forward, when the
    hidden vector is not read again either). The `memory` `[B, N, W]`; how much each slot is in use, `usage` `[B, N]`;
    which slot was written after which, `links` `[B, N, N]`, and where the last write went, `precedence` `[B, N]`
    (`[B, 0, 0]` and `[B, 0]` without links); where the heads are, `write_weights` `[B, N]` and `read_weights`
    `[B, R, N]`; and the words read last, `reads` `[B, R, W]`.
    """

    hidden: Tensor
    cell: Tensor
    memory: Tensor
    usage: Tensor
    links: Tensor
    precedence: Tensor
    write_weights: Tensor
    read_weights: Tensor
    reads: Tensor


def oneplus(x: Tensor) -> Tensor:
    """Into [1, ∞)."""
    return 1 + F.softplus(x)


_BOUNDS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "read_strengths": oneplus,
    "free_gates": torch.sigmoid,
    "read_modes": partial(torch.softmax, dim=-1),
    "read_masks": torch.sigmoid,
    "sharpness": oneplus,
    "write_strength": oneplus,
    "erase": torch.sigmoid,
    "allocation_gate": torch.sigmoid,
    "write_gate": torch.sigmoid,
    "write_mask": torch.sigmoid,
}
"""How the parts of the interface vector are bounded; the others are not."""


@register_memory("dnc")
class DNC(Memory[DNCState]):
    """Differentiable Neural Computer: memory that is allocated, freed and read in order (Graves et al. 2016).

    The controller reads x_t and the words r_{t-1}. Its hidden vector h_t makes the interface vector: keys k and
    strengths β to look up content, free gates f, an erase vector e and a write vector v, the allocation gate g^a and
    the write gate g^w, and for every read head its modes π.

        ψ   = Π_i (1 - f^i w^{r,i}_{t-1})                            retention
        u_t = (u_{t-1} + w^w_{t-1} - u_{t-1} ∘ w^w_{t-1}) ∘ ψ        usage
        a[φ_j] = (1 - u_t[φ_j]) Π_{i<j} u_t[φ_i]                     allocation; φ sorts the slots by usage
        c^w = softmax(β^w cos(k^w, M_{t-1}))                         content, to write
        w^w_t = g^w (g^a a + (1 - g^a) c^w)                          write weights
        M_t = M_{t-1} ∘ (1 - w^w_t e^T) + w^w_t v^T                  memory
        L_t[i,j] = (1 - w^w_i - w^w_j) L_{t-1}[i,j] + w^w_i p_{t-1}[j],  L_t[i,i] = 0    temporal links
        p_t = (1 - Σ_i w^w_i) p_{t-1} + w^w_t                        precedence
        b^i = L_t^T w^{r,i}_{t-1},  f^i = L_t w^{r,i}_{t-1}          the words before and after
        c^{r,i} = softmax(β^{r,i} cos(k^{r,i}, M_t))                 content, to read
        w^{r,i}_t = π_1 b^i + π_2 c^{r,i} + π_3 f^i                  read weights
        r^i_t = M_t^T w^{r,i}_t
        y_t = W_y h_t + W_r [r^1_t; ...; r^R_t]

    Everything is zero when an episode starts.

    Args:
        input_size: features of an input, D.
        hidden_size: features of the controller's hidden vector and of an output, H.
        memory_size: slots, N.
        word_size: features of a slot, W.
        num_reads: read heads, R; there is one write head.
        controller: "lstm" or "feedforward"; see `ops/controller.py`, for how its weights are drawn too.
        links: whether there are temporal links; without them all reading is by content.
        masked_content: a look-up compares only where a mask m is open, cos(k∘m, M_i∘m) (Csordás and Schmidhuber 2019,
            section 3.1).
        deallocate: what is freed is also erased, M_t = (M_{t-1} ∘ ψ 1^T) ∘ (1 - w^w_t e^T) + w^w_t v^T (eq. 1 there).
        sharpen_links: b and f are raised to a power and normalised (eq. 2 there).

    Deviations from the paper: the controller has one layer. Each length in the cosine is sqrt(|v|² + 1e-6); in the
    product over usages none counts as less than 1e-6; among slots that differ in usage by less than 1e-5 the first is
    freest; before links are sharpened 1e-6 is added to them. Csordás and Schmidhuber stabilise theirs in other ways.
    """

    bears_16_bits = False  # slots that differ little would be one and the same

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 100,
        memory_size: int = 16,
        word_size: int = 16,
        num_reads: int = 2,
        controller: ControllerKind = "lstm",
        links: bool = True,
        masked_content: bool = False,
        deallocate: bool = False,
        sharpen_links: bool = False,
    ) -> None:
        check_positive(memory_size=memory_size, word_size=word_size, num_reads=num_reads)
        if sharpen_links and not links:
            raise ValueError("sharpen_links=True needs links=True: without links there are none to sharpen")
        super().__init__(input_size, output_size=hidden_size)
        self.memory_size, self.word_size, self.num_reads = memory_size, word_size, num_reads
        self.links, self.masked_content = links, masked_content
        self.deallocate, self.sharpen_links = deallocate, sharpen_links
        self.read_sizes = {"read_keys": word_size, "read_strengths": 1, "free_gates": 1}
        self.write_sizes = {"write_key": word_size, "write_strength": 1, "erase": word_size, "write_vector": word_size}
        self.write_sizes |= {"allocation_gate": 1, "write_gate": 1}
        if links:
            self.read_sizes["read_modes"] = 3
        if masked_content:
            self.read_sizes["read_masks"] = self.write_sizes["write_mask"] = word_size
        if sharpen_links:
            self.read_sizes["sharpness"] = 2
        self.interface_sizes = [num_reads * sum(self.read_sizes.values()), sum(self.write_sizes.values())]
        read_size = num_reads * word_size
        self.controller = Controller(controller, input_size, read_size, hidden_size, sum(self.interface_sizes))
        self.from_hidden = linear(hidden_size, hidden_size)
        self.from_reads = linear(read_size, hidden_size, bias=False)

    def initial_state(self, batch_size: int) -> DNCState:
        hidden, cell = self.controller.zeros(batch_size)
        num_linked = self.memory_size if self.links else 0
        return DNCState(
            hidden,
            cell,
            memory=hidden.new_zeros(batch_size, self.memory_size, self.word_size),
            usage=hidden.new_zeros(batch_size, self.memory_size),
            links=hidden.new_zeros(batch_size, num_linked, num_linked),
            precedence=hidden.new_zeros(batch_size, num_linked),
            write_weights=hidden.new_zeros(batch_size, self.memory_size),
            read_weights=hidden.new_zeros(batch_size, self.num_reads, self.memory_size),
            reads=hidden.new_zeros(batch_size, self.num_reads, self.word_size),
        )

    def step(self, x: Float[Tensor, "B D"], state: DNCState) -> tuple[Float[Tensor, "B H"], DNCState]:
        state = self._advance(self.controller.from_input(x), state)
        return self._output(state.hidden, state.reads), state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: DNCState
    ) -> tuple[Float[Tensor, "T B H"], DNCState]:
        memory = self.controller, self._advance, self._kernel()
        hidden, reads, state = unroll(*memory, inputs, episode_starts, state, self.initial_state(len(state.memory)))
        return self._output(hidden, reads), state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: DNCState
    ) -> dict[str, Tensor]:
        """The state after every step, `allocation` `[T, B, N]`, and the interface.

        For reading, `[T, B, R, ...]`: `read_keys`, `read_strengths`, `free_gates`, and with the options `read_modes`
        (backward, content, forward), `read_masks` and `sharpness` (backward, forward). For writing, `[T, B, 1, ...]`:
        `write_key`, `write_strength`, `erase`, `write_vector`, `allocation_gate`, `write_gate` and `write_mask`.
        """
        states = super().trace(inputs, episode_starts, state)
        told = self._interface(self.controller.interface(states["hidden"].flatten(0, 1)))
        told["allocation"] = addressing.allocation(states["usage"].flatten(0, 1))
        return states | {name: torch.unflatten(part, 0, episode_starts.shape) for name, part in told.items()}

    def _kernel(self) -> Kernel | None:
        """There is none for the repairs."""
        if self.masked_content or self.deallocate or self.sharpen_links:
            return None
        sizes = self.num_reads, self.memory_size, self.word_size, self.memory_size if self.links else 0
        return Kernel(kernel.step, kernel.step_backward, sizes)

    def _advance(self, from_input: Tensor, state: DNCState) -> DNCState:
        hidden, cell, interface = self.controller(from_input, state.reads, state.hidden, state.cell)
        told = self._interface(interface)
        retention = addressing.retention(told["free_gates"], state.read_weights)
        usage = addressing.used(state.usage, state.write_weights, retention)
        write_weights = self._write_weights(told, state.memory, addressing.allocation(usage))
        memory = state.memory * retention[..., None] if self.deallocate else state.memory
        memory = addressing.write(memory, write_weights, told["erase"], told["write_vector"])
        write_weights = write_weights[:, 0]
        links, precedence = state.links, state.precedence
        if self.links:
            links = addressing.links_after_write(links, precedence, write_weights)
            precedence = addressing.precedence_after_write(precedence, write_weights)
        read_weights = self._read_weights(told, memory, links, state.read_weights)
        reads = torch.bmm(read_weights, memory)
        return DNCState(hidden, cell, memory, usage, links, precedence, write_weights, read_weights, reads)

    def _write_weights(self, told: dict[str, Tensor], memory: Tensor, allocation: Tensor) -> Tensor:
        content = self._look_up(told["write_key"], memory, told["write_strength"], told.get("write_mask"))
        return told["write_gate"] * torch.lerp(content, allocation[:, None], told["allocation_gate"])

    def _read_weights(self, told: dict[str, Tensor], memory: Tensor, links: Tensor, previous: Tensor) -> Tensor:
        content = self._look_up(told["read_keys"], memory, told["read_strengths"], told.get("read_masks"))
        if not self.links:
            return content
        backward, forward = torch.bmm(previous, links), torch.bmm(previous, links.mT)
        if self.sharpen_links:
            backward_exponents, forward_exponents = told["sharpness"].chunk(2, -1)
            backward = addressing.sharpen(backward, backward_exponents, floor=1e-6)
            forward = addressing.sharpen(forward, forward_exponents, floor=1e-6)
        return addressing.read_by_mode(told["read_modes"], backward, content, forward)

    def _look_up(self, keys: Tensor, memory: Tensor, strengths: Tensor, masks: Tensor | None) -> Tensor:
        if masks is None:
            return addressing.content_weights(keys, memory, strengths)
        return addressing.masked_content_weights(keys, memory, strengths, masks)

    def _interface(self, vector: Tensor) -> dict[str, Tensor]:
        """Takes the interface vector apart, and bounds its parts."""
        of_reads, of_write = torch.split(vector, self.interface_sizes, -1)
        of_reads = torch.unflatten(of_reads, -1, (self.num_reads, -1))
        reading = torch.split(of_reads, list(self.read_sizes.values()), -1)
        writing = torch.split(of_write[:, None], list(self.write_sizes.values()), -1)
        parts = zip((*self.read_sizes, *self.write_sizes), (*reading, *writing), strict=True)
        return {name: _BOUNDS[name](part) if name in _BOUNDS else part for name, part in parts}

    def _output(self, hidden: Tensor, reads: Tensor) -> Tensor:
        output: Tensor = self.from_hidden(hidden) + self.from_reads(reads.flatten(-2))
        return output
