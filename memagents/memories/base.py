"""The contract every memory keeps: two methods define an architecture, the loop and the reset are written once.

Axes: T time, B batch (environments or sequences), D input features, H output features.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.ops.episodes import select_rows

State: TypeAlias = tuple[Tensor, ...]
"""What a memory holds between two steps: a flat NamedTuple of tensors, each with the batch on axis 0."""

StateT = TypeVar("StateT", bound=State)


class Memory(nn.Module, ABC, Generic[StateT]):
    """A recurrent feature extractor: inputs and a state go in, features and the next state come out.

    A subclass writes `initial_state` and `step`, as its paper does. It may override `forward` and `fast_step` with
    something faster that computes the same; the loop written here stays as the oracle it is tested against. Nothing is
    kept on the module between calls: all that is remembered is in the state.

    Attributes:
        input_size: features of an input, D.
        output_size: features of an output, H.
        bears_16_bits: whether torch may compute its products with 16 bits where an agent asks for that.
    """

    bears_16_bits: ClassVar[bool] = True

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = output_size

    @abstractmethod
    def initial_state(self, batch_size: int) -> StateT:
        """The state at the start of an episode, every field `[batch_size, ...]`."""

    @abstractmethod
    def step(self, x: Float[Tensor, "B D"], state: StateT) -> tuple[Float[Tensor, "B H"], StateT]:
        """Consumes one input for each row of the batch."""

    def fast_step(self, x: Float[Tensor, "B D"], state: StateT) -> tuple[Float[Tensor, "B H"], StateT]:
        """`step`, as an agent takes it that acts; what is faster and computes the same may stand here instead."""
        return self.step(x, state)

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: StateT
    ) -> tuple[Float[Tensor, "T B H"], StateT]:
        """Consumes a sequence of inputs for each row of the batch.

        Args:
            inputs: features over time.
            episode_starts: true where `inputs[t, b]` is the first observation of an episode; the row's state is
                replaced by the initial state before that input is consumed.
            state: what was held before `inputs[0]`.

        Returns:
            The outputs, and the state after the last input.
        """
        return self.loop(inputs, episode_starts, state)

    def loop(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: StateT
    ) -> tuple[Float[Tensor, "T B H"], StateT]:
        """`forward` as a plain loop over `step`: the slow truth."""
        outputs = []
        for x, start in zip(inputs, episode_starts, strict=True):
            output, state = self.step(x, self.reset(state, start))
            outputs.append(output)
        return torch.stack(outputs), state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: StateT
    ) -> dict[str, Tensor]:
        """What a person would want to look at, over time: named tensors `[T, B, ...]`.

        Here it is every field of the state after each step; an architecture adds its gates, weights and attention.
        """
        states = []
        for x, start in zip(inputs, episode_starts, strict=True):
            _, state = self.step(x, self.reset(state, start))
            states.append(state)
        names: tuple[str, ...] = state._fields  # type: ignore[attr-defined]  # there is no type for "any NamedTuple"
        return {name: torch.stack(values) for name, values in zip(names, zip(*states, strict=True), strict=True)}

    def reset(self, state: StateT, where: Bool[Tensor, " B"]) -> StateT:
        """`state`, with the rows marked in `where` replaced by the initial state.

        By selection, not by multiplying with zero: an infinite or undefined state does not survive it, and an
        initial state need not be zero.
        """
        initial = self.initial_state(len(where))
        return type(state)(*(select_rows(where, new, old) for new, old in zip(initial, state, strict=True)))


def map_state(function: Callable[[Tensor], Tensor], state: StateT) -> StateT:
    """Applies `function` to every field of a state."""
    return type(state)(*map(function, state))
