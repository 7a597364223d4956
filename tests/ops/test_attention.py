"""The window of attention against plain loops over time."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from memagents.memories import make_memory
from memagents.ops.attention import (
    Blocks,
    ages,
    answer,
    ask,
    attend,
    attention_weights,
    by_age,
    by_context,
    check_heads,
    content_scores,
    content_scores_of_step,
    keep,
    merge_heads,
    past,
    read_values,
    read_values_of_step,
    shared_scores,
    sinusoid,
    split_heads,
    visible,
    weights_beside_blank,
)
from memagents.ops.episodes import episode_time

T, B, W = 9, 3, 4


def starts_and_time() -> tuple[torch.Tensor, torch.Tensor]:
    """A row that begins inside the sequence, one that goes on for long, and one that has just begun before it."""
    starts = torch.zeros(T, B, dtype=torch.bool)
    starts[0, 0] = starts[5, 0] = starts[6, 0] = starts[7, 2] = True
    return starts, torch.tensor([8, 100, 2])


def slow_time(starts, time):
    counts = []
    for row, count in enumerate(time.tolist()):
        counts.append([])
        for start in starts[:, row].tolist():
            count = 0 if start else count
            counts[-1].append(count)
            count += 1
    return counts


def test_episode_time_counts_from_the_last_start_and_from_before_the_sequence():
    starts, time = starts_and_time()
    assert episode_time(starts, time).tolist() == slow_time(starts, time)


def test_a_step_sees_itself_and_the_window_behind_it_within_its_episode_and_nothing_else():
    starts, time = starts_and_time()
    counts = slow_time(starts, time)
    can_see, can_see_past = visible(torch.tensor(counts), W), past(torch.tensor(counts), W)
    for row in range(B):
        for t in range(T):
            for entry in range(W + T):
                age = t - (entry - W)
                expected = 0 <= age <= min(W, counts[row][t])
                assert can_see[row, t, entry] == expected
                assert can_see_past[row, t, entry] == (expected and age > 0)


def test_what_is_kept_is_the_end_of_the_context_without_what_was_before_the_episode():
    starts, time = starts_and_time()
    counts = episode_time(starts, time)
    context = torch.rand(B, W + T, 2) + 1
    kept = keep(context, counts, W)
    assert (kept[0, :1] == 0).all(), "the first row began 3 steps before the end"
    assert torch.equal(kept[0, 1:], context[0, -3:])
    assert torch.equal(kept[1], context[1, -W:])
    assert torch.equal(kept[2, 2:], context[2, -2:])
    assert (kept[2, :2] == 0).all()


def test_columns_by_age_go_to_the_entries_of_that_age_and_back():
    x = torch.rand(2, T, W + 1)
    placed = by_context(x, T)
    age = ages(T, W, x.device)
    assert placed.shape == (2, T, W + T)
    for t in range(T):
        for entry in range(W + T):
            inside = 0 <= age[t, entry] <= W
            expected = x[:, t, W - age[t, entry]] if inside else torch.zeros(2)
            assert torch.equal(placed[:, t, entry], expected)
    assert torch.equal(by_age(placed, W), x)


def test_weights_are_a_distribution_over_what_can_be_read():
    scores = torch.randn(B, T, W + T, dtype=torch.float64)
    can_see = visible(episode_time(*starts_and_time()), W)
    weights = attention_weights(scores, can_see)
    assert (weights[~can_see] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, T, dtype=torch.float64))


def test_beside_a_blank_entry_nothing_has_to_be_there():
    scores = torch.randn(1, 2, 3, dtype=torch.float64)
    can_see = torch.tensor([[[False, False, False], [True, False, True]]])
    weights = weights_beside_blank(scores, can_see)
    assert (weights[0, 0] == 0).all()
    a, b = scores[0, 1, 0].exp(), scores[0, 1, 2].exp()
    torch.testing.assert_close(weights[0, 1], torch.stack([a, 0 * a, b]) / (1 + a + b))


def test_attention_in_one_call_equals_weights_times_values():
    queries, keys = torch.randn(B, 2, T, 4).double(), torch.randn(B, 2, W + T, 4).double()
    values = torch.randn(B, 2, W + T, 5).double()
    can_see = visible(episode_time(*starts_and_time()), W)
    expected = attention_weights(queries @ keys.mT / 2, can_see[:, None]) @ values
    torch.testing.assert_close(attend(queries, keys, values, can_see), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("length", [1, 3])
def test_asking_the_context_equals_asking_keys_and_values_made_of_it(length):
    num_heads, size, width, columns = 2, 3, 5, 7
    queries = torch.randn(B, num_heads, length, size, dtype=torch.float64)
    context = torch.randn(B, columns, width, dtype=torch.float64)
    to_keys, to_values = torch.randn(2, num_heads * size, width, dtype=torch.float64)
    weights = torch.rand(B, num_heads, length, columns, dtype=torch.float64)
    scores, read = content_scores(queries, context, to_keys), read_values(weights, context, to_values)
    for b in range(B):
        for k in range(num_heads):
            rows = slice(k * size, (k + 1) * size)
            keys, values = context[b] @ to_keys[rows].T, context[b] @ to_values[rows].T
            torch.testing.assert_close(scores[b, k], queries[b, k] @ keys.T)
            torch.testing.assert_close(read[b, k], weights[b, k] @ values)


def test_a_single_step_that_asks_the_context_itself_comes_to_the_same():
    num_heads, size, width, columns = 2, 3, 5, 7
    queries = torch.randn(B, num_heads, 1, size, dtype=torch.float64)
    context = torch.randn(B, columns, width, dtype=torch.float64)
    to_keys, to_values = torch.randn(2, num_heads * size, width, dtype=torch.float64)
    weights = torch.rand(B, num_heads, 1, columns, dtype=torch.float64)
    scores = content_scores_of_step(queries.squeeze(2), context, to_keys)
    torch.testing.assert_close(scores, content_scores(queries, context, to_keys).squeeze(2))
    read = read_values_of_step(weights.squeeze(2), context, to_values)
    torch.testing.assert_close(read, merge_heads(read_values(weights, context, to_values)).squeeze(1))


def test_the_work_of_a_single_step_is_not_that_of_making_keys_and_values():
    num_heads, size, width, columns = 4, 8, 32, 65
    context, to_keys = torch.randn(B, columns, width), torch.randn(num_heads * size, width)
    with FlopCounterMode(display=False) as counter:
        scores = content_scores_of_step(torch.randn(B, num_heads, size), context, to_keys)
        read_values_of_step(scores, context, to_keys)
    keys_and_values = 2 * 2 * B * columns * width * num_heads * size
    assert counter.get_total_flops() < keys_and_values / 3


def test_keys_that_all_rows_share_are_read_by_each():
    queries, keys = torch.randn(B, 2, T, 3, dtype=torch.float64), torch.randn(2, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(shared_scores(queries, keys), queries @ keys.mT)


def test_heads_are_split_and_merged_without_mixing():
    x = torch.arange(2 * 3 * 8.0).view(2, 3, 8)
    assert torch.equal(split_heads(x, 4)[1, 2, 0], x[1, 0, 4:6])
    assert torch.equal(merge_heads(split_heads(x, 4)), x)


def test_sinusoids_are_those_of_the_paper_and_stay_exact_far_out():
    codes = sinusoid(torch.tensor([0, 3, 10**6]), 6, torch.float64)
    for row, position in zip(codes, (0, 3, 10**6), strict=True):
        angles = [position / 10_000 ** (2 * i / 6) for i in range(3)]
        expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        torch.testing.assert_close(row, torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0)
    assert sinusoid(torch.tensor([1]), 5, torch.float32).shape == (1, 5)


def test_features_that_do_not_go_round_are_refused_with_the_nearest_that_do():
    with pytest.raises(ValueError, match=r"multiple of num_heads, got 30 and 4; try hidden_size=28"):
        check_heads(30, 4)
    with pytest.raises(ValueError, match=r"num_heads must be an integer of at least 1, got 0"):
        check_heads(30, 0)


@pytest.mark.parametrize(
    ("length", "window", "number"),
    [
        (1, 5, 1),
        (16, 5, 1),
        (48, 5, 3),
        (47, 5, 1),
        (50, 5, 2),
        (128, 64, 2),
        (100, 64, 1),
        (1024, 64, 16),
        (96, 30, 3),
    ],
)
def test_blocks_are_as_many_as_there_can_be_that_are_no_shorter_than_the_window_nor_very_short(length, window, number):
    assert Blocks.of(length, window) == (number, window)


def test_a_block_reads_the_end_of_the_one_before_it_and_the_first_what_was_kept():
    x = torch.arange(48.0).view(1, 48, 1).repeat(2, 1, 1)
    x[1] += 1000
    blocks = Blocks.of(48, 5)
    contexts = blocks.contexts(torch.full((2, 5, 1), -1.0), blocks.split(x))
    expected = [[-1.0] * 5 + [*range(16)], [*range(11, 32)], [*range(27, 48)]]
    assert contexts[:3, :, 0].tolist() == expected
    assert contexts[4:, :, 0].tolist() == [[1000 + step for step in block] for block in expected[1:]]
    assert torch.equal(blocks.last(contexts), contexts[[2, 5]])
    assert torch.equal(blocks.join(blocks.split(x)), x)


@pytest.mark.parametrize("name", ["transformer", "transformer_xl", "gtrxl", "memn2n", "kvmemnn"])
def test_a_memory_in_blocks_is_the_same_as_in_one(name, monkeypatch):
    size = "memory_size" if name in ("memn2n", "kvmemnn") else "window"
    memory = make_memory(name, input_size=3, hidden_size=8, **{size: 5}).double()
    inputs = torch.randn(48, 2, 3, dtype=torch.float64, requires_grad=True)
    starts = torch.rand(48, 2, generator=torch.Generator().manual_seed(0)) < 0.1
    _, state = memory(torch.randn(7, 2, 3).double(), starts[:7], memory.initial_state(2))
    state = type(state)(*(field.detach() for field in state))

    def everything():
        outputs, last = memory(inputs, starts, state)
        weights = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)
        gradients = torch.autograd.grad((outputs * weights).sum(), [inputs, *memory.parameters()])
        return outputs, last, gradients, memory.trace(inputs, starts, state)

    assert Blocks.of(48, 5).number == 3
    in_blocks = everything()
    monkeypatch.setattr(Blocks, "of", lambda length, window: Blocks(1, window))
    torch.testing.assert_close(in_blocks, everything(), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("name", ["transformer", "gtrxl", "memn2n", "kvmemnn"])
def test_the_work_for_a_step_does_not_grow_with_the_sequence(name):
    memory = make_memory(name, input_size=3, **{"memory_size" if name in ("memn2n", "kvmemnn") else "window": 32})

    def operations(length):
        starts = torch.zeros(length, 1, dtype=torch.bool)
        with FlopCounterMode(display=False) as counted:
            memory(torch.randn(length, 1, 3), starts, memory.initial_state(1))
        return counted.get_total_flops() / length

    assert operations(1024) <= operations(64)


@pytest.mark.parametrize(("length", "features"), [(1, 7), (4, 7), (4, 2)], ids=["one step", "wide", "narrow"])
def test_asking_the_context_equals_asking_keys_made_of_it(length, features):
    generator = torch.Generator().manual_seed(0)
    context, queries, weights, to_keys, to_values = (
        torch.randn(shape, dtype=torch.float64, generator=generator)
        for shape in [(2, 6, features), (2, length, 3), (2, length, 6), (3, features), (5, features)]
    )
    keys, values = context @ to_keys.T, context @ to_values.T
    torch.testing.assert_close(ask(queries, context, to_keys), queries @ keys.mT, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(answer(weights, context, to_values), weights @ values, atol=1e-12, rtol=1e-12)
