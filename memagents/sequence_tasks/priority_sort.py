"""Priority sort: say vectors again, the most important first.

Alex Graves, Greg Wayne, Ivo Danihelka: Neural Turing Machines. 2014, arXiv:1410.5401, section 4.5.
"""

from dataclasses import dataclass

import torch

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.drawing import random_bits
from memagents.sequence_tasks.registry import register_task


@register_task("priority_sort")
@dataclass(frozen=True)
class PrioritySort(Task):
    """Priority sort: vectors are shown with a priority each, and those of highest priority are wanted, in that order.

    `num_vectors` steps with a vector of random bits and a priority from the uniform distribution on [-1, 1], then
    `num_sorted` steps without input.

    Chance: a bit costs a bit, `num_sorted * num_bits` in all, half of them wrong.

    Args:
        num_vectors: vectors that are shown.
        num_sorted: vectors that are wanted.
        num_bits: bits of a vector.
    """

    loss = "bits"
    paper = "Graves et al. 2014, section 4.5"

    num_vectors: int = 20
    num_sorted: int = 16
    num_bits: int = 8

    def __post_init__(self) -> None:
        check_positive(num_vectors=self.num_vectors, num_sorted=self.num_sorted, num_bits=self.num_bits)
        if self.num_sorted > self.num_vectors:
            raise ValueError(f"num_sorted must not be above num_vectors, {self.num_vectors}; got {self.num_sorted}")

    @property
    def input_size(self) -> int:
        return self.num_bits + 1

    @property
    def target_size(self) -> int:
        return self.num_bits

    @property
    def chance(self) -> Scores:
        return Scores(float(self.num_sorted * self.num_bits), 0.5)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        shown, num_steps = self.num_vectors, self.num_vectors + self.num_sorted
        vectors = random_bits(shown, batch_size, self.num_bits, generator=generator)
        priorities = 2 * torch.rand(shown, batch_size, generator=generator) - 1
        order = priorities.argsort(0, descending=True)[: self.num_sorted]

        inputs = torch.zeros(num_steps, batch_size, self.input_size)
        inputs[:shown] = torch.cat([vectors, priorities[..., None]], -1)
        targets = torch.zeros(num_steps, batch_size, self.num_bits)
        targets[shown:] = vectors[order, torch.arange(batch_size)]
        mask = torch.zeros(num_steps, batch_size, dtype=torch.bool)
        mask[shown:] = True
        return Batch.of_whole_sequences(inputs, targets, mask)
