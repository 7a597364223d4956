"""Copy: say a sequence of random bits again.

Alex Graves, Greg Wayne, Ivo Danihelka: Neural Turing Machines. 2014, arXiv:1410.5401, section 4.1.
Alex Graves et al.: Hybrid computing using a neural network with dynamic external memory. Nature 538, 2016, Extended
Data Figure 1 (several sequences, one after another, through a memory that cannot hold them all).
"""

from dataclasses import dataclass

import torch

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.drawing import random_bits
from memagents.sequence_tasks.registry import register_task


@register_task("copy")
@dataclass(frozen=True)
class Copy(Task):
    """Copy: say a sequence of random bit vectors again, once its end has been marked.

    A sequence of n vectors takes 2n + 1 steps: n with a vector each, one with the delimiter, n without input, at which
    the vectors are wanted in their order.

    Chance: a bit costs a bit. In all `num_sequences * (min_length + max_length) / 2 * num_bits`, half of them wrong.

    Args:
        min_length, max_length: vectors of a sequence, n; all lengths are equally likely.
        num_bits: bits of a vector.
        num_sequences: sequences that are given and copied one after another, without an episode start in between.
    """

    loss = "bits"
    paper = "Graves et al. 2014, section 4.1; Graves et al. 2016, Extended Data Figure 1"

    min_length: int = 1
    max_length: int = 20
    num_bits: int = 8
    num_sequences: int = 1

    def __post_init__(self) -> None:
        check_positive(min_length=self.min_length, num_bits=self.num_bits, num_sequences=self.num_sequences)
        check_range(self.min_length, self.max_length, "length")

    @property
    def input_size(self) -> int:
        return self.num_bits + 1

    @property
    def target_size(self) -> int:
        return self.num_bits

    @property
    def chance(self) -> Scores:
        return Scores(self.num_sequences * (self.min_length + self.max_length) / 2 * self.num_bits, 0.5)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        shape = (self.num_sequences, batch_size)
        lengths = torch.randint(self.min_length, self.max_length + 1, shape, generator=generator)
        vectors = random_bits(self.num_sequences, self.max_length, batch_size, self.num_bits, generator=generator)
        ends = (2 * lengths + 1).cumsum(0)
        time = torch.arange(int(ends[-1].max()))[:, None]

        # Which sequence a step belongs to, and where in it that step is.
        number = (time[:, None] >= ends).sum(1).clamp(max=self.num_sequences - 1)
        length = lengths.gather(0, number)
        place = time - ends.gather(0, number) + 2 * length + 1
        given, delimiter = place < length, place == length
        wanted = ~given & ~delimiter & (time < ends[-1])

        which = torch.where(wanted, place - length - 1, place).clamp(0, self.max_length - 1)
        vector = vectors[number, which, torch.arange(batch_size)]
        inputs = torch.cat([vector * given[..., None], delimiter[..., None].float()], -1)
        return Batch.of_whole_sequences(inputs, vector * wanted[..., None], wanted)
