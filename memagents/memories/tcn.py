"""Temporal convolutional network.

Shaojie Bai, J. Zico Kolter, Vladlen Koltun: An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
Sequence Modeling. 2018, arXiv:1803.01271, section 3.
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


class TCNState(NamedTuple):
    """What a TCN holds: the last inputs of every convolution, oldest first, zeros before the episode.

    Attributes:
        inputs: those of the first convolution, `[B, D, kernel_size - 1]`.
        hidden: those of all others side by side, the lowest first, `[B, H, receptive_field - kernel_size]`.
    """

    inputs: Tensor
    hidden: Tensor


class Convolution(nn.Module):
    """A dilated causal convolution whose weights are lengths g times directions v/‖v‖, one for every output channel.

    (Salimans and Kingma 2016, arXiv:1602.07868, eq. 2)

    Args:
        input_size: channels in, C.
        output_size: channels out, O.
        kernel_size: taps, K.
        dilation: steps between them.
        gain: what g² begins with: the mean square of an output, for uncorrelated inputs of mean square 1.
    """

    def __init__(self, input_size: int, output_size: int, kernel_size: int, dilation: int, gain: float) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.full((output_size, 1, 1), gain**0.5))
        self.v = nn.Parameter(torch.randn(output_size, input_size, kernel_size) * (input_size * kernel_size) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(output_size))
        self.dilation = dilation

    def weight(self) -> Float[Tensor, "O C K"]:
        """The weights that g and v stand for."""
        norm: Tensor = torch.linalg.vector_norm(self.v, dim=(1, 2), keepdim=True)
        return self.v * (self.g / norm)

    def step(
        self, x: Float[Tensor, "B C"], queue: Float[Tensor, "B C Q"]
    ) -> tuple[Float[Tensor, "B O"], Float[Tensor, "B C Q"]]:
        """The output for one input, and the queue after it."""
        return causal_convolution_step(x, queue, self.weight(), self.bias, self.dilation)

    def forward(
        self, x: Float[Tensor, "B C T"], queue: Float[Tensor, "B C Q"], since_start: Int[Tensor, "B 1 T"] | None
    ) -> tuple[Float[Tensor, "B O T"], Float[Tensor, "B C Q"]]:
        """`step` over a whole sequence, time last."""
        return causal_convolution(x, queue, self.weight(), self.bias, self.dilation, since_start)


class Block(nn.Module):
    """A residual block: two convolutions, and around them a 1x1 convolution where channels differ.

    Args:
        input_size: channels in, C.
        hidden_size: channels out, H.
        kernel_size: taps of each convolution.
        dilation: steps between them.
        gain: `gain` of the second convolution.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int, dilation: int, gain: float) -> None:
        super().__init__()
        self.first = Convolution(input_size, hidden_size, kernel_size, dilation, gain=2.0)
        self.second = Convolution(hidden_size, hidden_size, kernel_size, dilation, gain)
        self.around = None
        if input_size != hidden_size:
            self.around = linear(input_size, hidden_size)

    def step(
        self, x: Float[Tensor, "B C"], first: Float[Tensor, "B C Q"], second: Float[Tensor, "B H Q"]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B C Q"], Float[Tensor, "B H Q"]]:
        """The output for one input, and both queues after it."""
        y, first = self.first.step(x, first)
        y, second = self.second.step(torch.relu(y), second)
        around = x if self.around is None else self.around(x)
        return torch.relu(around + torch.relu(y)), first, second

    def forward(
        self,
        x: Float[Tensor, "B C T"],
        first: Float[Tensor, "B C Q"],
        second: Float[Tensor, "B H Q"],
        since_start: Int[Tensor, "B 1 T"] | None,
    ) -> tuple[Float[Tensor, "B H T"], Float[Tensor, "B C Q"], Float[Tensor, "B H Q"]]:
        """`step` over a whole sequence, time last."""
        y, first = self.first(x, first, since_start)
        y, second = self.second(torch.relu(y), second, since_start)
        around = x if self.around is None else pointwise(x, self.around)
        return torch.relu(around + torch.relu(y)), first, second


@register_memory("tcn")
class TCN(Memory[TCNState]):
    """Temporal convolutional network: residual blocks of dilated causal convolutions (Bai, Kolter and Koltun 2018).

    In blocks l = 0..L-1, where *_d is a causal convolution of dilation d = 2^l with weight-normalised weights:

        F(x) = ReLU(W_2 *_d ReLU(W_1 *_d x))
        o = ReLU(x + F(x))                      residual connection

    and o is the x of the next block. In the first, W x, a 1x1 convolution, stands for x in the sum where D is not H.

    Args:
        input_size: features of an input, D.
        hidden_size: channels of every convolution, and features of an output, H.
        num_layers: residual blocks, L.
        kernel_size: taps of a convolution, K. The paper's memory tasks were learnt with 6 to 8.

    Directions of weights are drawn uniformly. At first g² is 2 in the first convolution of a block, which keeps the
    mean square of its input beyond the ReLU, and 2/L in the second, so that outputs are of order one however many
    blocks there are. W is normal with variance 1/D, biases are zero. (The paper's code asks for weights of deviation
    0.01, but weight normalisation then recomputes them from g and v, which have torch's default.)

    Deviations from the paper: no dropout, which would make what is recomputed for an update differ from what acted.
    """

    def __init__(self, input_size: int, hidden_size: int = 48, num_layers: int = 4, kernel_size: int = 5) -> None:
        check_positive(hidden_size=hidden_size, num_layers=num_layers, kernel_size=kernel_size)
        super().__init__(input_size, output_size=hidden_size)
        dilations = [2**level for level in range(num_layers)]
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        self.blocks = nn.ModuleList(
            Block(size, hidden_size, kernel_size, dilation, gain=2 / num_layers)
            for size, dilation in zip(sizes, dilations, strict=True)
        )
        self.queue_lengths: list[int] = [(kernel_size - 1) * dilation for dilation in dilations for _ in range(2)]

    @property
    def receptive_field(self) -> int:
        """How many inputs an output depends on, the newest included: 1 + 2 (K-1) (2^L - 1)."""
        return 1 + sum(self.queue_lengths)

    def initial_state(self, batch_size: int) -> TCNState:
        zeros = next(self.parameters()).new_zeros
        first, *others = self.queue_lengths
        return TCNState(
            inputs=zeros(batch_size, self.input_size, first), hidden=zeros(batch_size, self.output_size, sum(others))
        )

    def step(self, x: Float[Tensor, "B D"], state: TCNState) -> tuple[Float[Tensor, "B H"], TCNState]:
        queues: list[Tensor] = []
        for block, first, second in self._with_queues(state):
            x, *after = block.step(x, first, second)
            queues += after
        return x, TCNState(queues[0], torch.cat(queues[1:], -1))

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: TCNState
    ) -> tuple[Float[Tensor, "T B H"], TCNState]:
        if len(inputs) == 1:  # a step is less work than a sequence of one
            return self.loop(inputs, episode_starts, state)
        since_start = steps_since_start(episode_starts)
        x, queues = inputs.permute(1, 2, 0), []
        for block, first, second in self._with_queues(self.reset(state, episode_starts[0])):
            x, *after = block(x, first, second, since_start)
            queues += after
        return x.permute(2, 0, 1), TCNState(queues[0], torch.cat(queues[1:], -1))

    def _with_queues(self, state: TCNState) -> Iterator[tuple[Block, Tensor, Tensor]]:
        """Every block with the queues of its two convolutions."""
        queues = [state.inputs, *torch.split(state.hidden, self.queue_lengths[1:], -1)]
        return zip(cast(Iterable[Block], self.blocks), queues[::2], queues[1::2], strict=True)
