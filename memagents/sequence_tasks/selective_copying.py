"""Selective copying: say again what was said, and not the noise in between.

Albert Gu, Tri Dao: Mamba: Linear-Time Sequence Modeling with Selective State Spaces. 2023, arXiv:2312.00752, section
4.1.1 and appendix E.1.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.drawing import permutations
from memagents.sequence_tasks.registry import register_task


@register_task("selective_copying")
@dataclass(frozen=True)
class SelectiveCopying(Task):
    """Selective copying: tokens stand at random places among noise, and are wanted in their order at the end.

    `length` steps of noise, `num_tokens` of them with a token in its place, then `num_tokens` steps with a marker, at
    which the tokens are wanted. Noise and marker are the last two of the vocabulary.

    Chance: one in `vocabulary_size - 2`.

    Args:
        length: steps with noise and tokens.
        num_tokens: how many tokens.
        vocabulary_size: different inputs, with noise and marker.
    """

    loss = "cross-entropy"
    paper = "Gu and Dao 2023, section 4.1.1"

    length: int = 256
    num_tokens: int = 16
    vocabulary_size: int = 16

    def __post_init__(self) -> None:
        check_positive(num_tokens=self.num_tokens)
        if self.num_tokens > self.length:
            raise ValueError(f"num_tokens must not be above length, {self.length}; got {self.num_tokens}")
        if self.vocabulary_size < 4:
            raise ValueError(f"vocabulary_size must be at least 4, got {self.vocabulary_size}")

    @property
    def input_size(self) -> int:
        return self.vocabulary_size

    @property
    def target_size(self) -> int:
        return self.vocabulary_size - 2

    @property
    def chance(self) -> Scores:
        return Scores(math.log(self.target_size), 1 - 1 / self.target_size)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        noise, marker = self.vocabulary_size - 2, self.vocabulary_size - 1
        tokens = torch.randint(0, noise, (self.num_tokens, batch_size), generator=generator)
        places = permutations(batch_size, self.length, generator)[:, : self.num_tokens].T.sort(0).values
        shown = torch.full((self.length, batch_size), noise).scatter(0, places, tokens)
        symbols = torch.cat([shown, torch.full_like(tokens, marker)])
        targets = torch.cat([torch.zeros_like(shown), tokens])
        return Batch.of_whole_sequences(F.one_hot(symbols, self.vocabulary_size).float(), targets, symbols == marker)
