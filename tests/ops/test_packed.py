import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.ops.packed import pack


def test_a_hand_made_batch_is_cut_where_episodes_begin():
    starts = torch.tensor([[0, 1], [0, 0], [1, 0], [0, 0], [1, 0]], dtype=torch.bool)
    packed = pack(starts)
    assert packed.sizes == [4, 3, 1, 1, 1]
    assert packed.row.tolist() == [1, 0, 0, 0]
    assert packed.carried.tolist() == [False, True, False, False]
    time_and_row = torch.arange(5)[:, None] * 10 + torch.arange(2)
    laid_out = packed.pack(time_and_row[..., None].double())[:, 0].int().tolist()
    assert laid_out == [1, 0, 20, 40, 11, 10, 30, 21, 31, 41]
    assert packed.end(torch.tensor(laid_out)[:, None].float())[:, 0].tolist() == [40, 41]
    assert packed.end_of(torch.arange(4.0)[:, None])[:, 0].tolist() == [3, 0]
    assert packed.begin(torch.tensor([[5.0], [6.0]]))[:, 0].tolist() == [0, 5, 0, 0]


def test_a_batch_without_a_cut_stays_as_it_is():
    starts = torch.zeros(3, 2, dtype=torch.bool)
    starts[0, 1] = True
    packed, inputs = pack(starts), torch.randn(3, 2, 4)
    assert (packed.places, packed.sizes) == (None, [2, 2, 2])
    assert packed.carried.tolist() == [True, False]
    assert torch.equal(packed.pack(inputs), inputs.flatten(0, 1))
    assert torch.equal(packed.end(packed.pack(inputs)), packed.end_of(inputs[-1]))
    assert torch.equal(packed.end_of(inputs[-1]), inputs[-1])
    assert packed.begin(torch.tensor([[5.0], [6.0]]))[:, 0].tolist() == [5, 0]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.6, 1.0]), st.integers(0, 999))
def test_unpacking_undoes_packing_in_values_and_in_gradients(num_steps, num_rows, density, seed):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(num_steps, num_rows, generator=generator) < density
    inputs = torch.randn(num_steps, num_rows, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    packed = pack(starts)
    laid_out = packed.pack(inputs)
    assert len(laid_out) == sum(packed.sizes) == starts.numel()
    assert packed.sizes == sorted(packed.sizes, reverse=True)
    assert torch.equal(packed.unpack(laid_out), inputs)

    weights = torch.randn(laid_out.shape, dtype=torch.float64, generator=generator)
    (fast,) = torch.autograd.grad(packed.unpack(laid_out * weights).square().sum(), inputs)
    (slow,) = torch.autograd.grad((inputs * packed.unpack(weights)).square().sum(), inputs)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.6]), st.integers(0, 999))
def test_a_step_of_a_segment_stands_below_the_step_before_it(num_steps, num_rows, density, seed):
    starts = torch.rand(num_steps, num_rows, generator=torch.Generator().manual_seed(seed)) < density
    packed = pack(starts)
    time_and_row = torch.arange(num_steps)[:, None] * num_rows + torch.arange(num_rows)
    laid_out = packed.pack(time_and_row[..., None].double())[:, 0].int()
    for earlier, later in zip(laid_out.split(packed.sizes), laid_out.split(packed.sizes)[1:], strict=False):
        assert torch.equal(later, earlier[: len(later)] + num_rows)
        assert not starts.flatten()[later.long()].any()
