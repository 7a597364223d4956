"""Long Short-Term Memory.

Sepp Hochreiter, Jürgen Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997.
Felix A. Gers, Jürgen Schmidhuber, Fred Cummins: Learning to Forget: Continual Prediction with LSTM. Neural
Computation 12(10), 2000 (the forget gate).
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.packed import pack
from memagents.ops.recurrence import RecurrentLayers, step_layers, unroll_packed

INPUT, FORGET, OUTPUT = 0, 1, 3
"""Where the gates stand among the four blocks of weights; block 2 makes the new content."""


class LSTMState(NamedTuple):
    """What an LSTM holds: the hidden vector and the cell of every layer, both `[B, num_layers, H]`."""

    hidden: Tensor
    cell: Tensor


@register_memory("lstm")
class LSTM(Memory[LSTMState]):
    """Long Short-Term Memory: a cell guarded by input, forget and output gates (Hochreiter and Schmidhuber 1997).

        i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)       input gate
        f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)       forget gate (Gers et al. 2000)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)    new content
        o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)       output gate
        c_t = f_t ∘ c_{t-1} + i_t ∘ g_t
        h_t = o_t ∘ tanh(c_t)

    Args:
        input_size: features of an input, D.
        hidden_size: features of the hidden vector, of the cell and of an output, H.
        num_layers: layers stacked on each other; each reads the hidden vector of the one below.

    Deviations from the papers: one cell per block, no peepholes, two biases (torch's parametrisation), gradients
    through all gates (the 1997 paper truncates them), any number of layers.
    """

    def __init__(self, input_size: int, hidden_size: int = 128, num_layers: int = 1) -> None:
        super().__init__(input_size, output_size=hidden_size)
        self.layers = RecurrentLayers(input_size, hidden_size, num_layers, num_gates=4)

    def initial_state(self, batch_size: int) -> LSTMState:
        zeros = self.layers.zeros(batch_size)
        return LSTMState(hidden=zeros, cell=zeros)

    def step(self, x: Float[Tensor, "B D"], state: LSTMState) -> tuple[Float[Tensor, "B H"], LSTMState]:
        hidden, cell = [], []
        for layer, h, c in zip(self.layers, state.hidden.unbind(1), state.cell.unbind(1), strict=True):
            gates = layer.from_input(x) + layer.from_hidden(h)
            input_gate, forget_gate, content, output_gate = gates.chunk(4, -1)
            c = torch.sigmoid(forget_gate) * c + torch.sigmoid(input_gate) * torch.tanh(content)
            x = torch.sigmoid(output_gate) * torch.tanh(c)
            hidden.append(x)
            cell.append(c)
        return x, LSTMState(torch.stack(hidden, 1), torch.stack(cell, 1))

    def fast_step(self, x: Float[Tensor, "B D"], state: LSTMState) -> tuple[Float[Tensor, "B H"], LSTMState]:
        output, held = step_layers("lstm", self.layers, x, state)
        return output, LSTMState(*held)

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: LSTMState
    ) -> tuple[Float[Tensor, "T B H"], LSTMState]:
        outputs, last = unroll_packed("lstm", self.layers, inputs, pack(episode_starts), state)
        return outputs, LSTMState(*last)

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: LSTMState
    ) -> dict[str, Tensor]:
        """The state after every step, and the gates that made it, `[T, B, num_layers, H]`: `input_gates` i,
        `forget_gates` f and `output_gates` o."""
        states = super().trace(inputs, episode_starts, state)
        told = torch.sigmoid(self.layers.told(inputs, episode_starts, state.hidden, states["hidden"])).chunk(4, -1)
        gates = {"input_gates": told[INPUT], "forget_gates": told[FORGET], "output_gates": told[OUTPUT]}
        return states | gates
