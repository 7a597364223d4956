"""Elman network, the simplest recurrent memory.

Jeffrey L. Elman: Finding Structure in Time. Cognitive Science 14, 1990.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.packed import pack
from memagents.ops.recurrence import RecurrentLayers, step_layers, unroll_packed

_NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class RNNState(NamedTuple):
    """What an Elman network holds: the hidden vector of every layer, `[B, num_layers, H]`."""

    hidden: Tensor


@register_memory("rnn")
class RNN(Memory[RNNState]):
    """Elman recurrent network: a hidden vector, rewritten at every step (Elman 1990).

        h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    Args:
        input_size: features of an input, D.
        hidden_size: features of the hidden vector and of an output, H.
        num_layers: layers stacked on each other; each reads the hidden vector of the one below.
        nonlinearity: "tanh" or "relu".

    Deviations from the paper: two biases (torch's parametrisation), any number of layers, "relu" as a choice.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 128,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        if nonlinearity not in _NONLINEARITIES:
            raise ValueError(f"nonlinearity must be one of {', '.join(_NONLINEARITIES)}, got {nonlinearity!r}")
        super().__init__(input_size, output_size=hidden_size)
        self.layers = RecurrentLayers(input_size, hidden_size, num_layers, num_gates=1)
        self.nonlinearity = nonlinearity

    def initial_state(self, batch_size: int) -> RNNState:
        return RNNState(self.layers.zeros(batch_size))

    def step(self, x: Float[Tensor, "B D"], state: RNNState) -> tuple[Float[Tensor, "B H"], RNNState]:
        activation = _NONLINEARITIES[self.nonlinearity]
        hidden = []
        for layer, h in zip(self.layers, state.hidden.unbind(1), strict=True):
            x = activation(layer.from_input(x) + layer.from_hidden(h))
            hidden.append(x)
        return x, RNNState(torch.stack(hidden, 1))

    def fast_step(self, x: Float[Tensor, "B D"], state: RNNState) -> tuple[Float[Tensor, "B H"], RNNState]:
        output, held = step_layers(f"rnn_{self.nonlinearity}", self.layers, x, state)
        return output, RNNState(*held)

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: RNNState
    ) -> tuple[Float[Tensor, "T B H"], RNNState]:
        kind = f"rnn_{self.nonlinearity}"
        outputs, last = unroll_packed(kind, self.layers, inputs, pack(episode_starts), state)
        return outputs, RNNState(*last)
