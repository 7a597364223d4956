"""The contract of a sequence task: batches in a memory's own terms, and a chance level by formula.

Axes: T time, B batch (sequences), D input features, K numbers read out at a step.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Loss: TypeAlias = Literal["bits", "cross-entropy", "squared-error"]
"""What is asked of the K numbers at a step.

bits: logits of K independent bits; targets `[T, B, K]` of zeros and ones.
cross-entropy: logits of K classes; targets `[T, B]` name one of them.
squared-error: K values; targets `[T, B, K]`.
"""


class Scores(NamedTuple):
    """How well a task was done; 0 and 0 is perfect.

    Attributes:
        loss: bits a sequence, nats an answer, or the mean squared error, by the task's kind of loss.
        error: the share of wrong bits, of wrong classes, or of values that are off by more than 0.04 (the criterion of
            Hochreiter and Schmidhuber 1997, section 5.4, for the adding problem).
    """

    loss: float
    error: float


@dataclass(frozen=True)
class Batch:
    """Sequences for a memory, and what should be read from it.

    Attributes:
        inputs: features over time.
        episode_starts: true where a sequence begins.
        targets: what is wanted (see `Loss`); zero where nothing is.
        mask: true where an answer counts.
    """

    inputs: Float[Tensor, "T B D"]
    episode_starts: Bool[Tensor, "T B"]
    targets: Float[Tensor, "T B K"] | Int[Tensor, "T B"]
    mask: Bool[Tensor, "T B"]

    @classmethod
    def of_whole_sequences(cls, inputs: Tensor, targets: Tensor, mask: Tensor) -> "Batch":
        """One sequence in each row, from time 0; shorter ones have steps without input or answer at their end."""
        starts = torch.zeros_like(mask)
        starts[0] = True
        return cls(inputs, starts, targets, mask)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        fields = self.inputs, self.episode_starts, self.targets, self.mask
        return Batch(*(field.to(device) for field in fields))


@dataclass(frozen=True)
class Task(ABC):
    """A supervised task: where sequences come from, and what a guess is worth.

    A subclass is a frozen dataclass; its fields are the task's options.

    Attributes:
        name: under which it is registered.
        loss: what is asked of the numbers that are read out.
        paper: where the task comes from.
    """

    name: ClassVar[str]
    loss: ClassVar[Loss]
    paper: ClassVar[str]

    @property
    @abstractmethod
    def input_size(self) -> int:
        """Features of an input, D."""

    @property
    @abstractmethod
    def target_size(self) -> int:
        """Numbers to be read out at a step, K."""

    @property
    @abstractmethod
    def chance(self) -> Scores:
        """What the best guess scores that remembers nothing; the docstring of the class has the formula."""

    @abstractmethod
    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        """Draws sequences at random."""


def check_range(low: int, high: int, name: str) -> None:
    """Raises ValueError unless `min_<name>` is not above `max_<name>`."""
    if low > high:
        raise ValueError(f"min_{name} must not be above max_{name}, got {low} and {high}")
