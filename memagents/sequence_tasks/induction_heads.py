"""Induction heads: what came after this, the last time?

Catherine Olsson et al.: In-context Learning and Induction Heads. Transformer Circuits Thread, 2022, arXiv:2209.11895.
Albert Gu, Tri Dao: Mamba: Linear-Time Sequence Modeling with Selective State Spaces. 2023, arXiv:2312.00752, section
4.1.2 and appendix E.1 (this form).
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.registry import register_task


@register_task("induction_heads")
@dataclass(frozen=True)
class InductionHeads(Task):
    """Induction heads: random tokens with a special one somewhere; when it comes again, what followed it is wanted.

    The special token is the last of the vocabulary. It stands at a random place and at the last step, nowhere else.

    Chance: one in `vocabulary_size - 1`.

    Args:
        length: steps.
        vocabulary_size: different tokens, with the special one.
    """

    loss = "cross-entropy"
    paper = "Gu and Dao 2023, section 4.1.2; Olsson et al. 2022"

    length: int = 256
    vocabulary_size: int = 16

    def __post_init__(self) -> None:
        if self.length < 3 or self.vocabulary_size < 3:
            raise ValueError(
                f"length and vocabulary_size must be at least 3, got {self.length} and {self.vocabulary_size}"
            )

    @property
    def input_size(self) -> int:
        return self.vocabulary_size

    @property
    def target_size(self) -> int:
        return self.vocabulary_size

    @property
    def chance(self) -> Scores:
        ordinary = self.vocabulary_size - 1
        return Scores(math.log(ordinary), 1 - 1 / ordinary)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        special, rows = self.vocabulary_size - 1, torch.arange(batch_size)
        tokens = torch.randint(0, special, (self.length, batch_size), generator=generator)
        place = torch.randint(0, self.length - 2, (batch_size,), generator=generator)
        tokens[place, rows] = tokens[-1] = special
        targets = torch.zeros_like(tokens)
        targets[-1] = tokens[place + 1, rows]
        mask = torch.zeros_like(tokens, dtype=torch.bool)
        mask[-1] = True
        return Batch.of_whole_sequences(F.one_hot(tokens, self.vocabulary_size).float(), targets, mask)
