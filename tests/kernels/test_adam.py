"""Adam by a kernel beside torch's."""

import math

import pytest
import torch

from memagents.kernels.adam import Moving, Settings, step

SHAPES = [(30, 20), (30, 3), (30,), (1, 30), (1,)]


def drawn(dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=dtype, generator=generator) for shape in SHAPES]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("max_norm", [0.5, math.inf])
def test_steps_and_norms_are_torchs(max_norm, dtype, tolerance, num_threads):
    ours, theirs = drawn(dtype, 0), [weight.requires_grad_() for weight in drawn(dtype, 0)]
    optimizer = torch.optim.Adam(theirs, lr=3e-3, eps=1e-5, betas=(0.8, 0.99))
    moments = [(torch.zeros(()), torch.zeros_like(weight), torch.zeros_like(weight)) for weight in ours]
    for number in range(1, 7):
        gradients = drawn(dtype, number)
        for weight, gradient in zip(theirs, gradients, strict=True):
            # Now longer than the norm, now far shorter.
            weight.grad = gradient.mul_(10 if number % 2 else 1e-4).clone()
        expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
        optimizer.step()
        parameters = [
            Moving(steps, weight, gradient, first, second)
            for weight, gradient, (steps, first, second) in zip(ours, gradients, moments, strict=True)
        ]
        norm = step(parameters, Settings(3e-3, 0.8, 0.99, 1e-5, max_norm))
        assert norm == pytest.approx(float(expected), rel=1e-5)
        assert [int(steps) for steps, *_ in moments] == [number] * len(SHAPES)
        torch.testing.assert_close(ours, [weight.detach() for weight in theirs], atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_of_a_gradient_that_is_not_finite_nothing_is_taken(value, num_threads):
    weights, gradients = drawn(torch.float32, 0), drawn(torch.float32, 1)
    gradients[1][4, 2] = value
    moments = [(torch.ones(()), torch.zeros_like(weight), torch.zeros_like(weight)) for weight in weights]
    parameters = [
        Moving(steps, weight, gradient, first, second)
        for weight, gradient, (steps, first, second) in zip(weights, gradients, moments, strict=True)
    ]
    assert not math.isfinite(step(parameters, Settings(3e-3, 0.9, 0.999, 1e-5, 0.5)))
    assert all(map(torch.equal, weights, drawn(torch.float32, 0)))
    assert all(int(steps) == 1 and not first.any() and not second.any() for steps, first, second in moments)


def test_gradients_whose_squares_overflow_in_32_bits_are_clipped_as_others_are():
    weight, gradient = torch.zeros(2), torch.tensor([3e30, -4e30])
    parameter = Moving(torch.zeros(()), weight, gradient, torch.zeros(2), torch.zeros(2))
    assert step([parameter], Settings(0.1, 0.0, 0.0, 0.0, 1.0)) == pytest.approx(5e30)
    torch.testing.assert_close(parameter.first, torch.tensor([0.6, -0.8]))
    torch.testing.assert_close(weight, torch.tensor([-0.1, 0.1]))


def test_torch_is_told_that_parameters_have_changed():
    weight = torch.ones(3, requires_grad=True)
    squared = (weight**2).sum()
    moving = Moving(torch.zeros(()), weight, torch.ones(3), torch.zeros(3), torch.zeros(3))
    step([moving], Settings(0.1, 0.9, 0.999, 1e-5, math.inf))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.backward()
