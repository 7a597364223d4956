"""Chunks by hand, and the laws of their grid and of the ring."""

import pytest
import torch

from memagents.ops.chunks import find_chunks, in_order, last_ring


def starts(num_steps, *begins):
    """One row with these episode starts."""
    return torch.tensor([[step in begins] for step in range(num_steps)])


def test_chunks_are_counted_from_the_start_of_the_episode():
    chunks = find_chunks(starts(8, 0, 5), torch.tensor([0]), 3)
    assert chunks.position[:, 0].tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert chunks.number[:, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    assert chunks.column[:, 0].tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert chunks.first[:, 0].tolist() == [True, False, True]


def test_a_chunk_that_was_opened_before_the_batch_goes_on():
    chunks = find_chunks(starts(4), torch.tensor([7]), 3)
    assert chunks.since[:, 0].tolist() == [7, 8, 9, 10]
    assert chunks.position[:, 0].tolist() == [1, 2, 0, 1]
    assert chunks.number[:, 0].tolist() == [2, 2, 3, 3]
    assert chunks.column[:, 0].tolist() == [0, 0, 1, 1]
    assert chunks.first[:, 0].tolist() == [False, False]


def test_a_chunk_that_the_batch_opens_is_its_first():
    chunks = find_chunks(starts(3), torch.tensor([6]), 3)
    assert chunks.position[:, 0].tolist() == [0, 1, 2]
    assert chunks.number[:, 0].tolist() == [2, 2, 2]
    assert chunks.column[:, 0].tolist() == [0, 0, 0]


def test_the_grid_has_every_step_at_its_place_and_zeros_elsewhere():
    chunks = find_chunks(torch.cat([starts(5, 0, 2), starts(5)], 1), torch.tensor([0, 2]), 3)
    grid = chunks.spread(torch.arange(1.0, 6.0)[:, None, None] * torch.tensor([[1.0], [10.0]]))
    assert grid[..., 0].tolist() == [
        [[1, 2, 0], [3, 4, 5], [0, 0, 0]],
        [[0, 0, 10], [20, 30, 40], [50, 0, 0]],
    ]


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
def test_what_was_spread_is_picked_and_so_is_the_gradient(density):
    generator = torch.Generator().manual_seed(0)
    episode_starts = torch.rand(13, 4, generator=generator) < density
    chunks = find_chunks(episode_starts, torch.tensor([0, 1, 4, 11]), 4)
    elements = torch.randn(13, 4, 2, generator=generator, requires_grad=True)
    weight = torch.randn(13, 4, 2, generator=generator)
    picked = chunks.pick(chunks.spread(elements))
    assert torch.equal(picked, elements)
    assert torch.equal(*torch.autograd.grad((picked * weight).sum(), elements), weight)


def test_a_ring_is_read_in_order_up_to_its_newest_entry():
    ring = torch.tensor([[[3.0], [4.0], [2.0]], [[0.0], [1.0], [2.0]]])
    assert in_order(ring, torch.tensor([4, 2]))[..., 0].tolist() == [[2, 3, 4], [0, 1, 2]]


def test_a_ring_goes_on_where_the_last_one_ended():
    ring = torch.tensor([[[3.0], [4.0], [2.0]]])
    past = in_order(ring, torch.tensor([5]))[:, :-1]
    history = torch.cat([past, torch.tensor([[[5.0], [6.0]]])], 1)
    assert last_ring(history, torch.tensor([3]), torch.tensor([6]), 3)[..., 0].tolist() == [[6, 4, 5]]


def test_a_ring_holds_nothing_from_before_an_episode_start_in_the_batch():
    history = torch.tensor([[[7.0], [8.0], [9.0], [0.5], [1.5]]])
    assert last_ring(history, torch.tensor([4]), torch.tensor([1]), 3)[..., 0].tolist() == [[0.5, 1.5, 0]]
