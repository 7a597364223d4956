import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.ops.segments import bucket_shapes, find_segments


def test_a_hand_made_batch_is_cut_where_episodes_begin():
    starts = torch.tensor([[0, 1], [0, 0], [1, 0], [0, 0], [1, 0]], dtype=torch.bool)
    segments = find_segments(starts)
    assert segments.shapes == [(5, 1), (2, 3)]
    assert segments.row.tolist() == [1, 0, 0, 0]
    assert segments.carried.tolist() == [False, True, False, False]
    assert segments.last.tolist() == [3, 0]
    assert [(~padding).sum(0).tolist() for padding in segments.paddings()] == [[5], [2, 2, 1]]
    time_and_row = torch.arange(5)[:, None] * 10 + torch.arange(2)
    long, short = segments.split(time_and_row[..., None].double())
    assert long[:, 0, 0].tolist() == [1, 11, 21, 31, 41]
    assert short[:2, 0, 0].tolist() == [0, 10]
    assert short[:2, 1, 0].tolist() == [20, 30]
    assert short[:1, 2, 0].tolist() == [40]


@pytest.mark.parametrize(
    ("lengths", "shapes"),
    [
        ([7], [(7, 1)]),
        ([5, 5, 5], [(5, 3)]),
        ([51, 51, 51, 51, 26, 26], [(51, 4), (26, 2)]),
        ([10, 10, 10, 9], [(10, 4)]),
        ([100, 1, 1, 1], [(100, 1), (1, 3)]),
    ],
)
def test_segments_stand_in_one_bucket_or_two_whichever_leaves_little_padding(lengths, shapes):
    assert bucket_shapes(lengths) == shapes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.6, 1.0]), st.integers(0, 999))
def test_joining_undoes_splitting_in_values_and_in_gradients(num_steps, num_rows, density, seed):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(num_steps, num_rows, generator=generator) < density
    inputs = torch.randn(num_steps, num_rows, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    segments = find_segments(starts)
    buckets = segments.split(inputs)
    assert torch.equal(segments.join(buckets), inputs)

    weights = [torch.randn(bucket.shape, dtype=torch.float64, generator=generator) for bucket in buckets]
    weighted = [bucket * weight for bucket, weight in zip(buckets, weights, strict=True)]
    (fast,) = torch.autograd.grad(segments.join(weighted).square().sum(), inputs)
    flat_weights = torch.cat([weight.flatten(0, 1) for weight in weights])
    (slow,) = torch.autograd.grad((inputs * flat_weights[segments.places]).square().sum(), inputs)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-12)
