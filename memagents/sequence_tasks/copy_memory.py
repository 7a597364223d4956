"""Copy memory: ten digits, a long blank, and then the digits again.

Sepp Hochreiter, Jürgen Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997 (its origin).
Shaojie Bai, J. Zico Kolter, Vladlen Koltun: An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
Sequence Modeling. 2018, arXiv:1803.01271, section 4.1 (this form).
"""

import math
from dataclasses import dataclass

import torch

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.registry import register_task

MARKER = 9
SYMBOLS = 8


@register_task("copy_memory")
@dataclass(frozen=True)
class CopyMemory(Task):
    """Copy memory: digits from 1 to 8, a long blank, a marker, and then the digits are wanted again.

    An input is one number: the digits, `delay - 1` times 0, then the marker 9 to the end, once more than there are
    digits. Wanted is 0 at every step but the last `num_digits`, where it is the digits. All steps count.

    Chance: the blanks are known, the digits are not, `num_digits ln 8 / (delay + 2 num_digits)` nats an answer; seven
    in eight of the digits are wrong.

    Args:
        delay: steps from the last digit to the last before they are wanted, T.
        num_digits: how many.
    """

    loss = "cross-entropy"
    paper = "Bai et al. 2018, section 4.1"

    delay: int = 1000
    num_digits: int = 10

    def __post_init__(self) -> None:
        check_positive(delay=self.delay, num_digits=self.num_digits)

    @property
    def input_size(self) -> int:
        return 1

    @property
    def target_size(self) -> int:
        return SYMBOLS + 2

    @property
    def chance(self) -> Scores:
        share = self.num_digits / (self.delay + 2 * self.num_digits)
        return Scores(share * math.log(SYMBOLS), share * (1 - 1 / SYMBOLS))

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        digits = torch.randint(1, SYMBOLS + 1, (self.num_digits, batch_size), generator=generator)
        blank = torch.zeros(self.delay, batch_size, dtype=torch.int64)
        marker = torch.full((self.num_digits + 1, batch_size), MARKER)
        inputs = torch.cat([digits, blank[1:], marker])[..., None].float()
        targets = torch.cat([torch.zeros_like(digits), blank, digits])
        return Batch.of_whole_sequences(inputs, targets, torch.ones_like(targets, dtype=torch.bool))
