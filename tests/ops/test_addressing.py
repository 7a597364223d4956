"""Every piece of addressing on cases made by hand, and by its formula in plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.ops import addressing as ops

many = settings(max_examples=30, deadline=None, derandomize=True)
seeds = given(seed=st.integers(0, 2**16))


def drawn(seed, *sizes):
    return torch.randn(sizes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def attention(seed, *sizes):
    """Weights that are one in sum."""
    return torch.softmax(3 * drawn(seed, *sizes), -1)


def slot(*indices, num_slots=4):
    """Heads `[1, K, N]`, each wholly at one slot."""
    return torch.eye(num_slots, dtype=torch.float64)[list(indices)][None]


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


def test_the_cosine_is_that_of_the_angle_between_key_and_word():
    keys, memory = drawn(0, 2, 3, 5), drawn(1, 2, 4, 5)
    similarity = ops.cosine_similarity(keys, memory)
    for b, k, n in np.ndindex(2, 3, 4):
        key, word = keys[b, k].numpy(), memory[b, n].numpy()
        expected = key @ word / np.sqrt((key @ key + 1e-6) * (word @ word + 1e-6))
        np.testing.assert_allclose(similarity[b, k, n], expected, atol=1e-14)


def test_an_empty_slot_is_similar_to_nothing():
    assert (ops.cosine_similarity(drawn(0, 1, 2, 5), torch.zeros(1, 4, 5, dtype=torch.float64)) == 0).all()


@pytest.mark.parametrize("length", [1.0, 1e-3, 0.0], ids=["words", "short words", "empty slots"])
def test_the_gradient_of_the_cosine_that_was_derived_by_hand_is_right(length):
    keys, memory = drawn(0, 2, 3, 5).requires_grad_(), (length * drawn(1, 2, 4, 5)).requires_grad_()
    assert torch.autograd.gradcheck(ops.cosine_similarity, (keys, memory), eps=1e-7)


def test_a_strong_key_finds_the_word_of_its_direction_whatever_the_lengths():
    memory = drawn(0, 1, 6, 5)
    keys = 0.1 * memory[:, [4, 1]]
    weights = ops.content_weights(keys, memory, torch.full((1, 2, 1), 500.0, dtype=torch.float64))
    torch.testing.assert_close(weights, slot(4, 1, num_slots=6), atol=1e-6, rtol=0)


def test_a_key_without_strength_points_everywhere():
    weights = ops.content_weights(drawn(0, 1, 2, 5), drawn(1, 1, 4, 5), torch.zeros(1, 2, 1, dtype=torch.float64))
    torch.testing.assert_close(weights, torch.full((1, 2, 4), 0.25, dtype=torch.float64))


def test_a_masked_look_up_sees_nothing_behind_the_mask_and_everything_else():
    keys, memory, strengths = drawn(0, 2, 3, 5), drawn(1, 2, 4, 5), drawn(2, 2, 3, 1).exp()
    masks = torch.tensor([1.0, 0, 1, 1, 0], dtype=torch.float64).expand(2, 3, 5)
    weights = ops.masked_content_weights(keys, memory, strengths, masks)
    seen = masks[0, 0] == 1
    torch.testing.assert_close(weights, ops.content_weights(keys[..., seen], memory[..., seen], strengths))


def test_every_head_looks_through_its_own_mask():
    keys, memory, strengths = drawn(0, 2, 3, 5), drawn(1, 2, 4, 5), drawn(2, 2, 3, 1).exp()
    masks = torch.sigmoid(drawn(3, 2, 3, 5))
    weights = ops.masked_content_weights(keys, memory, strengths, masks)
    for head in range(3):
        mask = masks[:, [head]]
        alone = ops.content_weights(keys[:, [head]] * mask, memory * mask, strengths[:, [head]])
        torch.testing.assert_close(weights[:, [head]], alone)


def test_an_open_gate_follows_the_content_and_a_shut_one_stays():
    content, previous = attention(0, 2, 3, 4), attention(1, 2, 3, 4)
    gates = torch.tensor([1.0, 0.0, 0.25], dtype=torch.float64)[None, :, None].expand(2, 3, 1)
    weights = ops.interpolate(content, previous, gates)
    assert torch.equal(weights[:, 0], content[:, 0])
    assert torch.equal(weights[:, 1], previous[:, 1])
    torch.testing.assert_close(weights[:, 2], 0.25 * content[:, 2] + 0.75 * previous[:, 2])


def test_a_shift_by_one_moves_to_the_next_slot_and_from_the_last_to_the_first():
    back, stay, on = slot(0, num_slots=3)[0], slot(1, num_slots=3)[0], slot(2, num_slots=3)[0]
    for shifts, expected in ((back, (3, 0, 2)), (stay, (0, 1, 3)), (on, (1, 2, 0))):
        assert torch.equal(ops.shift(slot(0, 1, 3), shifts.expand(1, 3, 3)), slot(*expected))


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_a_shift_is_a_circular_convolution(reach):
    weights, shifts = attention(0, 2, 3, 7), attention(1, 2, 3, 2 * reach + 1)
    expected = np.zeros((2, 3, 7))
    for b, k, i, j in np.ndindex(2, 3, 7, 7):
        for move in range(-reach, reach + 1):
            if (i - j - move) % 7 == 0:
                expected[b, k, i] += weights[b, k, j] * shifts[b, k, move + reach]
    np.testing.assert_allclose(ops.shift(weights, shifts), expected, atol=1e-14)


def test_sharpening_is_a_normalised_power():
    weights, exponents = attention(0, 2, 3, 5), 1 + drawn(1, 2, 3, 1).exp()
    powers = weights.numpy() ** exponents.numpy()
    np.testing.assert_allclose(ops.sharpen(weights, exponents), powers / powers.sum(-1, keepdims=True), atol=1e-12)


def test_sharpening_does_not_underflow_where_the_power_does():
    weights = torch.full((1, 1, 500), 1 / 500)
    weights[..., 7] *= 1.5
    exponents = torch.full((1, 1, 1), 20.0)
    assert (weights**exponents == 0).all()
    expected = weights.double() ** 20
    torch.testing.assert_close(ops.sharpen(weights, exponents).double(), expected / expected.sum(), atol=1e-5, rtol=0)


def test_a_write_that_erases_puts_the_new_word_in_place_of_the_old_and_leaves_the_others():
    memory, word = drawn(0, 1, 4, 5), drawn(1, 1, 1, 5)
    written = ops.write(memory, slot(2), torch.ones_like(word), word)
    torch.testing.assert_close(written[:, 2], word[:, 0])
    others = [0, 1, 3]
    assert torch.equal(written[:, others], memory[:, others])


def test_all_heads_erase_before_any_adds():
    memory, words = drawn(0, 1, 4, 5), drawn(1, 1, 2, 5)
    erase = torch.stack([torch.zeros(5), torch.ones(5)])[None].double()
    written = ops.write(memory, slot(2, 2), erase, words)
    torch.testing.assert_close(written[:, 2], words.sum(1))


@pytest.mark.parametrize("num_heads", [1, 3])
def test_writing_is_equations_3_and_4(num_heads):
    memory, weights = drawn(0, 2, 4, 5), attention(1, 2, num_heads, 4)
    erase, add = torch.sigmoid(drawn(2, 2, num_heads, 5)), drawn(3, 2, num_heads, 5)
    expected = memory.numpy().copy()
    for b, i in np.ndindex(2, 4):
        for k in range(num_heads):
            expected[b, i] *= 1 - weights[b, k, i].numpy() * erase[b, k].numpy()
        for k in range(num_heads):
            expected[b, i] += weights[b, k, i].numpy() * add[b, k].numpy()
    np.testing.assert_allclose(ops.write(memory, weights, erase, add), expected, atol=1e-14)


def test_what_was_read_with_an_open_free_gate_is_not_retained():
    free_gates = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)[None, :, None]
    assert ops.retention(free_gates, slot(0, 1, 3)).tolist() == [[0.0, 1.0, 1.0, 0.5]]


def test_usage_grows_by_writing_never_beyond_one_and_falls_by_freeing():
    usage, written, retained = row(0.0, 0.5, 1.0, 0.5), row(0.5, 0.5, 0.5, 0.0), row(1.0, 1.0, 1.0, 0.5)
    assert ops.used(usage, written, retained).tolist() == [[0.5, 0.75, 1.0, 0.25]]


def test_a_full_memory_allocates_nothing():
    assert (ops.allocation(torch.ones(1, 4, dtype=torch.float64)) == 0).all()


def test_the_only_free_slot_is_allocated():
    torch.testing.assert_close(ops.allocation(row(1.0, 1.0, 0.0, 1.0)), row(0.0, 0.0, 1.0, 0.0), atol=2e-6, rtol=0)


def test_of_two_free_slots_the_first_is_allocated():
    torch.testing.assert_close(ops.allocation(row(0.5, 0.0, 0.0, 0.5)), row(0.0, 1.0, 0.0, 0.0), atol=2e-6, rtol=0)


def test_slots_whose_usages_differ_by_rounding_are_allocated_in_order():
    usage = row(0.3, 0.3 - 1e-9, 0.3 + 1e-9, 0.9)
    expected = ops.allocation(row(0.3, 0.3, 0.3, 0.9))
    torch.testing.assert_close(ops.allocation(usage), expected, atol=1e-8, rtol=0)


@many
@seeds
def test_allocation_is_its_formula_and_at_most_one_in_sum(seed):
    usage = torch.rand(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    allocation = ops.allocation(usage)
    assert (allocation >= 0).all()
    assert (allocation.sum(-1) <= 1).all()
    for b in range(3):
        order = np.argsort(usage[b].numpy(), kind="stable")
        for rank, i in enumerate(order):
            expected = (1 - usage[b, i]) * usage[b, order[:rank]].prod()
            torch.testing.assert_close(allocation[b, i], expected, atol=1e-5, rtol=0)


def test_the_gradient_of_allocation_goes_through_the_sorted_usages():
    usage = row(0.7, 0.2, 0.9, 0.5).requires_grad_()
    assert torch.autograd.gradcheck(ops.allocation, usage)


def written_in_order(*slots):
    """Links and precedence after whole writes to these slots."""
    links, precedence = torch.zeros(1, 4, 4, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64)
    for weights in slot(*slots)[0]:
        links = ops.links_after_write(links, precedence, weights[None])
        precedence = ops.precedence_after_write(precedence, weights[None])
    return links, precedence


def test_links_lead_from_a_slot_to_the_one_written_next_and_back():
    links, precedence = written_in_order(2, 0, 3)
    assert torch.equal(precedence, slot(3)[0])
    assert torch.equal(torch.bmm(slot(2, 0), links.mT), slot(0, 3))
    assert torch.equal(torch.bmm(slot(3, 0), links), slot(0, 2))
    assert (torch.bmm(slot(3), links.mT) == 0).all()
    assert (torch.bmm(slot(2), links) == 0).all()


def test_writing_to_a_slot_again_forgets_what_it_followed_and_what_followed_it():
    links, _ = written_in_order(2, 0, 3, 0)
    assert links[0].nonzero().tolist() == [[0, 3]]


def test_a_slot_written_twice_in_a_row_does_not_follow_itself():
    links, _ = written_in_order(1, 1)
    assert (links == 0).all()


def test_without_a_write_links_and_precedence_stay():
    links, precedence = written_in_order(2, 0, 3)
    nowhere = torch.zeros(1, 4, dtype=torch.float64)
    assert torch.equal(ops.links_after_write(links, precedence, nowhere), links)
    assert torch.equal(ops.precedence_after_write(precedence, nowhere), precedence)


@many
@seeds
def test_links_after_a_run_of_writes_are_attention_in_both_directions(seed):
    links, precedence = torch.zeros(2, 5, 5, dtype=torch.float64), torch.zeros(2, 5, dtype=torch.float64)
    for t in range(12):
        weights = attention(seed + t, 2, 5) * torch.sigmoid(2 * drawn(seed + 99 + t, 2, 1))
        old_links, old_precedence = links.numpy(), precedence.numpy()
        links = ops.links_after_write(links, precedence, weights)
        precedence = ops.precedence_after_write(precedence, weights)
        w = weights.numpy()
        for b, i, j in np.ndindex(2, 5, 5):
            expected = (1 - w[b, i] - w[b, j]) * old_links[b, i, j] + w[b, i] * old_precedence[b, j]
            np.testing.assert_allclose(links[b, i, j], expected if i != j else 0, atol=1e-14)
        np.testing.assert_allclose(precedence, (1 - w.sum(-1, keepdims=True)) * old_precedence + w, atol=1e-14)
    assert (links >= 0).all()
    assert (links.sum(1) <= 1 + 1e-12).all()
    assert (links.sum(2) <= 1 + 1e-12).all()
    assert (precedence.sum(-1) <= 1 + 1e-12).all()


def test_read_modes_are_backward_content_and_forward():
    backward, content, forward = (attention(seed, 2, 3, 4) for seed in range(3))
    modes = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    weights = ops.read_by_mode(modes, backward, content, forward)
    assert torch.equal(weights, torch.stack([backward[:, 0], content[:, 1], forward[:, 2]], 1))
    modes = attention(3, 2, 3, 3)
    b, c, f = modes.split(1, -1)
    torch.testing.assert_close(
        ops.read_by_mode(modes, backward, content, forward), b * backward + c * content + f * forward
    )


def test_the_least_used_slots_are_marked_and_among_equals_the_first():
    usage = row(0.5, 0.1, 0.3, 0.1)
    assert ops.least_used(usage, 1).tolist() == [[0, 1, 0, 0]]
    assert ops.least_used(usage, 2).tolist() == [[0, 1, 0, 1]]
    assert ops.least_used(usage, 3).tolist() == [[0, 1, 1, 1]]
    assert ops.least_used(row(0.2, 0.2 - 1e-9, 0.2, 0.2), 1).tolist() == [[1, 0, 0, 0]]
