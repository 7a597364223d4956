import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.ops.separators import separate


def test_a_hand_made_batch_grows_by_a_step_before_every_episode_start_but_the_first():
    starts = torch.tensor([[1, 0], [0, 0], [1, 0], [1, 1]], dtype=torch.bool)
    rows = separate(starts)
    assert rows.separator.T.int().tolist() == [[0, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]]
    assert rows.padding.T.int().tolist() == [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]
    elements = torch.tensor([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]])[..., None]
    grown = rows.spread(elements)
    assert grown[..., 0].T.tolist() == [[1, 2, 0, 3, 0, 4], [5, 6, 7, 0, 8, 0]]
    assert rows.last(grown)[:, 0].tolist() == [4, 8]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(1, 4), st.sampled_from([0.0, 0.2, 0.6, 1.0]), st.integers(0, 999))
def test_picking_undoes_spreading_in_values_and_in_gradients(num_steps, num_rows, density, seed):
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(num_steps, num_rows, generator=generator) < density
    inputs = torch.randn(num_steps, num_rows, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    rows = separate(starts)
    grown = rows.spread(inputs)
    blank = rows.separator | rows.padding
    assert (grown[blank] == 0).all()
    assert (~blank).sum() == num_steps * num_rows
    assert torch.equal(rows.pick(grown), inputs)

    weights = torch.randn(grown.shape, dtype=torch.float64, generator=generator)
    (fast,) = torch.autograd.grad(rows.pick(grown * weights).square().sum(), inputs)
    (slow,) = torch.autograd.grad((inputs * weights.flatten(0, 1)[rows.places]).square().sum(), inputs)
    torch.testing.assert_close(fast, slow, atol=1e-12, rtol=1e-12)
