"""What an experiment of sequence_tasks.py is: a memory on a task, a published claim, and what has to come out."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from memagents.sequence_tasks import Task, TrainingSettings, make_task

CHANCE_MARGIN = 0.97
"""What is at this share of the chance level or above has learned nothing: the rest is luck of the draw."""


@dataclass(frozen=True)
class Mark:
    """What has to come out of an experiment.

    Attributes:
        measure: of the two scores.
        relation: whether the score has to be small or large.
        value: the bound.
        test: name of the further test it is about; by default the task that was trained.
        within: if given, the bound has to be met by an evaluation while training, after at most so many sequences.
    """

    measure: Literal["loss", "error"]
    relation: Literal["<=", ">="]
    value: float
    test: str = ""
    within: int | None = None

    def holds(self, score: float) -> bool:
        """Whether a score meets the bound; one that is not a number does not."""
        return score <= self.value if self.relation == "<=" else score >= self.value

    def __str__(self) -> str:
        test = f" {self.test}" if self.test else ""
        within = f" within {self.within:,} sequences" if self.within else ""
        return f"{self.measure}{test} {self.relation} {self.value:.4g}{within}"


@dataclass(frozen=True)
class Experiment:
    """A memory on a task.

    Attributes:
        name: panel/variant; experiments of one panel have the same task, and are drawn together.
        task, task_options: what is trained on.
        memory, memory_options: what is trained.
        settings: how.
        published: the claim, with its number and its source.
        marks: what has to come out; nothing of what is for comparison.
        tests: further tests after training: other options of the task, by name.
        beats: name of an experiment, each of whose seeds has to be worse than each of this one's, by the first mark.
        embedding_size: of a linear layer in front of the memory, if any.
        seeds: how many.
        tried: what was seen by hand on the way, where a mark is not met or was hard to.
    """

    name: str
    task: str
    memory: str
    settings: TrainingSettings
    published: str
    marks: tuple[Mark, ...]
    task_options: dict[str, Any] = field(default_factory=dict)
    memory_options: dict[str, Any] = field(default_factory=dict)
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    beats: str | None = None
    embedding_size: int | None = None
    seeds: int = 3
    tried: str = ""

    @property
    def panel(self) -> str:
        """What is before the slash of the name."""
        return self.name.partition("/")[0]

    def make_task(self, test: str | None = None) -> Task:
        """The task that is trained on, or that of a further test."""
        return make_task(self.task, **{**self.task_options, **(self.tests[test] if test else {})})

    def definition(self) -> dict[str, Any]:
        """All that decides what a seed's result is; claims and marks can change without running anything again."""
        parts = ("task", "task_options", "memory", "memory_options", "embedding_size", "tests", "settings")
        return {part: value for part, value in asdict(self).items() if part in parts}


def control(experiment: Experiment) -> Experiment:
    """The same task without a memory, which can learn how often an answer is right, and nothing else."""
    task = experiment.make_task()
    settings = replace(
        experiment.settings, optimizer="adam", learning_rate=3e-2, batch_size=64, steps=1000, evaluate_every=100
    )
    return Experiment(
        name=f"{experiment.panel}/none",
        task=experiment.task,
        task_options=experiment.task_options,
        memory="none",
        settings=replace(settings, goal_loss=None, goal_error=None, curriculum=None, minutes=5.0),
        published="control: no better than a guess",
        marks=(Mark("loss", ">=", CHANCE_MARGIN * task.chance.loss),),
    )
