"""Gated Recurrent Unit.

Kyunghyun Cho, Bart van Merriënboer, Caglar Gulcehre, Dzmitry Bahdanau, Fethi Bougares, Holger Schwenk, Yoshua Bengio:
Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation. EMNLP 2014,
arXiv:1406.1078, section 2.3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.packed import pack
from memagents.ops.recurrence import RecurrentLayers, step_layers, unroll_packed


class GRUState(NamedTuple):
    """What a GRU holds: the hidden vector of every layer, `[B, num_layers, H]`."""

    hidden: Tensor


@register_memory("gru")
class GRU(Memory[GRUState]):
    """Gated Recurrent Unit: a hidden vector that two gates reset and update (Cho et al. 2014).

        r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)             reset gate      (eq. 5)
        z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)             update gate     (eq. 6)
        n_t = tanh(W_in x_t + b_in + r_t ∘ (W_hn h_{t-1} + b_hn))  new content     (eq. 8)
        h_t = z_t ∘ h_{t-1} + (1 - z_t) ∘ n_t                                      (eq. 7)

    Args:
        input_size: features of an input, D.
        hidden_size: features of the hidden vector and of an output, H.
        num_layers: layers stacked on each other; each reads the hidden vector of the one below.

    Deviations from the paper: biases; the reset gate acts after the recurrent product W_hn h, not on h before it
    (torch's and cuDNN's form, of which one fused call is made); any number of layers.
    """

    def __init__(self, input_size: int, hidden_size: int = 128, num_layers: int = 1) -> None:
        super().__init__(input_size, output_size=hidden_size)
        self.layers = RecurrentLayers(input_size, hidden_size, num_layers, num_gates=3)

    def initial_state(self, batch_size: int) -> GRUState:
        return GRUState(self.layers.zeros(batch_size))

    def step(self, x: Float[Tensor, "B D"], state: GRUState) -> tuple[Float[Tensor, "B H"], GRUState]:
        hidden = []
        for layer, h in zip(self.layers, state.hidden.unbind(1), strict=True):
            input_r, input_z, input_n = layer.from_input(x).chunk(3, -1)
            hidden_r, hidden_z, hidden_n = layer.from_hidden(h).chunk(3, -1)
            reset_gate = torch.sigmoid(input_r + hidden_r)
            update_gate = torch.sigmoid(input_z + hidden_z)
            content = torch.tanh(input_n + reset_gate * hidden_n)
            x = update_gate * h + (1 - update_gate) * content
            hidden.append(x)
        return x, GRUState(torch.stack(hidden, 1))

    def fast_step(self, x: Float[Tensor, "B D"], state: GRUState) -> tuple[Float[Tensor, "B H"], GRUState]:
        output, held = step_layers("gru", self.layers, x, state)
        return output, GRUState(*held)

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: GRUState
    ) -> tuple[Float[Tensor, "T B H"], GRUState]:
        outputs, last = unroll_packed("gru", self.layers, inputs, pack(episode_starts), state)
        return outputs, GRUState(*last)

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: GRUState
    ) -> dict[str, Tensor]:
        """The state after every step, and the gates that made it, `[T, B, num_layers, H]`: `reset_gates` r and
        `update_gates` z."""
        states = super().trace(inputs, episode_starts, state)
        told = torch.sigmoid(self.layers.told(inputs, episode_starts, state.hidden, states["hidden"])).chunk(3, -1)
        return states | {"reset_gates": told[0], "update_gates": told[1]}
