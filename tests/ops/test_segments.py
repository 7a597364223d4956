import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.ops.segments import find_segments


def test_a_hand_made_batch_is_cut_where_episodes_begin():
    starts = torch.tensor([[0, 1], [0, 0], [1, 0], [0, 0], [1, 0]], dtype=torch.bool)
    segments = find_segments(starts)
    assert segments.row.tolist() == [0, 0, 0, 1]
    assert segments.carried.tolist() == [True, False, False, False]
    assert segments.last.tolist() == [2, 3]
    assert (~segments.padding).sum(0).tolist() == [2, 2, 1, 5]
    time_and_row = torch.arange(5)[:, None] * 10 + torch.arange(2)
    padded = segments.split(time_and_row[..., None].double())[..., 0]
    assert padded[:2, 0].tolist() == [0, 10]
    assert padded[:2, 1].tolist() == [20, 30]
    assert padded[:1, 2].tolist() == [40]
    assert padded[:, 3].tolist() == [1, 11, 21, 31, 41]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.6, 1.0]), st.integers(0, 999))
def test_joining_undoes_splitting_in_values_and_in_gradients(num_steps, num_rows, density, seed):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(num_steps, num_rows, generator=generator) < density
    inputs = torch.randn(num_steps, num_rows, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    segments = find_segments(starts)
    padded = segments.split(inputs)
    weights = torch.randn(padded.shape, dtype=torch.float64, generator=generator)
    assert torch.equal(segments.join(padded), inputs)

    (fast,) = torch.autograd.grad(segments.join(padded * weights).square().sum(), inputs)
    plain = inputs.flatten(0, 1)[segments.take] * weights
    (slow,) = torch.autograd.grad(plain.flatten(0, 1)[segments.put].square().sum(), inputs)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-12)
