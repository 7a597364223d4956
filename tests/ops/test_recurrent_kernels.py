"""Kernels with gradients by hand, beside torch's own."""

import pytest
import torch

from memagents.ops.recurrent_kernels import unroll_elman, unroll_gru

SIZES = [5, 5, 3, 3, 1]
TORCHS = {
    "gru": (unroll_gru, torch.gru, 3),
    "tanh": (unroll_elman, torch.rnn_tanh, 1),
    "relu": (lambda *arguments: unroll_elman(*arguments, nonlinearity="relu"), torch.rnn_relu, 1),
}


@pytest.mark.parametrize("name", TORCHS)
def test_a_kernel_equals_torchs_for_packed_sequences_in_values_and_in_all_gradients(name):
    unroll, torchs, gates = TORCHS[name]
    generator = torch.Generator().manual_seed(3)
    shapes = [(sum(SIZES), 3), (5, 4), (gates * 4, 3), (gates * 4, 4), (gates * 4,), (gates * 4,)]
    inputs, begin, *weights = (
        torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True) for shape in shapes
    )
    ours = unroll(inputs, begin, weights, SIZES)
    theirs, _ = torchs(inputs, torch.tensor(SIZES), begin[None], weights, True, 1, 0.0, True, False)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    weighted = torch.randn(ours.shape, dtype=torch.float64, generator=generator)
    everything = [inputs, begin, *weights]
    expected = torch.autograd.grad((theirs * weighted).sum(), everything)
    for gradient, theirs_ in zip(torch.autograd.grad((ours * weighted).sum(), everything), expected, strict=True):
        torch.testing.assert_close(gradient, theirs_, atol=1e-12, rtol=1e-12)
