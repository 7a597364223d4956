"""Multi-query associative recall: many pairs, and a question for each.

Simran Arora, Sabri Eyuboglu, Aman Timalsina, Isys Johnson, Michael Poli, James Zou, Atri Rudra, Christopher Ré:
Zoology: Measuring and Improving Recall in Efficient Language Models. 2023, arXiv:2312.04927, section 3 and appendix.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.drawing import permutations
from memagents.sequence_tasks.registry import register_task

POWER = 0.01
"""How the places of questions are drawn: the k-th with a probability proportional to k^(POWER - 1)."""


@register_task("multi_query_recall")
@dataclass(frozen=True)
class MultiQueryRecall(Task):
    """Multi-query associative recall: pairs of a key and a value, then every key again, at which its value is wanted.

    An input is a key, a value or nothing, and a value comes one step after its key. All keys of a sequence differ.
    After the pairs, the keys come in random order at random steps, soon rather than late.

    Chance: one in `num_values`.

    Args:
        num_pairs: pairs of a sequence.
        num_keys: different keys to draw from.
        num_values: different values to draw from.
        question_steps: steps after the pairs, among which the questions are spread.

    Deviations from the paper: steps without key or value have no input, not a random token; keys and values are apart
    in the input, not two halves of one vocabulary; a value may come twice.
    """

    loss = "cross-entropy"
    paper = "Arora et al. 2023, section 3"

    num_pairs: int = 8
    num_keys: int = 32
    num_values: int = 32
    question_steps: int = 16

    def __post_init__(self) -> None:
        check_positive(num_pairs=self.num_pairs, num_values=self.num_values)
        for most in ("num_keys", "question_steps"):
            if self.num_pairs > getattr(self, most):
                raise ValueError(f"num_pairs must not be above {most}, {getattr(self, most)}; got {self.num_pairs}")

    @property
    def input_size(self) -> int:
        return self.num_keys + self.num_values

    @property
    def target_size(self) -> int:
        return self.num_values

    @property
    def chance(self) -> Scores:
        return Scores(math.log(self.num_values), 1 - 1 / self.num_values)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        pairs = self.num_pairs
        keys = permutations(batch_size, self.num_keys, generator)[:, :pairs].T
        values = torch.randint(0, self.num_values, (pairs, batch_size), generator=generator)
        key, value = F.one_hot(keys, self.num_keys).float(), F.one_hot(values, self.num_values).float()

        # The largest of log-probabilities plus Gumbel noise are a weighted draw without replacement.
        weights = (POWER - 1) * torch.arange(1, self.question_steps + 1).log()
        noise = -torch.empty(batch_size, self.question_steps).exponential_(generator=generator).log()
        places = (weights + noise).topk(pairs).indices.T

        asked = torch.zeros(self.question_steps, *key.shape[1:])
        asked.scatter_(0, places[..., None].expand(-1, -1, self.num_keys), key)
        wanted = torch.zeros(self.question_steps, batch_size, dtype=torch.int64).scatter_(0, places, values)
        mask = torch.zeros(self.question_steps, batch_size, dtype=torch.bool).scatter_(0, places, True)

        alone = F.pad(key, (0, self.num_values)), F.pad(value, (self.num_keys, 0))
        given = torch.stack(alone, 1).flatten(0, 1)
        inputs = torch.cat([given, F.pad(asked, (0, self.num_values))])
        nothing = torch.zeros(len(given), batch_size, dtype=torch.int64)
        return Batch.of_whole_sequences(inputs, torch.cat([nothing, wanted]), torch.cat([nothing.bool(), mask]))
