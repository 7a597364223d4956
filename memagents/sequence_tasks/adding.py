"""Adding problem: the sum of two marked numbers among many.

Sepp Hochreiter, Jürgen Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997, section 5.4.
Shaojie Bai, J. Zico Kolter, Vladlen Koltun: An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
Sequence Modeling. 2018, arXiv:1803.01271, section 4.1 (this form).
"""

from dataclasses import dataclass

import torch

from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.drawing import permutations
from memagents.sequence_tasks.registry import register_task


@register_task("adding")
@dataclass(frozen=True)
class Adding(Task):
    """Adding problem: numbers from the uniform distribution on [0, 1], two of them marked, whose sum is wanted.

    An input is a number and its mark, 1 at two different random steps and 0 elsewhere. The sum is wanted at the last.

    Chance: always guessing 1 has the variance of the sum as its squared error, 2/12. The sum's density is a triangle
    around 1, so a guess of 1 is off by more than 0.04 with probability (1 - 0.04)².

    Args:
        length: steps.
    """

    loss = "squared-error"
    paper = "Bai et al. 2018, section 4.1; Hochreiter and Schmidhuber 1997, section 5.4"

    length: int = 600

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ValueError(f"length must be at least 2, for two marks, got {self.length}")

    @property
    def input_size(self) -> int:
        return 2

    @property
    def target_size(self) -> int:
        return 1

    @property
    def chance(self) -> Scores:
        return Scores(1 / 6, (1 - 0.04) ** 2)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        numbers = torch.rand(self.length, batch_size, generator=generator)
        marks = (permutations(batch_size, self.length, generator) < 2).T
        targets = torch.zeros(self.length, batch_size, 1)
        targets[-1, :, 0] = (numbers * marks).sum(0)
        mask = torch.zeros(self.length, batch_size, dtype=torch.bool)
        mask[-1] = True
        return Batch.of_whole_sequences(torch.stack([numbers, marks.float()], -1), targets, mask)
