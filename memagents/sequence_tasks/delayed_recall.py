"""Delayed recall: a token that was marked some steps ago.

The simplest question that tells how far back a memory reaches; after the tasks with long time lags of Sepp Hochreiter,
Jürgen Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997, section 5.2.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.registry import register_task


@register_task("delayed_recall")
@dataclass(frozen=True)
class DelayedRecall(Task):
    """Delayed recall: random tokens, one of them marked, which is wanted at the last step.

    `max_distance + 1` steps. The marked token stands `d` steps before the last one, at which nothing but a question is
    put in.

    Chance: one in `num_tokens`.

    Args:
        min_distance, max_distance: steps from the marked token to the question, d; all are equally likely.
        num_tokens: different tokens.
    """

    loss = "cross-entropy"
    paper = "after Hochreiter and Schmidhuber 1997, section 5.2"

    min_distance: int = 1
    max_distance: int = 32
    num_tokens: int = 8

    def __post_init__(self) -> None:
        check_positive(min_distance=self.min_distance, num_tokens=self.num_tokens)
        check_range(self.min_distance, self.max_distance, "distance")

    @property
    def input_size(self) -> int:
        return self.num_tokens + 2

    @property
    def target_size(self) -> int:
        return self.num_tokens

    @property
    def chance(self) -> Scores:
        return Scores(math.log(self.num_tokens), 1 - 1 / self.num_tokens)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        tokens = torch.randint(0, self.num_tokens, (self.max_distance + 1, batch_size), generator=generator)
        distance = torch.randint(self.min_distance, self.max_distance + 1, (batch_size,), generator=generator)
        time = torch.arange(self.max_distance + 1)[:, None].expand_as(tokens)
        marked, question = time == self.max_distance - distance, time == self.max_distance
        token = F.one_hot(tokens, self.num_tokens) * ~question[..., None]
        inputs = torch.cat([token, torch.stack([marked, question], -1)], -1).float()
        return Batch.of_whole_sequences(inputs, (tokens * marked).sum(0) * question, question)
