"""Parity: is the number of ones odd?

Maximilian Beck et al.: xLSTM: Extended Long Short-Term Memory. 2024, arXiv:2405.04517, section 4.1 (formal languages).
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.registry import register_task


@register_task("parity")
@dataclass(frozen=True)
class Parity(Task):
    """Parity: a sequence of random bits, at whose last it is wanted whether the number of ones so far is odd.

    It takes a state that changes with every input: networks whose state only decays cannot do it at all lengths.

    Chance: one in two.

    Args:
        min_length, max_length: bits of a sequence; all lengths are equally likely.
    """

    loss = "cross-entropy"
    paper = "Beck et al. 2024, section 4.1"

    min_length: int = 3
    max_length: int = 40

    def __post_init__(self) -> None:
        check_range(self.min_length, self.max_length, "length")
        if self.min_length < 2:
            raise ValueError(f"min_length must be at least 2, for one bit is its own parity, got {self.min_length}")

    @property
    def input_size(self) -> int:
        return 2

    @property
    def target_size(self) -> int:
        return 2

    @property
    def chance(self) -> Scores:
        return Scores(math.log(2), 0.5)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        lengths = torch.randint(self.min_length, self.max_length + 1, (batch_size,), generator=generator)
        time = torch.arange(int(lengths.max()))[:, None]
        bits = torch.randint(0, 2, (len(time), batch_size), generator=generator)
        last = time == lengths - 1
        inputs = F.one_hot(bits, 2) * (time < lengths)[..., None]
        return Batch.of_whole_sequences(inputs.float(), bits.cumsum(0) % 2 * last, last)
