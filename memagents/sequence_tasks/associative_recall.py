"""Associative recall: which item came after this one?

Alex Graves, Greg Wayne, Ivo Danihelka: Neural Turing Machines. 2014, arXiv:1410.5401, section 4.3.
"""

from dataclasses import dataclass

import torch

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.drawing import random_bits
from memagents.sequence_tasks.registry import register_task


@register_task("associative_recall")
@dataclass(frozen=True)
class AssociativeRecall(Task):
    """Associative recall: a list of items is shown, then one of them, and the item that followed it is wanted.

    An item is `item_length` vectors of random bits, behind a delimiter. After n items: a query mark, one of the first
    n - 1 items again, a query mark, and `item_length` steps without input at which the next item is wanted.

    Chance: a bit costs a bit, `item_length * num_bits` in all, half of them wrong. (Two items of a list are equal with
    a probability below 1e-4 at the default sizes; then both answers are as good.)

    Args:
        min_items, max_items: items of a list, n; all numbers are equally likely.
        item_length: vectors of an item.
        num_bits: bits of a vector.
    """

    loss = "bits"
    paper = "Graves et al. 2014, section 4.3"

    min_items: int = 2
    max_items: int = 6
    item_length: int = 3
    num_bits: int = 6

    def __post_init__(self) -> None:
        check_positive(item_length=self.item_length, num_bits=self.num_bits)
        check_range(self.min_items, self.max_items, "items")
        if self.min_items < 2:
            raise ValueError(f"min_items must be at least 2, one to ask with and one to answer, got {self.min_items}")

    @property
    def input_size(self) -> int:
        return self.num_bits + 2

    @property
    def target_size(self) -> int:
        return self.num_bits

    @property
    def chance(self) -> Scores:
        return Scores(float(self.item_length * self.num_bits), 0.5)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        length, block = self.item_length, self.item_length + 1
        rows = torch.arange(batch_size)
        num_items = torch.randint(self.min_items, self.max_items + 1, (batch_size,), generator=generator)
        asked = (torch.rand(batch_size, generator=generator) * (num_items - 1)).long()
        items = random_bits(self.max_items, length, batch_size, self.num_bits, generator=generator)

        # A list is blocks of a delimiter and an item; the query is another block, then a mark, then the answer.
        query = num_items * block
        answer = query + block + 1
        time = torch.arange(int(answer.max()) + length)[:, None]
        wanted = (time >= answer) & (time < answer + length)
        item = torch.where(time < query, time // block, torch.where(wanted, asked + 1, asked))
        place = torch.where(wanted, time - answer, time % block - 1)
        vector = items[item, place.clamp(min=0), rows]

        delimiter = (time < query) & (time % block == 0)
        mark = (time == query) | (time == query + block)
        given = (time < query + block) & ~delimiter & ~mark
        marks = torch.stack([delimiter, mark], -1).float()
        inputs = torch.cat([vector * given[..., None], marks], -1)
        return Batch.of_whole_sequences(inputs, vector * wanted[..., None], wanted)
