"""No memory: the control that every memory task must defeat."""

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from memagents.memories.base import Memory
from memagents.memories.registry import register_memory


class NoState(NamedTuple):
    """Nothing is remembered, so there is nothing to hold."""


@register_memory("none")
class NoMemory(Memory[NoState]):
    """No memory: hands its inputs on unchanged, a control.

    An agent with it is a feed-forward agent that acts on the present observation alone.

    Args:
        input_size: features of an input, D; also those of an output.
    """

    def __init__(self, input_size: int) -> None:
        super().__init__(input_size, output_size=input_size)

    def initial_state(self, batch_size: int) -> NoState:
        return NoState()

    def step(self, x: Float[Tensor, "B D"], state: NoState) -> tuple[Float[Tensor, "B D"], NoState]:
        return x, state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: NoState
    ) -> tuple[Float[Tensor, "T B D"], NoState]:
        return inputs, state
