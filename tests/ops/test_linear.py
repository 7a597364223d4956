"""Linear layers beside torch's."""

import pytest
import torch
from torch.nn import functional as F

from memagents.kernels import threads
from memagents.ops import linear as module
from memagents.ops.linear import Linear, linear


def drawn(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_()


def outcome(function, *given):
    out = function(*given)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return out, torch.autograd.grad((out * weights).sum(), given)


@pytest.fixture(params=[1, 3])
def num_threads(request, monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr(threads, "FEWEST_OPERATIONS", 1)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("features", "outputs"), [(3, 5), (64, 33), (7, 130)])
@pytest.mark.parametrize("leading", [(300,), (4, 75), (2, 3, 50)])
def test_ours_is_torchs_in_values_and_in_all_gradients(leading, features, outputs, bias, num_threads, monkeypatch):
    monkeypatch.setattr(module, "ENOUGH", 0)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        given = [drawn(*leading, features, dtype=dtype), drawn(outputs, features, dtype=dtype)]
        given += [drawn(outputs, dtype=dtype)] * bias
        ours, expected = outcome(linear, *given), outcome(F.linear, *given)
        assert "_Linear" in type(ours[0].grad_fn.next_functions[0][0]).__name__ + type(ours[0].grad_fn).__name__
        torch.testing.assert_close(ours, expected, atol=tolerance, rtol=tolerance)


def test_inputs_may_lie_apart(monkeypatch):
    monkeypatch.setattr(module, "ENOUGH", 0)
    x, weight = drawn(6, 40).t(), drawn(6, 8).t()
    torch.testing.assert_close(outcome(linear, x, weight), outcome(F.linear, x, weight), atol=1e-12, rtol=1e-12)


def test_what_is_undefined_in_a_row_stays_there(monkeypatch):
    monkeypatch.setattr(module, "ENOUGH", 0)
    x = drawn(20, 6).detach()
    x[7, 2] = torch.nan
    out = linear(x, drawn(9, 6).detach())
    assert out[7].isnan().all()
    assert not out[[*range(7), *range(8, 20)]].isnan().any()


def test_from_so_many_operations_on_it_is_ours():
    rows, features, outputs = 2048, 64, 64
    assert 2 * rows * features * outputs == module.ENOUGH
    layer = Linear(features, outputs).double()
    assert list(layer.state_dict()) == ["weight", "bias"]
    x = drawn(rows, features)
    assert type(layer(x).grad_fn.next_functions[0][0]).__name__ == "_LinearBackward"
    assert type(layer(x[1:]).grad_fn).__name__ == "AddmmBackward0"


def test_where_torch_may_choose_16_bits_it_does(monkeypatch):
    monkeypatch.setattr(module, "ENOUGH", 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(drawn(4, 3, dtype=torch.float32), drawn(2, 3, dtype=torch.float32)).dtype is torch.bfloat16
