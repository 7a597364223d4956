"""WaveNet against a literal transcription of its equations, and its published receptive field."""

import numpy as np
import pytest
import torch

from memagents.memories import make_memory

D, H, T, START = 3, 4, 14, 5


def relu(x):
    return np.maximum(x, 0)


def convolve(x, weight, bias, dilation):
    """All of an episode `[n, C]`, with zeros before it; the last tap is the newest input."""
    outputs = np.tile(bias, (len(x), 1))
    for t in range(len(x)):
        for j in range(weight.shape[2]):
            before = (weight.shape[2] - 1 - j) * dilation
            if t >= before:
                outputs[t] += weight[:, :, j] @ x[t - before]
    return outputs


def transcription(u, weights, num_layers):
    """An episode's outputs, what every layer read, and its gates."""

    def pointwise(name, z):
        return z @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x, read, gates = pointwise("from_input", u), [], []
    skip = weights["skip.bias"]
    depth = weights["skip.weight"].shape[1] // H
    for layer in range(depth):
        weight, bias = weights[f"layers.{layer}.weight"], weights[f"layers.{layer}.bias"]
        dilation = 2 ** (layer % num_layers)
        filtered = np.tanh(convolve(x, weight[:H], bias[:H], dilation))
        gate = 1 / (1 + np.exp(-convolve(x, weight[H:], bias[H:], dilation)))
        z = filtered * gate
        read.append(x)
        gates.append(gate)
        skip = skip + z @ weights["skip.weight"][:, layer * H : (layer + 1) * H].T
        if layer < depth - 1:
            x = x + pointwise(f"layers.{layer}.residual", z)
    return pointwise("head.1", relu(pointwise("head.0", relu(skip)))), read, np.stack(gates, 1)


def build(seed=0, **options):
    """A WaveNet in float64 with every parameter random, biases too."""
    torch.manual_seed(seed)
    memory = make_memory("wavenet", input_size=D, **options).double()
    with torch.no_grad():
        for weight in memory.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return memory


@pytest.mark.parametrize(("num_layers", "num_stacks", "kernel_size"), [(3, 1, 2), (2, 2, 3), (1, 3, 2), (1, 1, 1)])
def test_equals_a_literal_transcription_in_which_every_episode_has_zeros_before_it(num_layers, num_stacks, kernel_size):
    memory = build(hidden_size=H, num_layers=num_layers, num_stacks=num_stacks, kernel_size=kernel_size)
    inputs = torch.randn(T, 1, D, dtype=torch.float64)
    starts = torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    weights = {name: weight.numpy() for name, weight in memory.state_dict().items()}
    episodes = [transcription(u, weights, num_layers) for u in np.split(inputs[:, 0].numpy(), [START])]
    expected = np.concatenate([outputs for outputs, _, _ in episodes])
    read = [np.pad(x, ((n, 0), (0, 0)))[len(x) :].T for x, n in zip(episodes[1][1], memory.queue_lengths, strict=True)]

    for unroll in (memory, memory.loop):
        outputs, final = unroll(inputs, starts, memory.initial_state(1))
        np.testing.assert_allclose(outputs[:, 0].detach().numpy(), expected, atol=1e-10)
        np.testing.assert_allclose(final.queues[0].detach().numpy(), np.concatenate(read, 1), atol=1e-10)
    gates = memory.trace(inputs, starts, memory.initial_state(1))["gates"]
    np.testing.assert_allclose(
        gates[:, 0].detach().numpy(), np.concatenate([gates for _, _, gates in episodes]), atol=1e-10
    )


@pytest.mark.parametrize(("num_layers", "num_stacks", "kernel_size"), [(3, 1, 2), (2, 2, 2), (2, 1, 3), (2, 1, 1)])
def test_an_input_one_step_outside_the_receptive_field_has_exactly_no_effect(num_layers, num_stacks, kernel_size):
    memory = build(hidden_size=8, num_layers=num_layers, num_stacks=num_stacks, kernel_size=kernel_size)
    field = memory.receptive_field
    inputs = torch.randn(field + 3, 4, D, dtype=torch.float64, requires_grad=True)
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


@pytest.mark.parametrize(("num_stacks", "receptive_field"), [(1, 1024), (3, 3070)])
def test_a_stack_of_ten_layers_with_two_taps_reaches_back_1024_steps(num_stacks, receptive_field):
    """Section 2.1 of the paper: "1, 2, 4, ..., 512" has a receptive field of 1024; further stacks add 1023 each."""
    memory = make_memory("wavenet", input_size=D, hidden_size=1, num_layers=10, num_stacks=num_stacks)
    assert memory.receptive_field == receptive_field
    assert memory.initial_state(1).queues.shape == (1, 1, receptive_field - 1)


def test_shut_gates_let_nothing_of_the_input_through():
    memory = build(hidden_size=H, num_layers=2)
    with torch.no_grad():
        for layer in memory.layers:
            layer.bias[H:] = -1e4
    inputs = torch.randn(T, 2, D, dtype=torch.float64, requires_grad=True)
    starts = torch.zeros(T, 2, dtype=torch.bool)
    outputs, _ = memory(inputs, starts, memory.initial_state(2))
    (gradient,) = torch.autograd.grad(outputs.sum(), inputs)
    assert not gradient.any()
    assert not memory.trace(inputs, starts, memory.initial_state(2))["gates"].any()


@pytest.mark.parametrize("num_stacks", [1, 3])
@pytest.mark.parametrize("input_size", [2, 64])
def test_outputs_begin_of_order_one_however_many_stacks_and_features(input_size, num_stacks):
    torch.manual_seed(0)
    memory = make_memory("wavenet", input_size=input_size, num_layers=5, num_stacks=num_stacks)
    outputs, _ = memory(torch.randn(64, 8, input_size), torch.zeros(64, 8, dtype=torch.bool), memory.initial_state(8))
    assert 0.3 < outputs.square().mean().sqrt() < 3
