"""Recurrent cells by kernels, beside torch's own, and their activations beside the C library's."""

import numpy as np
import pytest
import torch

from memagents.kernels import threads as kernel_threads
from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.recurrence import unroll_cell
from memagents.kernels.recurrence_step import ENOUGH, step_cell
from memagents.ops.recurrence import step_by_torch

SIZES = [5, 5, 3, 3, 1]
LAST = [16, 14, 15, 8, 9]
"""Where the last elements of the five segments lie."""

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def of_torch(kind, inputs, begin, weights):
    """Outputs, and what torch's own kernel for packed sequences holds at the end of each segment."""
    told = [field[None] for field in begin]
    outputs, *last = getattr(torch, kind)(
        inputs, torch.tensor(SIZES), told if kind == "lstm" else told[0], weights, True, 1, 0.0, True, False
    )
    return outputs, *(field[0] for field in last)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("kind", GATES)
def test_a_kernel_equals_torchs_for_packed_sequences_in_values_and_in_all_gradients(kind, dtype, tolerance):
    generator, gates = torch.Generator().manual_seed(3), GATES[kind]
    num_held = 2 if kind == "lstm" else 1
    shapes = [(sum(SIZES), 3), *[(5, 4)] * num_held, (gates * 4, 3), (gates * 4, 4), (gates * 4,), (gates * 4,)]
    inputs, *others = everything = [
        torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes
    ]
    begin, weights = others[:num_held], others[num_held:]
    theirs = of_torch(kind, inputs, begin, weights)
    states = unroll_cell(kind, inputs, begin, weights, SIZES, None)[:num_held]
    ours = states[0], *(field[LAST] for field in states)
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)
    factors = [torch.randn(told.shape, dtype=dtype, generator=generator) for told in theirs]

    def loss(told):
        return sum((each * factor).sum() for each, factor in zip(told, factors, strict=True))

    expected = torch.autograd.grad(loss(theirs), everything)
    for _ in range(2):  # a gradient that is asked for twice is the same
        found = torch.autograd.grad(loss(ours), everything, retain_graph=True)
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("kind", GATES)
def test_elements_may_lie_anywhere(kind):
    generator, gates = torch.Generator().manual_seed(3), GATES[kind]
    num_held = 2 if kind == "lstm" else 1
    shapes = [(sum(SIZES), 3), *[(5, 4)] * num_held, (gates * 4, 3), (gates * 4, 4), (gates * 4,), (gates * 4,)]
    inputs, *others = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes)
    elements = torch.randperm(len(inputs), generator=generator)
    factors = torch.randn(len(inputs), 4, dtype=torch.float64, generator=generator)

    def outcome(elements, factors, inputs):
        given = [each.clone().requires_grad_() for each in (inputs, *others)]
        begin, weights = given[1 : 1 + num_held], given[1 + num_held :]
        hidden, cell = unroll_cell(kind, given[0], begin, weights, SIZES, elements)
        return hidden, cell, *torch.autograd.grad((hidden * factors).sum(), given)

    hidden, cell, d_inputs, *gradients = outcome(elements, factors, inputs)
    lying = outcome(None, factors[elements], inputs[elements])
    torch.testing.assert_close((hidden[elements], cell, d_inputs[elements], *gradients), lying, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [1, ENOUGH, 2 * ENOUGH + 1])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("kind", GATES)
def test_a_single_step_equals_torchs(kind, rows, threads, dtype, tolerance, monkeypatch):
    torch.manual_seed(0)
    outputs, num_held = 20 * GATES[kind], 2 if kind == "lstm" else 1
    shapes = [(rows, 3), *[(rows, 20)] * num_held, (outputs, 3), (outputs, 20), (outputs,), (outputs,)]
    told, *others = (torch.randn(shape, dtype=dtype) for shape in shapes)
    held, weights = others[:num_held], others[num_held:]
    expected = step_by_torch(kind, told, held, weights)
    monkeypatch.setattr(kernel_threads, "FEWEST_OPERATIONS", 1)
    torch.set_num_threads(threads)
    try:
        found = step_cell(kind, told, held, weights)
        torch.testing.assert_close(found, list(expected), atol=tolerance, rtol=tolerance)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("ours", "exact"), [(tanh_, np.tanh), (sigmoid_, lambda x: 1 / (1 + np.exp(-x)))], ids=["tanh", "sigmoid"]
)
def test_activations_are_within_two_units_of_the_last_place_at_one_and_saturate(ours, exact, dtype):
    x = np.linspace(-30, 30, 1_000_001).astype(dtype)
    found, expected = x.copy(), exact(x.astype(np.float64))
    ours(found)
    assert found.dtype == dtype
    assert np.abs(found - expected).max() <= 2 * np.finfo(dtype).eps
    assert np.abs(found).max() <= 1
    ends = np.array([-1e30, 1e30, 0, np.nan], dtype)
    ours(ends)
    assert np.array_equal(ends, exact(np.array([-700.0, 700.0, 0.0, np.nan])).round(12), equal_nan=True)
