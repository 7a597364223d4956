"""Linear layers beside torch's."""

import pytest
import torch
from torch.nn import functional as F

from memagents.ops import linear as module
from memagents.ops.linear import Linear, linear


def drawn(*shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_()


def outcome(function, *given):
    out = function(*given)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    return out, torch.autograd.grad((out * weights).sum(), given)


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(module, "is_faster", lambda x, weight: True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("features", "outputs"), [(3, 5), (64, 33), (7, 130)])
@pytest.mark.parametrize("leading", [(300,), (4, 75), (2, 3, 50)])
def test_ours_is_torchs_in_values_and_in_all_gradients(leading, features, outputs, bias, num_threads, always):
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-4)):
        given = [drawn(*leading, features, dtype=dtype), drawn(outputs, features, dtype=dtype)]
        given += [drawn(outputs, dtype=dtype)] * bias
        ours, expected = outcome(linear, *given), outcome(F.linear, *given)
        assert "_Linear" in type(ours[0].grad_fn.next_functions[0][0]).__name__ + type(ours[0].grad_fn).__name__
        torch.testing.assert_close(ours, expected, atol=tolerance, rtol=tolerance)


def test_inputs_may_lie_apart(always):
    x, weight = drawn(6, 40).t(), drawn(6, 8).t()
    torch.testing.assert_close(outcome(linear, x, weight), outcome(F.linear, x, weight), atol=1e-12, rtol=1e-12)


def test_what_is_undefined_in_a_row_stays_there(always):
    x = drawn(20, 6).detach()
    x[7, 2] = torch.nan
    out = linear(x, drawn(9, 6).detach())
    assert out[7].isnan().all()
    assert not out[[*range(7), *range(8, 20)]].isnan().any()


def test_what_is_undefined_in_weights_and_gradients_stays_in_their_column(always):
    x, weight, bias = drawn(20, 6), drawn(9, 6), drawn(9)
    with torch.no_grad():
        weight[4, 1] = torch.nan
    out = linear(x, weight, bias)
    assert out[:, 4].isnan().all()
    assert not out[:, [*range(4), *range(5, 9)]].isnan().any()
    d_out = torch.ones_like(out)
    d_out[3, 2] = torch.inf
    d_x, d_weight, d_bias = torch.autograd.grad(out, (x, weight, bias), d_out)
    assert d_x.isnan().any(0).tolist() == [False, True, *[False] * 4]
    assert (~d_x.isfinite()).all(1).tolist() == [row == 3 for row in range(20)]
    assert (~d_weight.isfinite()).all(1).tolist() == [column == 2 for column in range(9)]
    assert (~d_bias.isfinite()).tolist() == [column == 2 for column in range(9)]


def test_only_gradients_that_are_wanted_are_made(always, monkeypatch):
    made = []
    for name in ("product", "product_over_rows"):
        function = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, f=function, n=name: made.append(n) or f(*given))
    x, weight = drawn(30, 6), drawn(9, 6)
    for given, wanted in (((x, weight.detach()), ["product"]), ((x.detach(), weight), ["product_over_rows"])):
        out = linear(*given)
        made.clear()
        out.sum().backward()
        assert made == wanted
    torch.testing.assert_close(x.grad, weight.detach().sum(0).expand(30, 6))
    torch.testing.assert_close(weight.grad, x.detach().sum(0).expand(9, 6))


def test_without_gradients_nothing_is_kept(always):
    x, weight, bias = drawn(30, 6), drawn(9, 6), drawn(9)
    with torch.no_grad():
        out = linear(x, weight, bias)
    assert out.grad_fn is None
    assert not out.requires_grad
    torch.testing.assert_close(out, F.linear(x, weight, bias).detach(), atol=1e-12, rtol=1e-12)


# A kernel does not look at sizes: it would read what happens to lie beside an array.
@pytest.mark.parametrize(
    "given",
    [
        (drawn(40, 5), drawn(9, 6)),
        (drawn(40, 7), drawn(9, 6)),
        (drawn(40, 6), drawn(9, 6), drawn(8)),
        (drawn(40, 6, dtype=torch.float32), drawn(9, 6)),
        (drawn(40, 6), drawn(9, 6), drawn(9, dtype=torch.float32)),
    ],
    ids=["narrower", "wider", "bias", "kind", "kind of bias"],
)
def test_what_does_not_fit_is_refused_as_by_torch(given, always, unchecked):
    with pytest.raises(RuntimeError) as expected:
        F.linear(*given)
    with pytest.raises(RuntimeError) as refused:
        linear(*given)
    assert str(refused.value) == str(expected.value)


def test_one_bias_for_all_outputs_is_torchs(always, unchecked):
    given = drawn(40, 6), drawn(9, 6), drawn(1)
    torch.testing.assert_close(linear(*given), F.linear(*given))


# Each has operations enough.
@pytest.mark.parametrize(
    ("rows", "features", "outputs", "ours"),
    [(64, 512, 256, True), (63, 1024, 1024, False), (1 << 15, 64, 8, True), (1 << 16, 64, 7, False)],
)
def test_few_rows_and_few_outputs_are_torchs(rows, features, outputs, ours):
    assert 2 * rows * features * outputs >= module.ENOUGH
    x, weight = (torch.empty(number, features, device="meta") for number in (rows, outputs))
    assert module.is_faster(x, weight) is ours
    assert module.is_faster(x[None], weight) is ours


def test_from_so_many_operations_on_it_is_ours():
    rows, features, outputs = 2048, 64, 64
    assert 2 * rows * features * outputs == module.ENOUGH
    layer = Linear(features, outputs).double()
    assert list(layer.state_dict()) == ["weight", "bias"]
    x = drawn(rows, features)
    assert type(layer(x).grad_fn.next_functions[0][0]).__name__ == "_LinearBackward"
    assert type(layer(x[1:]).grad_fn).__name__ == "AddmmBackward0"


def test_where_torch_may_choose_16_bits_it_does(always):
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(drawn(4, 3, dtype=torch.float32), drawn(2, 3, dtype=torch.float32)).dtype is torch.bfloat16
