"""Stories: where is Mary, where is the milk, where was it before?

Jason Weston, Antoine Bordes, Sumit Chopra, Alexander M. Rush, Bart van Merriënboer, Armand Joulin, Tomas Mikolov:
Towards AI-Complete Question Answering: A Set of Prerequisite Toy Tasks. 2015, arXiv:1502.05698, tasks 1 to 3. The world
is simulated here; none of the bAbI data is used.

Axes: B stories, P people, O objects, L places, V words.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memagents.memories import map_state
from memagents.ops.episodes import select_rows
from memagents.sequence_tasks.base import Batch, Scores, Task, check_range
from memagents.sequence_tasks.drawing import choose
from memagents.sequence_tasks.registry import register_task

PEOPLE = ("Daniel", "John", "Mary", "Sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
OBJECTS = ("apple", "football", "milk")
WORDS = (*PEOPLE, *PLACES, *OBJECTS, "went", "took", "dropped", "where", "before")
WENT, TOOK, DROPPED, WHERE, BEFORE = range(len(WORDS) - 5, len(WORDS))
FIRST_PLACE, FIRST_OBJECT = len(PEOPLE), len(PEOPLE) + len(PLACES)

NOWHERE = -1
"""The place of a person of whom nothing was told yet, the holder of an object that lies somewhere, and so on."""

TAKES, DROPS = 0.5, 0.4
"""How often a person takes something that lies there; and how often one who does not, drops something they carry."""


class World(NamedTuple):
    """What is true, and of it what the story has told.

    Attributes:
        person: the place of each person, `[B, P]`; nowhere before they first went somewhere.
        object: the place of each object, `[B, O]`.
        holder: who carries it, `[B, O]`.
        told: whether its place follows from the story, which it does once it was taken, `[B, O]`.
        before: where it was before it last came to a place, `[B, O, L]`; nowhere if it never came there.
    """

    person: Tensor
    object: Tensor
    holder: Tensor
    told: Tensor
    before: Tensor


@register_task("stories")
@dataclass(frozen=True)
class Stories(Task):
    """Stories: people go places, take things and drop them; a sentence a step, then a question.

    A step is one sentence as the sum of its words, one-hot: "Mary went kitchen", "Mary took milk", "Mary dropped milk".
    Nobody takes anything before they went somewhere, so the place of an object is known once it was taken. The question
    is the last step, and a place is wanted.

        1 supporting fact    "where Mary"                 people only go places
        2 supporting facts   "where milk"                 the place of who has it, or had it when it was dropped
        3 supporting facts   "where milk before kitchen"  where it was before it last came to that place

    Chance: one of six places with one or two supporting facts. With three it cannot be the place that the question
    names, so one of five.

    Args:
        supporting_facts: how many sentences an answer takes, as bAbI counts them.
        min_sentences, max_sentences: sentences before the question, at most; stories about which nothing can be asked
            are drawn again, which makes long ones likelier.

    Deviations from the paper: one question a story; as few words as can be, whose order does not matter.
    """

    loss = "cross-entropy"
    paper = "Weston et al. 2015, tasks 1 to 3"

    supporting_facts: Literal[1, 2, 3] = 1
    min_sentences: int = 4
    max_sentences: int = 12

    def __post_init__(self) -> None:
        if self.supporting_facts not in (1, 2, 3):
            raise ValueError(f"supporting_facts must be 1, 2 or 3, got {self.supporting_facts!r}")
        check_range(self.min_sentences, self.max_sentences, "sentences")
        # As many sentences as there are facts can be enough: went, took, went.
        if self.min_sentences < self.supporting_facts:
            raise ValueError(
                f"min_sentences must not be below supporting_facts, {self.supporting_facts}; got {self.min_sentences}"
            )

    @property
    def input_size(self) -> int:
        return len(WORDS)

    @property
    def target_size(self) -> int:
        return len(PLACES)

    @property
    def chance(self) -> Scores:
        possible = len(PLACES) - (self.supporting_facts == 3)
        return Scores(math.log(possible), 1 - 1 / possible)

    def draw(self, batch_size: int, generator: torch.Generator) -> Batch:
        stories: list[tuple[Tensor, ...]] = []
        while sum(len(lengths) for lengths, *_ in stories) < batch_size:
            stories.append(self._draw_answerable(batch_size, generator))
        lengths, sentences, question, answer = (torch.cat(part)[:batch_size] for part in zip(*stories, strict=True))
        sentences = sentences[:, : int(lengths.max()) + 1].transpose(0, 1)
        asked = torch.arange(len(sentences))[:, None] == lengths
        return Batch.of_whole_sequences(torch.where(asked[..., None], question, sentences), answer * asked, asked)

    def _draw_answerable(self, batch_size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Lengths, sentences `[B, T, V]`, questions and answers of those of `batch_size` stories that have one."""
        lengths = torch.randint(self.min_sentences, self.max_sentences + 1, (batch_size,), generator=generator)
        world, sentences = begin(batch_size, generator), []
        for time in range(self.max_sentences):
            goes_on = time < lengths
            later, sentence = happen(world, self.supporting_facts > 1, generator)
            world = World(*(select_rows(goes_on, new, old) for new, old in zip(later, world, strict=True)))
            sentences.append(sentence * goes_on[:, None])
        question, answer, possible = ask(world, self.supporting_facts, generator)
        story = torch.stack([*sentences, torch.zeros_like(question)], 1)
        return lengths[possible], story[possible], question[possible], answer[possible]


def begin(batch_size: int, generator: torch.Generator) -> World:
    """Nobody is anywhere yet; objects lie at random places, of which nothing was told."""
    nowhere = torch.full((batch_size, len(PEOPLE)), NOWHERE)
    lies = torch.randint(0, len(PLACES), (batch_size, len(OBJECTS)), generator=generator)
    never = torch.full((batch_size, len(OBJECTS), len(PLACES)), NOWHERE)
    return World(nowhere, lies, torch.full_like(lies, NOWHERE), torch.zeros_like(lies, dtype=torch.bool), never)


def happen(world: World, with_objects: bool, generator: torch.Generator) -> tuple[World, Float[Tensor, "B V"]]:
    """One thing happens in each world: the world after it, and the sentence that tells it."""
    rows = torch.arange(len(world.person))
    person = torch.randint(0, len(PEOPLE), rows.shape, generator=generator)
    here = world.person[rows, person]
    lying = (world.holder == NOWHERE) & (world.object == here[:, None])
    carried = world.holder == person[:, None]
    takes = (torch.rand(rows.shape, generator=generator) < TAKES) & lying.any(1) & with_objects
    drops = (torch.rand(rows.shape, generator=generator) < DROPS) & carried.any(1) & ~takes
    thing = choose(torch.where(takes[:, None], lying, carried), generator)

    # Any place but this one; from nowhere, any.
    on = torch.randint(1, len(PLACES), rows.shape, generator=generator)
    anywhere = torch.randint(0, len(PLACES), rows.shape, generator=generator)
    there = torch.where(here == NOWHERE, anywhere, (here + on) % len(PLACES))

    goes = ~takes & ~drops
    after = map_state(Tensor.clone, world)
    after.holder[takes, thing[takes]] = person[takes]
    after.told[takes, thing[takes]] = True
    after.holder[drops, thing[drops]] = NOWHERE
    after.person[goes, person[goes]] = there[goes]
    moved, moved_objects = (carried & goes[:, None]).nonzero(as_tuple=True)
    after.object[moved, moved_objects] = there[moved]
    after.before[moved, moved_objects, there[moved]] = here[moved]

    verb = torch.where(takes, TOOK, torch.where(drops, DROPPED, WENT))
    return after, bag_of_words(person, verb, torch.where(goes, FIRST_PLACE + there, FIRST_OBJECT + thing))


def ask(
    world: World, supporting_facts: int, generator: torch.Generator
) -> tuple[Float[Tensor, "B V"], Int[Tensor, " B"], Bool[Tensor, " B"]]:
    """A question that the story answers, its true answer, and whether there is one."""
    rows, where = torch.arange(len(world.person)), torch.full((len(world.person),), WHERE)
    if supporting_facts == 1:
        known = world.person != NOWHERE
        who = choose(known, generator)
        return bag_of_words(where, who), world.person[rows, who], known.any(1)
    if supporting_facts == 2:
        what = choose(world.told, generator)
        return bag_of_words(where, FIRST_OBJECT + what), world.object[rows, what], world.told.any(1)
    came = (world.before != NOWHERE).flatten(1)
    which = choose(came, generator)
    what, place = which // len(PLACES), which % len(PLACES)
    question = bag_of_words(where, torch.full_like(where, BEFORE), FIRST_OBJECT + what, FIRST_PLACE + place)
    return question, world.before[rows, what, place], came.any(1)


def bag_of_words(*words: Int[Tensor, " B"]) -> Float[Tensor, "B V"]:
    """Sentences as the sum of their words, one-hot."""
    return torch.zeros(len(words[0]), len(WORDS)).scatter_(1, torch.stack(words, 1), 1.0)


def tell(inputs: Float[Tensor, "T V"]) -> list[str]:
    """A story in words, as its inputs tell it: "Mary went kitchen", ..., "where milk before kitchen"."""
    sentences = []
    for step in inputs:
        words = [int(word) for word in step.nonzero()]
        if WHERE in words:
            people_and_things = [WORDS[word] for word in words if word < FIRST_PLACE or FIRST_OBJECT <= word < WENT]
            places = [WORDS[word] for word in words if FIRST_PLACE <= word < FIRST_OBJECT]
            sentences.append(" ".join(["where", *people_and_things, *(f"before {place}" for place in places)]))
        elif words:
            who, what, verb = (WORDS[word] for word in words)
            sentences.append(f"{who} {verb} {what}")
    return sentences
