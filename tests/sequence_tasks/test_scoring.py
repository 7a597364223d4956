"""Losses and errors against their definitions, in NumPy."""

import numpy as np
import pytest
import torch

from memagents.sequence_tasks import Batch, make_task
from memagents.sequence_tasks.scoring import Tally, count, training_loss

T, B, K = 7, 5, 4


def batch_of(targets, mask):
    return Batch.of_whole_sequences(torch.zeros(T, B, 1), targets, mask)


@pytest.fixture
def case(generator):
    """Outputs and a mask, with answers in some places of every sequence."""
    mask = torch.rand(T, B, generator=generator) < 0.4
    mask[0] = True
    return 3 * torch.randn(T, B, K, generator=generator), mask


def test_bits_are_counted_by_the_sequence_and_wrong_ones_by_their_share(case, generator):
    outputs, mask = case
    bits = torch.randint(0, 2, (T, B, K), generator=generator).float()
    batch = batch_of(bits, mask)
    p = 1 / (1 + np.exp(-outputs.double().numpy()))
    right = np.where(bits.numpy() == 1, p, 1 - p)[mask.numpy()]
    scores = count("bits", outputs, batch).scores("bits")
    assert scores.loss == pytest.approx(-np.log2(right).sum() / B, rel=1e-5)
    assert scores.error == pytest.approx((right < 0.5).mean())
    assert float(training_loss("bits", outputs, batch)) == pytest.approx(-np.log(right).mean(), rel=1e-5)


def test_classes_cost_nats_an_answer(case, generator):
    outputs, mask = case
    classes = torch.randint(0, K, (T, B), generator=generator)
    batch = batch_of(classes, mask)
    p = np.exp(outputs.double().numpy())
    p /= p.sum(-1, keepdims=True)
    right = np.take_along_axis(p, classes.numpy()[..., None], -1)[..., 0][mask.numpy()]
    scores = count("cross-entropy", outputs, batch).scores("cross-entropy")
    assert scores.loss == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert scores.error == pytest.approx((p.argmax(-1) != classes.numpy())[mask.numpy()].mean())
    assert float(training_loss("cross-entropy", outputs, batch)) == pytest.approx(scores.loss, rel=1e-5)


def test_values_cost_their_squared_error_and_are_wrong_beyond_4_hundredths(case):
    outputs, mask = case
    off = torch.tensor([0.03, -0.03, 0.05, -1.0])
    batch = batch_of(outputs + off, mask)
    scores = count("squared-error", outputs, batch).scores("squared-error")
    assert scores.loss == pytest.approx(float(off.square().mean()), rel=1e-4)
    assert scores.error == pytest.approx(0.5)


def test_what_is_masked_out_costs_nothing(case):
    outputs, mask = case
    classes = torch.zeros(T, B, dtype=torch.int64)
    changed = torch.where(mask[..., None], outputs, 100.0)
    assert count("cross-entropy", changed, batch_of(classes, mask)) == count(
        "cross-entropy", outputs, batch_of(classes, mask)
    )


@pytest.mark.parametrize("name", ["copy", "stories"])
def test_tallies_of_parts_add_up_to_that_of_the_whole(name, generator):
    task = make_task(name)
    batch = task.draw(6, generator)
    outputs = torch.randn(*batch.mask.shape, task.target_size, generator=generator)
    parts = []
    for rows in (slice(0, 2), slice(2, 6)):
        part = Batch(*(getattr(batch, field)[:, rows] for field in ("inputs", "episode_starts", "targets", "mask")))
        parts.append(count(task.loss, outputs[:, rows], part))
    assert parts[0].plus(parts[1]) == pytest.approx(Tally(*count(task.loss, outputs, batch)), rel=1e-5)
