"""The temporal convolutional network against a literal transcription of its equations, and its published sizes."""

import numpy as np
import pytest
import torch
from torch import nn

from memagents.memories import make_memory
from memagents.memories.tcn import Convolution

H, T, START = 4, 14, 5


def relu(x):
    return np.maximum(x, 0)


def convolve(x, conv):
    """All of an episode `[n, C]`, with zeros before it; the filter's first tap is the newest input, as in eq. 2."""
    g, v, bias = (weight.detach().numpy() for weight in (conv.g, conv.v, conv.bias))
    outputs = np.zeros((len(x), len(bias)))
    for s in range(len(x)):
        for channel in range(len(bias)):
            weight = g[channel] * v[channel] / np.sqrt((v[channel] ** 2).sum())
            outputs[s, channel] = bias[channel]
            for i in range(weight.shape[1]):
                if s - conv.dilation * i >= 0:
                    outputs[s, channel] += weight[:, -1 - i] @ x[s - conv.dilation * i]
    return outputs


def transcription(x, blocks):
    """An episode's outputs, and what every convolution read."""
    read = []
    for block in blocks:
        inside = relu(convolve(x, block.first))
        read += [x, inside]
        residual = x
        if block.around is not None:
            residual = x @ block.around.weight.detach().numpy().T + block.around.bias.detach().numpy()
        x = relu(residual + relu(convolve(inside, block.second)))
    return x, read


def build(input_size, seed=0, **options):
    """A TCN in float64 with every parameter random, biases and lengths too."""
    torch.manual_seed(seed)
    memory = make_memory("tcn", input_size=input_size, **options).double()
    with torch.no_grad():
        for weight in memory.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return memory


@pytest.mark.parametrize("input_size", [3, H], ids=["1x1 around the first block", "identity around the first block"])
@pytest.mark.parametrize(("kernel_size", "num_layers"), [(1, 1), (2, 3), (3, 2)])
def test_equals_a_literal_transcription_in_which_every_episode_has_zeros_before_it(input_size, kernel_size, num_layers):
    memory = build(input_size, hidden_size=H, num_layers=num_layers, kernel_size=kernel_size)
    inputs = torch.randn(T, 1, input_size, dtype=torch.float64)
    starts = torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    episodes = [transcription(x, memory.blocks) for x in np.split(inputs[:, 0].numpy(), [START])]
    expected = np.concatenate([outputs for outputs, _ in episodes])

    for unroll in (memory, memory.loop):
        outputs, final = unroll(inputs, starts, memory.initial_state(1))
        np.testing.assert_allclose(outputs[:, 0].detach().numpy(), expected, atol=1e-10)
        queues = [
            np.pad(x, ((n, 0), (0, 0)))[len(x) :].T for x, n in zip(episodes[1][1], memory.queue_lengths, strict=True)
        ]
        np.testing.assert_allclose(final.inputs[0].detach().numpy(), queues[0], atol=1e-10)
        np.testing.assert_allclose(final.hidden[0].detach().numpy(), np.concatenate(queues[1:], 1), atol=1e-10)


def test_weights_are_normalised_as_by_torch():
    torch.manual_seed(0)
    ours = Convolution(3, H, kernel_size=2, dilation=1, gain=2.0)
    theirs = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, H, 2))
    theirs.parametrizations.weight.original0.data, theirs.parametrizations.weight.original1.data = ours.g, ours.v
    torch.testing.assert_close(ours.weight(), theirs.weight)


@pytest.mark.parametrize(("kernel_size", "num_layers"), [(1, 2), (2, 3), (3, 2), (5, 1)])
def test_an_input_one_step_outside_the_receptive_field_has_exactly_no_effect(kernel_size, num_layers):
    memory = build(3, hidden_size=8, num_layers=num_layers, kernel_size=kernel_size)
    field = memory.receptive_field
    inputs = torch.randn(field + 3, 4, 3, dtype=torch.float64, requires_grad=True)
    starts = torch.zeros(field + 3, 4, dtype=torch.bool)
    outputs, _ = memory(inputs, starts, memory.initial_state(4))
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), inputs)
    assert (gradient[:-field] == 0).all()
    assert gradient[-field].any()

    for step, has_effect in ((-field - 1, False), (-field, True)):
        other = inputs.detach().clone()
        other[step] += 1
        changed, _ = memory(other, starts, memory.initial_state(4))
        assert torch.equal(changed[-1], outputs[-1]) != has_effect


def test_eight_levels_of_eight_taps_reach_back_3571_steps():
    memory = make_memory("tcn", input_size=2, hidden_size=1, num_layers=8, kernel_size=8)
    assert memory.receptive_field == 3571
    state = memory.initial_state(1)
    assert state.inputs.shape[2] + state.hidden.shape[2] == 3570


def test_the_network_of_the_papers_adding_problem_has_70_thousand_parameters():
    """T = 600: 8 levels, 8 taps, 24 channels (Table 2), "70K" (Table 1) with the 25 weights that read the sum."""
    memory = make_memory("tcn", input_size=2, hidden_size=24, num_layers=8, kernel_size=8)
    assert round((sum(weight.numel() for weight in memory.parameters()) + 25) / 1000) == 70


@pytest.mark.parametrize("num_layers", [1, 4, 8])
@pytest.mark.parametrize("input_size", [2, 64])
def test_outputs_begin_of_order_one_however_many_blocks_and_features(input_size, num_layers):
    torch.manual_seed(0)
    memory = make_memory("tcn", input_size=input_size, num_layers=num_layers, kernel_size=3)
    outputs, _ = memory(torch.randn(64, 8, input_size), torch.zeros(64, 8, dtype=torch.bool), memory.initial_state(8))
    assert 0.5 < outputs.square().mean().sqrt() < 3
