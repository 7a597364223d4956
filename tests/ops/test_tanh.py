"""tanh of many numbers beside torch's."""

import pytest
import torch

from memagents.kernels import activations
from memagents.ops.tanh import ENOUGH, Tanh, tanh


def drawn(*shape, dtype=torch.float32):
    return (4 * torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))).requires_grad_()


@pytest.mark.parametrize("shape", [(ENOUGH,), (3, ENOUGH // 2 + 1), (7, 11, 301)])
def test_ours_is_torchs_in_value_and_gradient(shape, num_threads):
    x = drawn(*shape)
    out, expected = tanh(x), torch.tanh(x)
    assert type(out.grad_fn).__name__ == "_TanhBackward"
    weights = torch.linspace(-1, 1, x.numel()).view(shape)
    torch.testing.assert_close(out, expected, atol=2e-7, rtol=0)
    gradients = [torch.autograd.grad((each * weights).sum(), x)[0] for each in (out, expected)]
    torch.testing.assert_close(*gradients, atol=4e-7, rtol=0)


def test_numbers_may_lie_apart_and_are_left_as_they_are():
    x = drawn(ENOUGH, 3).detach().t()
    before = x.clone()
    torch.testing.assert_close(tanh(x), torch.tanh(x), atol=2e-7, rtol=0)
    assert torch.equal(x, before)


def test_what_is_undefined_or_infinite_stays_where_it_is():
    x = torch.zeros(ENOUGH)
    x[[5, 8, 13]] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    out = tanh(x)
    assert out[5].isnan()
    assert out[8] == 1
    assert out[13] == -1
    assert out.isnan().sum() == 1


def test_few_numbers_and_those_of_64_bits_are_torchs(monkeypatch):
    monkeypatch.setattr(activations, "in_team", None)  # would be called
    for x in (drawn(ENOUGH - 1), drawn(ENOUGH, dtype=torch.float64)):
        assert torch.equal(Tanh()(x), torch.tanh(x))
        assert type(Tanh()(x).grad_fn).__name__ == "TanhBackward0"
    with pytest.raises(TypeError):
        Tanh()(drawn(ENOUGH))
