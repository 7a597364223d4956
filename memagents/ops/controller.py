"""The network that drives an external memory: from an input and the words read last it makes an interface vector.

Axes: T time, B batch rows, D input features, H hidden features, C features of the cell (H, or none), G gates,
I features of the interface vector, R words read, W features of a word.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.kernels.unroll import Kernel, can_work_with
from memagents.kernels.unroll import unroll as by_kernel
from memagents.ops.episodes import select_rows
from memagents.ops.graphs import can_replay, replayed
from memagents.ops.initialisation import linear
from memagents.ops.recurrence import check_positive

StateT = TypeVar("StateT", bound=tuple[Tensor, ...])

ControllerKind: TypeAlias = Literal["lstm", "feedforward"]


class Controller(nn.Module):
    """One layer that reads the input and the words read last; its hidden vector makes the interface vector.

    An "lstm" reads its own hidden vector too, and has a cell. A "feedforward" layer of tanh units remembers nothing, so
    that all memory is external.

    Weights are normal with variance 1/(features read), for the input and for the words apart, so that neither drowns
    the other; those that read the hidden vector are orthogonal for each gate; biases are zero.

    Args:
        kind: "lstm" or "feedforward".
        input_size: features of an input, D.
        read_size: features of all words read at a step together, RW.
        hidden_size: features of the hidden vector, H.
        interface_size: features of the interface vector, I.

    Raises:
        ValueError: for another kind, or a size below 1.
    """

    def __init__(
        self, kind: ControllerKind, input_size: int, read_size: int, hidden_size: int, interface_size: int
    ) -> None:
        if kind not in _ACTIVATIONS:
            raise ValueError(f"controller must be one of {', '.join(_ACTIVATIONS)}, got {kind!r}")
        check_positive(hidden_size=hidden_size)
        super().__init__()
        self.kind, self.hidden_size = kind, hidden_size
        self.cell_size, num_gates = (hidden_size, 4) if kind == "lstm" else (0, 1)
        self.from_input = linear(input_size, num_gates * hidden_size)
        self.from_past = linear(read_size + self.cell_size, num_gates * hidden_size, bias=False)
        self.interface = linear(hidden_size, interface_size)
        with torch.no_grad():
            self.from_past.weight[:, :read_size].normal_(std=read_size**-0.5)
            for gate in self.from_past.weight[:, read_size:].chunk(num_gates):
                nn.init.orthogonal_(gate)

    def zeros(self, batch_size: int) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B C"]]:
        """A hidden vector and a cell of zeros for every row."""
        weight = self.from_input.weight
        return weight.new_zeros(batch_size, self.hidden_size), weight.new_zeros(batch_size, self.cell_size)

    def forward(
        self,
        from_input: Float[Tensor, "B GH"],
        reads: Float[Tensor, "B R W"],
        hidden: Float[Tensor, "B H"],
        cell: Float[Tensor, "B C"],
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B C"], Float[Tensor, "B I"]]:
        """One step.

        Args:
            from_input: what the input adds to the gates, `self.from_input(x)`; for a sequence it is made at once.
            reads: the words read last.
            hidden: the hidden vector of the step before.
            cell: the cell of the step before.

        Returns:
            The hidden vector, the cell and the interface vector.
        """
        past = torch.cat([reads.flatten(1), hidden], 1) if self.cell_size else reads.flatten(1)
        gates = torch.addmm(from_input, past, self.from_past.weight.mT)
        hidden, cell = _ACTIVATIONS[self.kind](gates, cell)
        return hidden, cell, self.interface(hidden)


def unroll(
    controller: Controller,
    advance: Callable[[Tensor, StateT], StateT],
    kernel: Kernel | None,
    inputs: Float[Tensor, "T B D"],
    episode_starts: Bool[Tensor, "T B"],
    state: StateT,
    first: StateT,
) -> tuple[Float[Tensor, "T B H"], Float[Tensor, "T B R W"], StateT]:
    """A controller and its external memory over time.

    By a kernel where there is one that can; on a GPU, where gradients are wanted, by a recording of all steps; else
    step by step.

    Args:
        controller: see there. No other weights are used in a step.
        advance: `(what the input adds to the gates [B, GH], state)` -> the next state.
        kernel: the same after the controller; see `memagents.kernels`.
        inputs: features over time.
        episode_starts: true where an episode begins.
        state: what was held before the first step: hidden vector and cell, what the kernel takes, and the words read.
        first: what is held when an episode begins, a constant.

    Returns:
        Hidden vectors, words read, and what is held after the last step.
    """
    from_inputs = controller.from_input(inputs)
    if kernel is not None and can_work_with(from_inputs):
        weights = controller.from_past.weight, controller.interface.weight, controller.interface.bias
        hidden, reads, last = by_kernel(kernel, (episode_starts, first), from_inputs, weights, state)
        return hidden, reads, type(state)(*last)

    advancing = partial(steps, advance, type(state))
    held = from_inputs, episode_starts, *state, *first
    if can_replay(from_inputs):
        outcome = replayed(controller, advancing, held)
    else:
        # A GPU waits here once, which spares it most resets.
        outcome = advancing(*held, begins=episode_starts.any(1).tolist())
    return outcome[0], outcome[1], type(state)(*outcome[2:])


def steps(
    advance: Callable[[Tensor, StateT], StateT],
    state_class: Callable[..., StateT],
    from_inputs: Float[Tensor, "T B GH"],
    episode_starts: Bool[Tensor, "T B"],
    *held: Tensor,
    begins: Sequence[bool] | None = None,
) -> tuple[Tensor, ...]:
    """Step by step.

    Args:
        advance: see `unroll`, as are `from_inputs` and `episode_starts`.
        state_class: of the states.
        held: the fields of the state before the first step, and then those of the state when an episode begins.
        begins: at which steps an episode begins anywhere; without it every step is taken to be one.

    Returns:
        Hidden vectors, words read, and the fields of the state after the last step.
    """
    number = len(held) // 2
    state, first, each = state_class(*held[:number]), held[number:], []
    for t, (from_input, starts) in enumerate(zip(from_inputs, episode_starts, strict=True)):
        if begins is None or begins[t]:
            state = state_class(*(select_rows(starts, new, old) for new, old in zip(first, state, strict=True)))
        state = advance(from_input, state)
        each.append(state)
    return torch.stack([now[0] for now in each]), torch.stack([now[-1] for now in each]), *state


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The equations of `memories/lstm.py`."""
    input_gate, forget_gate, content, output_gate = gates.chunk(4, -1)
    cell = torch.sigmoid(forget_gate) * cell + torch.sigmoid(input_gate) * torch.tanh(content)
    return torch.sigmoid(output_gate) * torch.tanh(cell), cell


def _feedforward(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tanh(gates), cell


_ACTIVATIONS = {"lstm": _lstm, "feedforward": _feedforward}
