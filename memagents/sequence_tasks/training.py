"""Training a reader on a task, with newly drawn sequences from the first to the last."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import torch
from torch.optim import Adam, Optimizer, RMSprop

from memagents.ops.recurrence import check_positive
from memagents.sequence_tasks.base import Scores, Task
from memagents.sequence_tasks.optimizers import GravesRMSprop
from memagents.sequence_tasks.readers import Reader, evaluate
from memagents.sequence_tasks.registry import vary_task
from memagents.sequence_tasks.scoring import training_loss

OptimizerName: TypeAlias = Literal["adam", "rmsprop", "graves_rmsprop"]

Schedule: TypeAlias = Literal["constant", "linear"]

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": lambda parameters, rate: Adam(parameters, lr=rate),
    "rmsprop": lambda parameters, rate: RMSprop(parameters, lr=rate),
    "graves_rmsprop": lambda parameters, rate: GravesRMSprop(parameters, learning_rate=rate),
}

HELD_OUT = 1_000_000
"""Added to the seed of training, this is the seed of the sequences to evaluate with."""

TIMES_IN_A_ROW = 2
"""How often an evaluation must reach the goal before training stops: once can be luck."""


@dataclass(frozen=True)
class Curriculum:
    """An option of the task that grows while training, up to what the task itself has.

    Attributes:
        option: an integer option, such as the greatest length.
        start: its value at first.
        factor: by which it grows, and by 1 at least, whenever the mean training loss has come below `below`.
        below: nats or squared error an answer.
        every: updates over which the training loss is averaged, between two times it may grow.
    """

    option: str
    start: int
    factor: float
    below: float
    every: int = 50


@dataclass(frozen=True)
class TrainingSettings:
    """How a reader is trained.

    Attributes:
        optimizer: `adam` and `rmsprop` are torch's with its defaults, `graves_rmsprop` that of the NTM.
        learning_rate: at every update, or at the first.
        schedule: `constant`, or `linear`: the learning rate falls from update to update, in a line to zero.
        clip_norm: the gradient is scaled down to this norm where it is longer.
        batch_size: sequences of an update.
        steps: updates.
        evaluate_every: updates between two evaluations, on the task without curriculum.
        eval_sequences: sequences of an evaluation, drawn anew each time.
        goal_loss, goal_error: training ends early once two evaluations in a row are at or below what is given.
        minutes: training ends after this time, if given.
        curriculum: an option of the task that grows while training.
    """

    optimizer: OptimizerName = "adam"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    clip_norm: float = 10.0
    batch_size: int = 32
    steps: int = 10_000
    evaluate_every: int = 200
    eval_sequences: int = 256
    goal_loss: float | None = None
    goal_error: float | None = None
    minutes: float | None = None
    curriculum: Curriculum | None = None

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}")
        if self.schedule not in get_args(Schedule):
            raise ValueError(f"schedule must be one of {', '.join(get_args(Schedule))}, got {self.schedule!r}")
        counts = ("batch_size", "steps", "evaluate_every", "eval_sequences")
        check_positive(**{name: getattr(self, name) for name in counts})
        for name in ("learning_rate", "clip_norm", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate after so many updates."""
        return self.learning_rate * (1 - step / self.steps if self.schedule == "linear" else 1)

    def reached(self, scores: Scores) -> bool:
        """Whether there is a goal, and these scores reach it."""
        goals = [(scores.loss, self.goal_loss), (scores.error, self.goal_error)]
        asked = [(score, goal) for score, goal in goals if goal is not None]
        return bool(asked) and all(score <= goal for score, goal in asked)


@dataclass(frozen=True)
class Point:
    """An evaluation while training.

    Attributes:
        step: updates so far.
        sequences: presented so far.
        training_loss: mean over the updates since the last evaluation, on the task as the curriculum had it; None
            before the first update.
        loss, error: the evaluation's scores.
        minutes: since training began.
    """

    step: int
    sequences: int
    training_loss: float | None
    loss: float
    error: float
    minutes: float


@dataclass
class Training:
    """How a training went.

    Attributes:
        curve: every evaluation, from before the first update to after the last.
        ending: why it ended.
    """

    curve: list[Point] = field(default_factory=list)
    ending: Literal["goal", "steps", "minutes", "diverged"] = "steps"


def train(reader: Reader, task: Task, settings: TrainingSettings, seed: int) -> Training:
    """Trains `reader` on `task`. The sequences are determined by the seed, and so is all else but the time it takes.

    Raises:
        ValueError: if the curriculum's option is not one of the task's, or starts above what the task has.
    """
    # Two generators, so that how often it is evaluated does not change what is learned.
    drawn, held_out = (torch.Generator().manual_seed(number) for number in (seed, seed + HELD_OUT))
    optimizer = OPTIMIZERS[settings.optimizer](reader.parameters(), settings.learning_rate)
    lessons = Lessons(task, settings.curriculum)
    training, times_reached, begin = Training(), 0, time.monotonic()
    losses: list[float] = []

    for step in range(settings.steps + 1):
        minutes = (time.monotonic() - begin) / 60
        is_over = step == settings.steps or minutes >= (settings.minutes or math.inf)
        if is_over or step % settings.evaluate_every == 0:
            scores = evaluate(reader, task, settings.eval_sequences, held_out)
            mean = sum(losses) / len(losses) if losses else None
            training.curve.append(Point(step, step * settings.batch_size, mean, *scores, minutes))
            losses = []
            times_reached = times_reached + 1 if settings.reached(scores) else 0
        if times_reached == TIMES_IN_A_ROW:
            training.ending = "goal"
            break
        if is_over:
            training.ending = "steps" if step == settings.steps else "minutes"
            break
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate_at(step)
        loss = update(reader, lessons.task, settings, optimizer, drawn)
        if not math.isfinite(loss):
            training.ending = "diverged"
            break
        losses.append(loss)
        lessons.learned(loss)
    return training


def update(
    reader: Reader, task: Task, settings: TrainingSettings, optimizer: Optimizer, generator: torch.Generator
) -> float:
    """One update on newly drawn sequences; the loss before it."""
    batch = task.draw(settings.batch_size, generator).to(reader.device)
    outputs, _ = reader(batch.inputs, batch.episode_starts, reader.initial_state(settings.batch_size))
    loss = training_loss(task.loss, outputs, batch)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(reader.parameters(), settings.clip_norm)
    optimizer.step()
    return loss.item()


class Lessons:
    """The task as the curriculum has it at the moment."""

    def __init__(self, task: Task, curriculum: Curriculum | None) -> None:
        self.task = self._whole = task
        self._curriculum = curriculum
        self._losses: list[float] = []
        if curriculum is not None:
            self.task = vary_task(task, **{curriculum.option: curriculum.start})
            if curriculum.start > getattr(task, curriculum.option):
                raise ValueError(
                    f"the curriculum starts {curriculum.option} at {curriculum.start}, above the task's own "
                    f"{getattr(task, curriculum.option)}; start it lower"
                )

    def learned(self, loss: float) -> None:
        """Notes the loss of an update, and goes on to the next lesson where the last ones were low enough."""
        if self._curriculum is None:
            return
        self._losses.append(loss)
        if len(self._losses) < self._curriculum.every:
            return
        if sum(self._losses) / len(self._losses) < self._curriculum.below:
            now, most = (getattr(task, self._curriculum.option) for task in (self.task, self._whole))
            grown = min(most, max(now + 1, round(now * self._curriculum.factor)))
            self.task = vary_task(self._whole, **{self._curriculum.option: grown})
        self._losses.clear()
