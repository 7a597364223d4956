"""Perceptrons by kernels beside torch's operations."""

import pytest
import torch
from torch.nn import functional as F

from memagents.kernels.perceptron_layers import IDENTITY, INPUTS, RELU, TANH
from memagents.kernels.perceptrons import FEWEST_ROWS, Layer, Perceptrons

BENDS = {IDENTITY: lambda y: y, TANH: torch.tanh, RELU: torch.relu}

BOTH = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])


def drawn(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_()


def two_heads(features, hidden, dtype=torch.float64):
    """A perceptron with one hidden layer, and one with two, of which the last reads more than it tells."""

    def layer(told, width, source, bend):
        return Layer(drawn(width, told, dtype=dtype), drawn(width, dtype=dtype), source, bend)

    return [
        layer(features, hidden, INPUTS, TANH),
        layer(hidden, 4, 0, IDENTITY),
        layer(features, hidden, INPUTS, RELU),
        layer(hidden, hidden + 3, 2, TANH),
        layer(hidden + 3, 1, 3, IDENTITY),
    ]


def by_torch(inputs, layers):
    outs, read = [], {layer.source for layer in layers}
    for weight, bias, source, bend in layers:
        outs.append(BENDS[bend](F.linear(inputs if source == INPUTS else outs[source], weight, bias)))
    return [out for number, out in enumerate(outs) if number not in read]


def outcome(outs, given):
    """The outputs, and all gradients of a sum that weighs them differently."""
    weights = [torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out) for out in outs]
    loss = sum((out * weight).sum() for out, weight in zip(outs, weights, strict=True))
    return *outs, *torch.autograd.grad(loss, given)


@BOTH
@pytest.mark.parametrize(("rows", "features", "hidden"), [(300, 37, 40), (17, 5, 7), (FEWEST_ROWS, 128, 64)])
def test_they_are_torchs_in_values_and_in_all_gradients(rows, features, hidden, dtype, tolerance, num_threads):
    layers, inputs = two_heads(features, hidden, dtype), drawn(rows, features, dtype=dtype)
    perceptrons = Perceptrons(layers)
    assert perceptrons.told_whole()
    assert perceptrons.can_read(inputs)
    given = [inputs, *perceptrons.parameters]
    expected = outcome(by_torch(inputs, layers), given)
    found = outcome(perceptrons.read(inputs), given)
    for ours, theirs in zip(found, expected, strict=True):
        scale = max(1.0, theirs.abs().max().item())
        torch.testing.assert_close(ours, theirs, atol=tolerance * scale, rtol=tolerance)


@BOTH
@pytest.mark.parametrize("rows", [FEWEST_ROWS, 33, 64])
def test_without_gradients_they_are_the_same_and_nothing_is_kept(rows, dtype, tolerance):
    layers, inputs = two_heads(12, 9, dtype), drawn(rows, 12, dtype=dtype)
    with torch.no_grad():
        for told in (inputs, inputs.t().contiguous().t()):
            outs = Perceptrons(layers).read(told)
            assert not any(out.requires_grad for out in outs)
            torch.testing.assert_close(outs, by_torch(told, layers), atol=tolerance * 10, rtol=tolerance)


def test_inputs_that_are_data_get_no_gradient():
    layers, inputs = two_heads(6, 5), drawn(20, 6).detach()
    perceptrons = Perceptrons(layers)
    expected = outcome(by_torch(inputs, layers), perceptrons.parameters)
    torch.testing.assert_close(outcome(perceptrons.read(inputs), perceptrons.parameters), expected)


@pytest.mark.parametrize("acting", [False, True])
def test_what_is_undefined_in_a_row_stays_there(acting):
    inputs = drawn(20, 6).detach()
    inputs[7, 2] = torch.nan
    with torch.set_grad_enabled(not acting):
        for out in Perceptrons(two_heads(6, 5)).read(inputs):
            assert out[7].isnan().all()
            assert not out[[*range(7), *range(8, 20)]].isnan().any()


def test_parameters_that_change_in_place_are_read_anew():
    layers, inputs = two_heads(6, 5), drawn(20, 6)
    perceptrons = Perceptrons(layers)
    with torch.no_grad():
        layers[0].weight.mul_(2)
        layers[4].bias.add_(1)
        torch.testing.assert_close(perceptrons.read(inputs), by_torch(inputs, layers))


@pytest.mark.parametrize("inputs", [drawn(FEWEST_ROWS - 1, 6), drawn(40, 7), drawn(40, 6, dtype=torch.float32)])
def test_inputs_that_do_not_fit_or_are_few_are_not_read(inputs):
    perceptrons = Perceptrons(two_heads(6, 5))
    assert perceptrons.can_read(drawn(40, 6))
    assert not perceptrons.can_read(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert not perceptrons.can_read(drawn(40, 6))


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (1, {"weight": drawn(4, 6)}),  # wider than what it reads
        (1, {"bias": drawn(4, dtype=torch.float32)}),
        (3, {"weight": drawn(5, 8).t()}),  # not in one piece
    ],
    ids=["size", "kind", "apart"],
)
def test_parameters_that_kernels_cannot_be_told_of_are_found(place, other):
    layers = two_heads(6, 5)
    assert Perceptrons(layers).told_whole()
    layers[place] = layers[place]._replace(**other)
    assert not Perceptrons(layers).told_whole()
