"""WaveNet.

Aäron van den Oord, Sander Dieleman, Heiga Zen, Karen Simonyan, Oriol Vinyals, Alex Graves, Nal Kalchbrenner, Andrew
Senior, Koray Kavukcuoglu: WaveNet: A Generative Model for Raw Audio. 2016, arXiv:1609.03499, sections 2.1, 2.3 and 2.4.
Tom Le Paine, Pooya Khorrami, Shiyu Chang, Yang Zhang, Prajit Ramachandran, Mark A. Hasegawa-Johnson, Thomas S. Huang:
Fast Wavenet Generation Algorithm. 2016, arXiv:1611.09482 (the queues).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.convolution import causal_convolution, causal_convolution_step, pointwise, steps_since_start
from memagents.ops.initialisation import linear
from memagents.ops.recurrence import check_positive


class WaveNetState(NamedTuple):
    """What a WaveNet holds: the last inputs of every layer, oldest first, zeros before the episode.

    `queues` is `[B, H, receptive_field - 1]`: the layers' queues side by side, the lowest first.
    """

    queues: Tensor


class Layer(nn.Module):
    """A gated convolution and the residual connection around it.

    Args:
        hidden_size: channels in and out, H.
        kernel_size: taps of the convolution, K.
        dilation: steps between them.
        is_last: true where no layer above reads the residual connection, so that there is none.
    """

    def __init__(self, hidden_size: int, kernel_size: int, dilation: int, is_last: bool) -> None:
        super().__init__()
        weight = torch.randn(2 * hidden_size, hidden_size, kernel_size) * (hidden_size * kernel_size) ** -0.5
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))
        self.dilation = dilation
        self.residual = None if is_last else linear(hidden_size, hidden_size, gain=1.0)

    def step(
        self, x: Float[Tensor, "B H"], queue: Float[Tensor, "B H Q"]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"], Float[Tensor, "B H Q"]]:
        """What the next layer reads, z, and the queue after it."""
        y, queue = causal_convolution_step(x, queue, self.weight, self.bias, self.dilation)
        filters, gates = y.chunk(2, 1)
        z = torch.tanh(filters) * torch.sigmoid(gates)
        return (x if self.residual is None else x + self.residual(z)), z, queue

    def forward(
        self, x: Float[Tensor, "B H T"], queue: Float[Tensor, "B H Q"], since_start: Int[Tensor, "B 1 T"] | None
    ) -> tuple[Float[Tensor, "B H T"], Float[Tensor, "B H T"], Float[Tensor, "B H Q"], Float[Tensor, "B H T"]]:
        """`step` over a whole sequence, time last; and the values of the gates."""
        y, queue = causal_convolution(x, queue, self.weight, self.bias, self.dilation, since_start)
        filters, gates = y.chunk(2, 1)
        gates = torch.sigmoid(gates)
        z = torch.tanh(filters) * gates
        return (x if self.residual is None else x + pointwise(z, self.residual)), z, queue, gates


@register_memory("wavenet")
class WaveNet(Memory[WaveNetState]):
    """WaveNet: gated dilated causal convolutions with residual and skip connections (van den Oord et al. 2016).

    In layers l = 1..L, of dilation 1, 2, 4, ..., from 1 again with every stack; * is a causal dilated convolution, and
    every other product a 1x1 convolution:

        x_1 = W_in u                                    u is the input
        z_l = tanh(W_f,l * x_l) ∘ σ(W_g,l * x_l)        gated activation (eq. 2)
        x_{l+1} = x_l + W_r,l z_l                       residual connection, l < L
        s = Σ_l W_s,l z_l                               skip connections
        o = W_2 ReLU(W_1 ReLU(s))                       output

    Args:
        input_size: features of an input, D.
        hidden_size: channels of all of these, and features of an output, H.
        num_layers: dilated layers of a stack; the last has dilation 2^(num_layers - 1).
        num_stacks: how often the dilations are gone through.
        kernel_size: taps of a dilated convolution, K.

    Weights are normal, of variance 1/fan-in; 2/fan-in for W_s, W_1 and W_2, which meet a ReLU. Biases are zero.

    Deviations from the paper: the first convolution is 1x1, so that the receptive field is what the dilations make it
    (1024 for one stack of ten layers with two taps); biases; no residual connection leads out of the last layer, where
    nothing would read it; the output is features, not the probabilities of 256 quantised values.
    """

    def __init__(
        self, input_size: int, hidden_size: int = 48, num_layers: int = 7, num_stacks: int = 1, kernel_size: int = 2
    ) -> None:
        check_positive(hidden_size=hidden_size, num_layers=num_layers, num_stacks=num_stacks, kernel_size=kernel_size)
        super().__init__(input_size, output_size=hidden_size)
        dilations = [2**level for level in range(num_layers)] * num_stacks
        depth = len(dilations)
        self.from_input = linear(input_size, hidden_size)
        self.layers = nn.ModuleList(
            Layer(hidden_size, kernel_size, dilation, is_last=number == depth)
            for number, dilation in enumerate(dilations, start=1)
        )
        self.skip = linear(depth * hidden_size, hidden_size, gain=2**0.5)
        self.head = nn.ModuleList(linear(hidden_size, hidden_size, gain=2**0.5) for _ in range(2))
        self.queue_lengths: list[int] = [(kernel_size - 1) * dilation for dilation in dilations]

    @property
    def receptive_field(self) -> int:
        """How many inputs an output depends on, the newest included: 1 + num_stacks (K-1) (2^num_layers - 1)."""
        return 1 + sum(self.queue_lengths)

    def initial_state(self, batch_size: int) -> WaveNetState:
        return WaveNetState(self.skip.weight.new_zeros(batch_size, self.output_size, self.receptive_field - 1))

    def step(self, x: Float[Tensor, "B D"], state: WaveNetState) -> tuple[Float[Tensor, "B H"], WaveNetState]:
        x = self.from_input(x)
        contents, queues = [], []
        for layer, queue in self._with_queues(state):
            x, z, queue = layer.step(x, queue)
            contents.append(z)
            queues.append(queue)
        output = self.skip(torch.cat(contents, 1))
        for last in self.head:
            output = last(torch.relu(output))
        return output, WaveNetState(torch.cat(queues, -1))

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: WaveNetState
    ) -> tuple[Float[Tensor, "T B H"], WaveNetState]:
        if len(inputs) == 1:  # a step is less work than a sequence of one
            return self.loop(inputs, episode_starts, state)
        outputs, state, _ = self._unroll(inputs, episode_starts, state)
        return outputs, state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: WaveNetState
    ) -> dict[str, Tensor]:
        """The queues after each step, and `gates`, the values of σ in every layer, `[T, B, L, H]`."""
        _, _, gates = self._unroll(inputs, episode_starts, state)
        return super().trace(inputs, episode_starts, state) | {"gates": torch.stack(gates, 1).permute(3, 0, 1, 2)}

    def _unroll(
        self, inputs: Tensor, episode_starts: Tensor, state: WaveNetState
    ) -> tuple[Tensor, WaveNetState, list[Tensor]]:
        """Outputs, final state, and the values of every layer's gates, `[B, H, T]` each."""
        since_start = steps_since_start(episode_starts)
        x = pointwise(inputs.permute(1, 2, 0), self.from_input)
        contents, queues, gates = [], [], []
        for layer, queue in self._with_queues(self.reset(state, episode_starts[0])):
            x, z, queue, opened = layer(x, queue, since_start)
            contents.append(z)
            queues.append(queue)
            gates.append(opened)
        outputs = pointwise(torch.cat(contents, 1), self.skip)
        for last in self.head:
            outputs = pointwise(torch.relu(outputs), cast(nn.Linear, last))
        return outputs.permute(2, 0, 1), WaveNetState(torch.cat(queues, -1)), gates

    def _with_queues(self, state: WaveNetState) -> Iterator[tuple[Layer, Tensor]]:
        """Every layer with its queue."""
        queues = torch.split(state.queues, self.queue_lengths, -1)
        return zip(cast(Iterable[Layer], self.layers), queues, strict=True)
