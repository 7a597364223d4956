import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from memagents.ops.convolution import causal_convolution, causal_convolution_step, pointwise, steps_since_start

IN, OUT = 2, 3  # channels


def plain_loop(inputs, starts, queue, weight, bias, dilation):
    """One row: outputs `[T, OUT]` and the queue `[IN, Q]` after them, from a list of all that came before."""
    past, outputs = list(queue.T), []
    for x, start in zip(inputs, starts, strict=True):
        past = [*[np.zeros(IN) for _ in queue.T], x] if start else [*past, x]
        y = bias.copy()
        for j in range(weight.shape[2]):
            y += weight[:, :, j] @ past[-1 - (weight.shape[2] - 1 - j) * dilation]
        outputs.append(y)
    return np.stack(outputs), np.stack([np.zeros(IN), *past], 1)[:, -queue.shape[1] :]


def random_case(num_steps, num_rows, kernel_size, dilation, density, seed):
    """Inputs `[B, IN, T]`, episode starts, queue, weight, bias. Queues begin some way into an episode."""
    torch.manual_seed(seed)
    queue = torch.randn(num_rows, IN, (kernel_size - 1) * dilation, dtype=torch.float64)
    queue[..., : seed % 3] = 0
    return (
        torch.randn(num_rows, IN, num_steps, dtype=torch.float64),
        torch.rand(num_steps, num_rows) < density,
        queue,
        torch.randn(OUT, IN, kernel_size, dtype=torch.float64),
        torch.randn(OUT, dtype=torch.float64),
    )


cases = given(
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(2, 4),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.integers(0, 999),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@cases
def test_a_sequence_is_convolved_as_by_a_plain_loop_that_keeps_all_of_an_episode(
    num_steps, num_rows, kernel_size, dilation, density, seed
):
    inputs, starts, queue, weight, bias = random_case(num_steps, num_rows, kernel_size, dilation, density, seed)
    queue[starts[0]] = 0
    outputs, after = causal_convolution(inputs, queue, weight, bias, dilation, steps_since_start(starts))
    for row in range(num_rows):
        arrays = inputs[row].T.numpy(), starts[:, row].numpy(), queue[row].numpy(), weight.numpy(), bias.numpy()
        expected_outputs, expected_queue = plain_loop(*arrays, dilation)
        np.testing.assert_allclose(outputs[row].T.numpy(), expected_outputs, atol=1e-12)
        np.testing.assert_array_equal(after[row].numpy(), expected_queue)


@settings(max_examples=50, deadline=None, derandomize=True)
@cases
def test_a_step_is_a_sequence_of_one(num_steps, num_rows, kernel_size, dilation, density, seed):
    inputs, _, queue, weight, bias = random_case(num_steps, num_rows, kernel_size, dilation, density, seed)
    output, after = causal_convolution_step(inputs[..., 0], queue, weight, bias, dilation)
    outputs, expected = causal_convolution(inputs[..., :1], queue, weight, bias, dilation, None)
    torch.testing.assert_close(output, outputs[..., 0], atol=1e-12, rtol=0)
    assert torch.equal(after, expected)


def test_steps_are_counted_from_the_last_start_and_without_one_are_more_than_any_reach():
    starts = torch.tensor([[1, 0], [0, 0], [1, 0], [0, 0]], dtype=torch.bool)
    since = steps_since_start(starts)
    assert since[0, 0].tolist() == [0, 1, 0, 1]
    assert (since[1] > 10**12).all()
    starts[2] = False
    assert steps_since_start(starts) is None


def test_nothing_undefined_crosses_an_episode_start():
    inputs, starts, queue, weight, bias = random_case(6, 2, 3, 2, 0.0, 0)
    starts[3, 0] = True
    queue[0], inputs[0, :, :3] = torch.nan, torch.nan
    outputs, after = causal_convolution(inputs, queue, weight, bias, 2, steps_since_start(starts))
    assert outputs[0, :, :3].isnan().all()
    assert outputs[0, :, 3:].isfinite().all()
    assert after.isfinite().all()


def test_a_pointwise_convolution_is_the_linear_layer_at_every_step():
    inputs, layer = torch.randn(4, IN, 7), nn.Linear(IN, OUT)
    torch.testing.assert_close(pointwise(inputs, layer), layer(inputs.mT).mT)
