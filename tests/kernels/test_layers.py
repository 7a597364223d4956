"""A transformer's layers by kernels, beside those by torch's operations."""

import pytest
import torch

from memagents.kernels import layers as kernel_layers
from memagents.kernels import threads as kernel_threads
from memagents.kernels.layers import Told, can_unroll, unroll_layers
from memagents.kernels.transformer import FEW
from memagents.memories import make_memory, transformer
from memagents.memories.transformer import TransformerState

D = 3

transformers = pytest.mark.parametrize("name", ["transformer", "transformer_xl", "gtrxl"])


def build(name, dtype, **sizes):
    """A memory whose every parameter is drawn at random, so that none of them can be left out unnoticed."""
    torch.manual_seed(0)
    memory = make_memory(name, input_size=D, num_layers=2, **sizes).to(dtype)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return memory


def batch(memory, steps, rows):
    """Inputs, where episodes start, and what was held before."""
    dtype = memory.embed.weight.dtype
    held = torch.randn(rows, 2, memory.window, memory.output_size, dtype=dtype, requires_grad=True)
    time = torch.randint(2 * memory.window, (rows,))
    inputs, starts = torch.randn(steps, rows, D, dtype=dtype, requires_grad=True), torch.rand(steps, rows) < 0.1
    return inputs, starts, TransformerState(held, time)


def by_torch(monkeypatch):
    monkeypatch.setattr(transformer, "can_unroll", lambda told, weights: False)


@pytest.fixture
def num_threads(request, monkeypatch):
    """So many threads at once, however little there is to do."""
    monkeypatch.setattr(kernel_threads, "FEWEST_OPERATIONS", 1)
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


SIZES = {
    "whole registers": ({"hidden_size": 32, "num_heads": 1, "window": 5}, FEW, 2),
    "heads narrower than a register": ({"hidden_size": 24, "num_heads": 2, "window": 4, "feedforward_size": 37}, 11, 3),
    "more steps than are taken at a time": ({"hidden_size": 8, "num_heads": 4, "window": 2}, 2 * FEW + 3, 2),
    "fewer steps than the window": ({"hidden_size": 8, "num_heads": 1, "window": 9}, 2, 5),
    "a single step of many rows": ({"hidden_size": 8, "num_heads": 2, "window": 3}, 1, FEW + 5),
}


@transformers
@pytest.mark.parametrize("num_threads", [1, 3], indirect=True)
@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_layers_by_kernels_equal_those_by_torch_in_values_and_in_all_gradients(
    name, num_threads, case, dtype, tolerance, monkeypatch
):
    sizes, steps, rows = SIZES[case]
    memory = build(name, dtype, **sizes)
    inputs, starts, state = batch(memory, steps, rows)
    wanted = [inputs, state.inputs, *memory.parameters()]

    def told():
        outputs, after = memory(inputs, starts, state)
        loss = outputs.square().sum() + after.inputs.sin().sum()
        return outputs, after.inputs, *torch.autograd.grad(loss, wanted, materialize_grads=True)

    ours = told()
    by_torch(monkeypatch)
    for found, expected in zip(ours, told(), strict=True):
        scale = max(1.0, float(expected.detach().abs().max()))
        torch.testing.assert_close(found / scale, expected / scale, atol=tolerance, rtol=0)


@transformers
@pytest.mark.parametrize("num_threads", [1, 3], indirect=True)
@pytest.mark.parametrize("case", SIZES)
def test_a_step_by_kernels_equals_the_step(name, num_threads, case):
    memory = build(name, torch.float64, **SIZES[case][0])
    _, _, state = batch(memory, 1, FEW + 3)
    x = torch.randn(FEW + 3, D, dtype=torch.float64)
    with torch.inference_mode():
        outputs, after = memory.fast_step(x, state)
        expected, state = memory.step(x, state)
    torch.testing.assert_close(outputs, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(after.inputs, state.inputs, atol=1e-12, rtol=1e-12)
    assert (after.time == state.time).all()


@transformers
def test_weights_that_changed_since_a_pass_are_not_taken_for_those_of_the_pass(name):
    memory = build(name, torch.float64, hidden_size=8, window=3)
    inputs, starts, state = batch(memory, 4, 2)
    outputs, _ = memory(inputs, starts, state)
    with torch.no_grad():
        memory.layers.queries.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


@transformers
def test_weights_that_kernels_cannot_read_are_left_to_torch(name):
    memory = build(name, torch.float64, hidden_size=8, window=3)
    inputs, starts, state = batch(memory, 4, 2)
    expected, _ = memory(inputs, starts, state)
    told = Told(expected.transpose(0, 1), state.inputs, torch.zeros(2, 4, dtype=torch.int64), memory._ages(expected))
    assert can_unroll(told, memory.layers.all())

    turned = memory.layers.queries.data.mT.contiguous().mT
    memory.layers.queries.data = turned
    assert not can_unroll(told, memory.layers.all())
    torch.testing.assert_close(memory(inputs, starts, state)[0], expected)

    memory.layers.queries.data = turned.contiguous().float()
    assert not can_unroll(told, memory.layers.all())
    with pytest.raises(RuntimeError, match="dtype"):
        memory(inputs, starts, state)


def test_a_gradient_of_entries_may_lie_in_any_order():
    memory = build("gtrxl", torch.float64, hidden_size=8, num_heads=1, window=3)
    inputs, held = torch.randn(2, 4, 8).double().requires_grad_(), torch.randn(2, 2, 3, 8).double()
    told = Told(inputs, held, torch.zeros(2, 4, dtype=torch.int64), memory._ages(inputs))
    _, entries = unroll_layers("gated", 1, told, memory.layers.all())
    factors = torch.randn(entries.shape).double()
    turned = factors.mT.contiguous().mT
    assert not turned.is_contiguous()
    expected, found = (torch.autograd.grad(entries, inputs, each, retain_graph=True)[0] for each in (factors, turned))
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_a_pass_without_gradient_is_the_same_and_needs_no_graph(monkeypatch):
    memory = build("gtrxl", torch.float64, hidden_size=8, window=3)
    inputs, starts, state = batch(memory, 4, 2)
    expected, _ = memory(inputs, starts, state)
    monkeypatch.setattr(kernel_layers._Layers, "apply", None)
    with torch.no_grad():
        torch.testing.assert_close(memory(inputs, starts, state)[0], expected, atol=0, rtol=0)
