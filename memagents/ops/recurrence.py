"""The weights of recurrent layers, running such layers over packed sequences, and the checks on their sizes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from memagents.kernels.recurrence import can_unroll, unroll_cell
from memagents.kernels.recurrence_step import can_step, step_cell
from memagents.ops.packed import Packed

FUSED_PACKED: Final = (True, 1, 0.0, True, False)
"""How torch's kernels for packed sequences are called: biases, a single layer, no dropout, training, one direction."""


class RecurrentLayer(nn.Module):
    """Weights of one layer whose G gates each read the input and the hidden vector, in torch's layout and order.

    Input weights are normal with variance 1/D (LeCun et al. 1998), so that a gate feels its input however few
    features that has; recurrent weights are orthogonal for each gate (Saxe et al. 2014); biases are zero. Torch draws
    all uniformly from ±1/sqrt(H), which whispers: with few input features agents took twice the steps to learn.

    Args:
        input_size: features of an input, D.
        hidden_size: features of the hidden vector, H.
        num_gates: gates, and blocks of H rows in each weight, G.
    """

    def __init__(self, input_size: int, hidden_size: int, num_gates: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(num_gates * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(num_gates * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(num_gates * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(num_gates * hidden_size))
        with torch.no_grad():
            self.weight_ih.normal_(std=input_size**-0.5)
            for gate in self.weight_hh.chunk(num_gates):
                nn.init.orthogonal_(gate)
            self.bias_ih.zero_()
            self.bias_hh.zero_()

    def from_input(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B GH"]:
        """What the input adds to every gate."""
        return F.linear(x, self.weight_ih, self.bias_ih)

    def from_hidden(self, h: Float[Tensor, "B H"]) -> Float[Tensor, "B GH"]:
        """What the hidden vector adds to every gate."""
        return F.linear(h, self.weight_hh, self.bias_hh)

    def weights(self) -> list[Tensor]:
        """All weights, in the order torch's fused kernels take them."""
        return [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]


class RecurrentLayers(nn.ModuleList):
    """Layers that each read the hidden vector of the one below.

    Args:
        input_size: features of the lowest layer's input, D.
        hidden_size: features of every hidden vector, H.
        num_layers: how many.
        num_gates: gates of each, G.

    Raises:
        ValueError: if a size is below 1.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, num_gates: int) -> None:
        check_positive(hidden_size=hidden_size, num_layers=num_layers)
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        super().__init__(RecurrentLayer(size, hidden_size, num_gates) for size in sizes)
        self.hidden_size = hidden_size

    def __iter__(self) -> Iterator[RecurrentLayer]:
        return cast(Iterator[RecurrentLayer], super().__iter__())

    def zeros(self, batch_size: int) -> Float[Tensor, "B L H"]:
        """A vector of zeros for every layer and row, of the weights' kind and on their device."""
        weight = next(self.parameters())
        return weight.new_zeros(batch_size, len(self), self.hidden_size)

    def told(
        self,
        inputs: Float[Tensor, "T B D"],
        episode_starts: Bool[Tensor, "T B"],
        before: Float[Tensor, "B L H"],
        hidden: Float[Tensor, "T B L H"],
    ) -> Float[Tensor, "T B L GH"]:
        """What the gates of every layer were told by input and hidden vector together, to look at them afterwards.

        Args:
            inputs: features over time.
            episode_starts: where the hidden vectors were zero before the step.
            before: the hidden vectors before `inputs[0]`.
            hidden: those after each step.
        """
        previous = torch.cat([before[None], hidden[:-1]]).masked_fill(episode_starts[..., None, None], 0.0)
        below = [inputs, *hidden.unbind(2)[:-1]]
        each = [
            layer.from_input(x.flatten(0, 1)) + layer.from_hidden(h.flatten(0, 1))
            for layer, x, h in zip(self, below, previous.unbind(2), strict=True)
        ]
        return torch.unflatten(torch.stack(each, 1), 0, episode_starts.shape)


def unroll_packed(
    kind: str,
    layers: RecurrentLayers,
    inputs: Float[Tensor, "T B D"],
    packed: Packed,
    state: Sequence[Float[Tensor, "B L H"]],
) -> tuple[Float[Tensor, "T B H"], list[Float[Tensor, "B L H"]]]:
    """Runs layers over sequences that are reset where episodes start.

    Args:
        kind: `lstm`, `gru`, `rnn_tanh` or `rnn_relu`.
        layers: their weights.
        inputs: features over time.
        packed: where the episodes start.
        state: what every layer held before `inputs[0]`: its hidden vector, and an LSTM its cell.

    Returns:
        The outputs of the last layer, and what every layer holds after the last step of every row.
    """
    outputs, last = inputs, []
    for layer, *held in zip(layers, *(field.unbind(1) for field in state), strict=True):
        outputs, *ends = _run_layer(kind, layer, outputs, packed, [packed.begin(field) for field in held])
        last.append(ends)
    return outputs, [torch.stack(field, 1) for field in zip(*last, strict=True)]


def step_layers(
    kind: str, layers: RecurrentLayers, x: Float[Tensor, "B D"], state: Sequence[Float[Tensor, "B L H"]]
) -> tuple[Float[Tensor, "B H"], list[Float[Tensor, "B L H"]]]:
    """One step of layers, each by one call, where a kernel can or else of torch's; see `unroll_packed`."""
    after = []
    for layer, *held in zip(layers, *(field.unbind(1) for field in state), strict=True):
        ends = (step_cell if can_step(x) else step_by_torch)(kind, x, held, layer.weights())
        after.append(ends)
        x = ends[0]
    if len(after) == 1:
        return x, [field[:, None] for field in after[0]]  # of a single layer nothing is copied
    return x, [torch.stack(field, 1) for field in zip(*after, strict=True)]


def step_by_torch(
    kind: str, x: Float[Tensor, "B D"], held: Sequence[Float[Tensor, "B H"]], weights: list[Tensor]
) -> Sequence[Float[Tensor, "B H"]]:
    """What a layer holds after a step."""
    cell: Callable[..., Any] = getattr(torch, f"{kind}_cell")
    return cell(x, held, *weights) if len(held) > 1 else (cell(x, *held, *weights),)


def _run_layer(
    kind: str, layer: RecurrentLayer, inputs: Float[Tensor, "T B D"], packed: Packed, begin: list[Float[Tensor, "S H"]]
) -> tuple[Tensor, ...]:
    """Outputs, and what the layer holds after the last step of every row: by our kernels, or by torch's."""
    if can_unroll(inputs):
        hidden, cell = unroll_cell(kind, inputs.flatten(0, 1), begin, layer.weights(), packed.sizes, packed.elements)
        outputs = hidden.view(*inputs.shape[:2], -1)
        return (outputs, outputs[-1]) if len(begin) == 1 else (outputs, outputs[-1], packed.end(cell))
    weights = side_by_side(layer.weights()) if inputs.is_cuda else layer.weights()
    told = begin[0][None] if len(begin) == 1 else [field[None] for field in begin]
    packed_inputs, sizes = packed.pack(inputs), torch.tensor(packed.sizes)
    outputs, *ends = getattr(torch, kind)(packed_inputs, sizes, told, weights, *FUSED_PACKED)
    return packed.unpack(outputs), *(packed.end_of(field[0]) for field in ends)


def side_by_side(weights: list[Tensor]) -> list[Tensor]:
    """The same weights in one piece of memory, one after the other, as cuDNN wants them."""
    parts = torch.split(torch.cat([weight.flatten() for weight in weights]), [weight.numel() for weight in weights])
    return [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]


def check_positive(**sizes: int) -> None:
    """Raises ValueError, naming the size, unless all are integers of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {size!r}")
