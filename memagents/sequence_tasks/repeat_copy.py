"""Repeat copy: say a sequence of random bits as often as asked for.

Alex Graves, Greg Wayne, Ivo Danihelka: Neural Turing Machines. 2014, arXiv:1410.5401, section 4.2.
"""

import math
from dataclasses import dataclass

import torch

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.drawing import random_bits
from memagents.sequence_tasks.registry import register_task


@register_task("repeat_copy")
@dataclass(frozen=True)
class RepeatCopy(Task):
    """Repeat copy: say a sequence of random bit vectors as often as asked for, and then that this was all.

    A sequence of n vectors to be said r times takes n + 1 + n r + 1 steps: n with a vector each; one with the delimiter
    and r, shifted and scaled to mean 0 and variance 1; n r at which the vectors are wanted; one at which the end marker
    is wanted, an output of its own that is 0 before.

    Chance, of one guess for every answer: with m = E[n] E[r] + 1 answers a sequence, each of the `num_bits` bits is 1
    with probability p = (m - 1) / 2m and the end marker with 1/m, so `m (num_bits h(p) + h(1/m))` bits, with the
    entropy h; every 1 is an error, a share of `(num_bits p + 1/m) / (num_bits + 1)`.

    Args:
        min_length, max_length: vectors of a sequence, n; all lengths are equally likely.
        min_repeats, max_repeats: how often it is wanted, r; all are equally likely.
        num_bits: bits of a vector.
    """

    loss = "bits"
    paper = "Graves et al. 2014, section 4.2"

    min_length: int = 1
    max_length: int = 10
    min_repeats: int = 1
    max_repeats: int = 10
    num_bits: int = 8

    def __post_init__(self) -> None:
        check_positive(min_length=self.min_length, min_repeats=self.min_repeats, num_bits=self.num_bits)
        check_range(self.min_length, self.max_length, "length")
        check_range(self.min_repeats, self.max_repeats, "repeats")

    @property
    def input_size(self) -> int:
        return self.num_bits + 2

    @property
    def target_size(self) -> int:
        return self.num_bits + 1

    @property
    def chance(self) -> Scores:
        answers = (self.min_length + self.max_length) / 2 * (self.min_repeats + self.max_repeats) / 2 + 1
        bit, end = (answers - 1) / (2 * answers), 1 / answers
        bits = answers * (self.num_bits * entropy(bit) + entropy(end))
        return Scores(bits, (self.num_bits * bit + end) / (self.num_bits + 1))

    def scaled(self, repeats: torch.Tensor) -> torch.Tensor:
        """r as the memory is told it: with mean 0 and variance 1 (of numbers from a to b: ((b - a + 1)² - 1) / 12)."""
        variance = ((self.max_repeats - self.min_repeats + 1) ** 2 - 1) / 12
        deviation = math.sqrt(variance) or 1.0
        return (repeats - (self.min_repeats + self.max_repeats) / 2) / deviation

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        lengths = torch.randint(self.min_length, self.max_length + 1, (batch_size,), generator=generator)
        repeats = torch.randint(self.min_repeats, self.max_repeats + 1, (batch_size,), generator=generator)
        vectors = random_bits(self.max_length, batch_size, self.num_bits, generator=generator)
        end = lengths + 1 + lengths * repeats
        time = torch.arange(int(end.max()) + 1)[:, None]
        given, delimiter = time < lengths, time == lengths
        wanted = (time > lengths) & (time < end)

        which = torch.where(wanted, (time - lengths - 1) % lengths, time).clamp(max=self.max_length - 1)
        vector = vectors[which, torch.arange(batch_size)]
        marks = torch.stack([delimiter.float(), delimiter * self.scaled(repeats)], -1)
        inputs = torch.cat([vector * given[..., None], marks], -1)
        targets = torch.cat([vector * wanted[..., None], (time == end)[..., None].float()], -1)
        return Batch.of_whole_sequences(inputs, targets, (time > lengths) & (time <= end))


def entropy(p: float) -> float:
    """Bits of a coin that shows heads with probability `p`, strictly between 0 and 1."""
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)
