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
from memagents.ops.recurrence import FUSED, RecurrentLayer, RecurrentLayers, side_by_side
from memagents.ops.separators import Separated, separate

INPUT, FORGET, OUTPUT = 0, 1, 3
"""Where the gates stand among the four blocks of weights; block 2 makes the new content."""

SHUT = 1e4
"""Subtracted from what a gate is told, this makes its sigmoid exactly 0; added, exactly 1."""


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

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: LSTMState
    ) -> tuple[Float[Tensor, "T B H"], LSTMState]:
        state = self.reset(state, episode_starts[0])
        if len(inputs) == 1 or not episode_starts[1:].any():
            return self._unroll(inputs, state, None)
        rows = separate(episode_starts)
        outputs, final = self._unroll(rows.spread(inputs), state, rows)
        return rows.pick(outputs), final

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: LSTMState
    ) -> dict[str, Tensor]:
        """The state after every step, and the gates that made it, `[T, B, num_layers, H]`: `input_gates` i,
        `forget_gates` f and `output_gates` o."""
        states = super().trace(inputs, episode_starts, state)
        told = torch.sigmoid(self.layers.told(inputs, episode_starts, state.hidden, states["hidden"])).chunk(4, -1)
        gates = {"input_gates": told[INPUT], "forget_gates": told[FORGET], "output_gates": told[OUTPUT]}
        return states | gates

    def _unroll(self, inputs: Tensor, state: LSTMState, rows: Separated | None) -> tuple[Tensor, LSTMState]:
        """One fused call per layer; resets happen at separators."""
        hidden, cell = [], []
        for layer, h, c in zip(self.layers, state.hidden.unbind(1), state.cell.unbind(1), strict=True):
            inputs, last_cell = _fused_layer(layer, inputs, h, c, rows)
            hidden.append(inputs[-1] if rows is None else rows.last(inputs))
            cell.append(last_cell)
        return inputs, LSTMState(torch.stack(hidden, 1), torch.stack(cell, 1))


def _fused_layer(
    layer: RecurrentLayer, inputs: Tensor, h: Tensor, c: Tensor, rows: Separated | None
) -> tuple[Tensor, Tensor]:
    """All steps of one layer in one call: outputs `[L, B, H]` and the cell `[B, H]` after the last step of each row.

    The kernel knows no resets, and returns the cell after the padding alone. Two input features of their own make up
    for that: a separator shuts all three gates, which leaves cell and hidden vector exactly 0 and lets no gradient
    through; padding shuts the input gate and opens the forget gate, which carries the cell through it unchanged.
    """
    weight_ih, *others = layer.weights()
    if rows is not None:
        gates = weight_ih.new_zeros(4, h.shape[-1], 2)
        gates[INPUT] = gates[FORGET, :, 0] = gates[OUTPUT, :, 0] = -SHUT
        gates[FORGET, :, 1] = SHUT
        weight_ih = torch.cat([weight_ih, gates.flatten(0, 1)], 1)
        flags = torch.stack([rows.separator, rows.padding], -1)
        inputs = torch.cat([inputs, flags.to(inputs)], -1)
    begin = (h[None].contiguous(), c[None].contiguous())
    weights = [weight_ih, *others]
    outputs, _, cell = torch.lstm(inputs, begin, side_by_side(weights) if inputs.is_cuda else weights, **FUSED)
    return outputs, cell[0]
