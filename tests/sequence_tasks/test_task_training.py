import dataclasses
import itertools
import math
from typing import ClassVar

import pytest
import torch

from memagents.sequence_tasks import Curriculum, Reader, TrainingSettings, make_task, train
from memagents.sequence_tasks.readers import evaluate
from memagents.sequence_tasks.training import OPTIMIZERS, Lessons

QUICK = TrainingSettings(learning_rate=5e-3, clip_norm=1.0, steps=2000, evaluate_every=100, goal_loss=2e-3)


def run(task, settings, seed=0, memory="gru", **options):
    torch.manual_seed(seed)
    reader = Reader(task, memory, options or {"hidden_size": 32})
    return reader, train(reader, task, settings, seed)


@pytest.mark.slow
def test_a_gru_learns_to_add_and_training_ends_when_the_goal_was_reached_twice_in_a_row():
    task = make_task("adding", length=5)
    reader, training = run(task, QUICK)
    assert training.ending == "goal"
    reached = [point.loss <= 2e-3 for point in training.curve]
    assert reached[-2:] == [True, True]
    assert (True, True) not in list(itertools.pairwise(reached[:-1]))
    assert evaluate(reader, task, 1000, torch.Generator().manual_seed(99)).loss < 4e-3


@pytest.mark.slow
def test_a_gru_learns_parity_with_a_curriculum():
    settings = dataclasses.replace(
        QUICK, batch_size=64, goal_loss=None, goal_error=0.0, curriculum=Curriculum("max_length", 2, 1.3, 0.1)
    )
    _, training = run(make_task("parity", min_length=2, max_length=8), settings)
    assert training.ending == "goal"
    assert training.curve[0].error == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_without_memory_nothing_is_learned():
    task = make_task("adding", length=5)
    settings = dataclasses.replace(QUICK, steps=500)
    torch.manual_seed(0)
    reader = Reader(task, "none", {})
    training = train(reader, task, settings, seed=0)
    # The last input is in sight: with probability 2/5 it is marked and takes half of the variance away.
    assert training.ending == "steps"
    assert training.curve[-1].loss > 0.75 * task.chance.loss


def test_training_is_determined_by_its_seed():
    task, settings = make_task("adding", length=5), dataclasses.replace(QUICK, steps=30, evaluate_every=10)
    timeless = []
    for seed in (0, 0, 1):
        reader, training = run(task, settings, seed)
        scores = [(p.step, p.sequences, p.training_loss, p.loss, p.error) for p in training.curve]
        timeless.append((scores, [weight.tolist() for weight in reader.parameters()]))
    assert timeless[0] == timeless[1]
    assert timeless[0][0] != timeless[2][0]


def test_how_often_it_is_evaluated_does_not_change_what_is_learned():
    task = make_task("adding", length=5)
    readers = [
        run(task, dataclasses.replace(QUICK, steps=30, evaluate_every=every, eval_sequences=number))[0]
        for every, number in ((5, 10), (30, 100))
    ]
    for first, second in zip(*(reader.parameters() for reader in readers), strict=True):
        assert torch.equal(first, second)


def test_the_curve_goes_from_before_the_first_update_to_after_the_last():
    _, training = run(make_task("adding", length=5), dataclasses.replace(QUICK, steps=25, evaluate_every=10))
    assert [point.step for point in training.curve] == [0, 10, 20, 25]
    assert [point.sequences for point in training.curve] == [0, 320, 640, 800]
    assert training.curve[0].training_loss is None
    assert training.curve[0].loss == pytest.approx(7 / 6, rel=0.1)  # it reads zero: variance 1/6 around a mean of 1
    assert training.ending == "steps"


def test_no_sequence_is_seen_twice_in_training_or_evaluation():
    class Recorded(type(make_task("adding"))):
        def draw(self, batch_size, generator):
            batch = super().draw(batch_size, generator)
            seen.extend(tuple(numbers) for numbers in batch.inputs[..., 0].T.tolist())
            return batch

    seen = []
    run(Recorded(length=5), dataclasses.replace(QUICK, steps=20, evaluate_every=10, eval_sequences=50))
    assert len(seen) == 20 * 32 + 3 * 50
    assert len(set(seen)) == len(seen)


def test_training_ends_when_its_time_is_over():
    _, training = run(make_task("adding", length=5), dataclasses.replace(QUICK, minutes=1e-9))
    assert training.ending == "minutes"
    assert [point.step for point in training.curve] == [0]


def test_training_that_diverges_says_so():
    task = make_task("adding", length=5)
    torch.manual_seed(0)
    reader = Reader(task, "rnn", {"hidden_size": 4})
    torch.nn.init.constant_(reader.readout.weight, math.nan)
    assert train(reader, task, QUICK, seed=0).ending == "diverged"


def test_the_gradient_is_clipped_to_its_norm():
    task = make_task("adding", length=5)
    before = Reader(task, "gru", {"hidden_size": 4})
    start = [weight.detach().clone() for weight in before.parameters()]
    settings = TrainingSettings(optimizer="graves_rmsprop", learning_rate=1.0, clip_norm=1e-6, steps=1)
    train(before, task, settings, seed=0)
    # Far below the damping's root, 0.01, a step is 100 times the gradient: at most 1e-4 long in all.
    moved = torch.cat([(old - new).flatten() for old, new in zip(start, before.parameters(), strict=True)])
    assert 0.9e-4 < moved.norm() <= 1e-4


class NotingSGD(torch.optim.SGD):
    """Notes the learning rate of every update."""

    rates: ClassVar[list[float]] = []

    def step(self, closure=None):
        self.rates.append(self.param_groups[0]["lr"])
        super().step(closure)


@pytest.mark.parametrize(("schedule", "rates"), [("constant", [0.4, 0.4, 0.4, 0.4]), ("linear", [0.4, 0.3, 0.2, 0.1])])
def test_the_learning_rate_falls_in_a_line_to_zero_where_that_is_asked_for(schedule, rates, monkeypatch):
    NotingSGD.rates.clear()
    monkeypatch.setitem(OPTIMIZERS, "adam", lambda parameters, rate: NotingSGD(parameters, lr=rate))
    run(make_task("adding", length=5), TrainingSettings(learning_rate=0.4, schedule=schedule, steps=4))
    assert NotingSGD.rates == pytest.approx(rates)


def test_lessons_grow_by_their_factor_whenever_they_were_learned_up_to_the_whole_task():
    task = make_task("copy", max_length=10)
    lessons = Lessons(task, Curriculum("max_length", start=2, factor=1.2, below=0.1, every=2))
    lengths = []
    for loss in [0.05, 0.05, 0.05, 0.2, 0.0, 0.1] + [0.0] * 14:
        lessons.learned(loss)
        lengths.append(lessons.task.max_length)
    assert lengths == [2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 10, 10, 10, 10, 10]
    assert lessons.task == task


def test_lessons_without_a_curriculum_are_the_task():
    task = make_task("copy")
    lessons = Lessons(task, None)
    lessons.learned(0.0)
    assert lessons.task is task


@pytest.mark.parametrize(
    ("curriculum", "message"),
    [
        (Curriculum("length", 2, 1.5, 0.1), "task 'copy' has no option 'length'"),
        (Curriculum("max_length", 30, 1.5, 0.1), "starts max_length at 30, above the task's own 20; start it lower"),
        (Curriculum("num_bits", 4, 1.5, 0.1), "a reader cannot be carried over"),
    ],
)
def test_a_curriculum_that_cannot_work_is_refused_before_the_first_update(curriculum, message):
    with pytest.raises(ValueError, match=message):
        run(make_task("copy"), TrainingSettings(curriculum=curriculum))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer must be one of adam, rmsprop, graves_rmsprop, got 'sgd'"),
        ({"schedule": "cosine"}, "schedule must be one of constant, linear, got 'cosine'"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"eval_sequences": 1.5}, "eval_sequences must be an integer of at least 1, got 1.5"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        ({"clip_norm": -1.0}, "clip_norm must be above 0"),
        ({"minutes": 0.0}, "minutes must be above 0"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_impossible_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**options)
