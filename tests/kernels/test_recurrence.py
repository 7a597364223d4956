"""Recurrent cells by kernels, beside torch's own, and their activations beside the C library's."""

import numpy as np
import pytest
import torch

from memagents.kernels.activations import sigmoid_, tanh_
from memagents.kernels.recurrence import unroll_cell

SIZES = [5, 5, 3, 3, 1]
GATES = {"gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("cell", GATES)
def test_a_kernel_equals_torchs_for_packed_sequences_in_values_and_in_all_gradients(cell, dtype, tolerance):
    generator, gates = torch.Generator().manual_seed(3), GATES[cell]
    shapes = [(sum(SIZES), 3), (5, 4), (gates * 4, 3), (gates * 4, 4), (gates * 4,), (gates * 4,)]
    inputs, begin, *weights = everything = [
        torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes
    ]
    ours = unroll_cell(cell, inputs, begin, weights, SIZES)
    packed = inputs, torch.tensor(SIZES), begin[None]
    theirs, _ = getattr(torch, cell)(*packed, weights, True, 1, 0.0, True, False)
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)
    factors = torch.randn(ours.shape, dtype=dtype, generator=generator)
    expected = torch.autograd.grad((theirs * factors).sum(), everything)
    for _ in range(2):  # a gradient that is asked for twice is the same
        found = torch.autograd.grad((ours * factors).sum(), everything, retain_graph=True)
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


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
