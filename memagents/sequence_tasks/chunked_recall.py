"""Chunked recall: which item stood there, in the chunk of that name?

After the ballet and passage tasks of Andrew K. Lampinen, Stephanie C. Y. Chan, Andrea Banino, Felix Hill: Towards
Mental Time Travel: a Hierarchical Memory for Reinforcement Learning Agents. NeurIPS 2021, arXiv:2105.14039: what is
asked for lies inside one of several episodes of the past, and has to be found by what the episode was.
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.drawing import permutations
from memagents.sequence_tasks.registry import register_task


@register_task("chunked_recall")
@dataclass(frozen=True)
class ChunkedRecall(Task):
    """Chunked recall: chunks headed by a tag each, then questions that name a tag and a place in its chunk.

    A chunk is `chunk_size` steps: its tag, then `chunk_size - 1` items. After `num_chunks` of them, each with another
    tag, come questions of one step: a tag and a place from 1 to `chunk_size - 1`. The item that stood there is wanted.

    Chance: one in `num_items`.

    Args:
        num_chunks: chunks of a sequence.
        chunk_size: steps of a chunk, its tag and its items.
        num_tags: different tags to draw from.
        num_items: different items to draw from.
        num_questions: questions at the end of a sequence.
    """

    loss = "cross-entropy"
    paper = "after Lampinen et al. 2021, sections 4.1 and 4.2"

    num_chunks: int = 4
    chunk_size: int = 8
    num_tags: int = 8
    num_items: int = 8
    num_questions: int = 8

    def __post_init__(self) -> None:
        check_positive(num_chunks=self.num_chunks, num_items=self.num_items, num_questions=self.num_questions)
        if self.chunk_size < 2:
            raise ValueError(f"chunk_size must be at least 2, a tag and an item, got {self.chunk_size}")
        if self.num_chunks > self.num_tags:
            raise ValueError(f"num_chunks must not be above num_tags, {self.num_tags}; got {self.num_chunks}")

    @property
    def input_size(self) -> int:
        return self.num_tags + self.num_items + self.chunk_size - 1

    @property
    def target_size(self) -> int:
        return self.num_items

    @property
    def chance(self) -> Scores:
        return Scores(math.log(self.num_items), 1 - 1 / self.num_items)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        rows, places = torch.arange(batch_size), self.chunk_size - 1
        tags = permutations(batch_size, self.num_tags, generator)[:, : self.num_chunks].T
        items = torch.randint(0, self.num_items, (self.num_chunks, places, batch_size), generator=generator)
        shape = (self.num_questions, batch_size)
        chunk = torch.randint(0, self.num_chunks, shape, generator=generator)
        place = torch.randint(0, places, shape, generator=generator)

        after_tags, before_places = self.num_items + places, self.num_tags + self.num_items
        heads = F.pad(F.one_hot(tags, self.num_tags), (0, after_tags))
        bodies = F.pad(F.one_hot(items, self.num_items), (self.num_tags, places))
        told = torch.cat([heads[:, None], bodies], 1).flatten(0, 1)
        asked = F.pad(F.one_hot(tags[chunk, rows], self.num_tags), (0, after_tags))
        asked = asked + F.pad(F.one_hot(place, places), (before_places, 0))

        nothing = torch.zeros(len(told), batch_size, dtype=torch.int64)
        targets = torch.cat([nothing, items[chunk, place, rows]])
        mask = torch.cat([nothing.bool(), torch.ones(shape, dtype=torch.bool)])
        return Batch.of_whole_sequences(torch.cat([told, asked]).float(), targets, mask)
