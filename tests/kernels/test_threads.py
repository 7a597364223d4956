"""Rows in several threads: the same numbers, and nothing of torch's settings changed."""

import threading

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memagents.kernels import threads
from memagents.kernels.threads import (
    FEWEST_OPERATIONS,
    FEWEST_ROWS,
    FEWEST_STEPS,
    OPENMP,
    all_threads,
    in_team,
    in_threads,
    parts_of,
    share,
    this_thread,
    wait,
)
from memagents.memories import make_memory

MANY = FEWEST_ROWS * 3 + 1


@pytest.fixture
def three_threads():
    """As many as torch may use."""
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def everything_of(memory, inputs, starts):
    """Outputs, last state and all gradients of a random loss."""
    torch.manual_seed(1)
    state = memory.initial_state(inputs.shape[1])
    outputs, last = memory(inputs, starts, state)
    loss = sum((told * torch.randn_like(told)).sum() for told in (outputs, *last))
    return outputs, last, torch.autograd.grad(loss, [inputs, *memory.parameters()])


@pytest.mark.parametrize("name", ["ntm", "dnc", "mann", "lstm", "gru", "rnn"])
def test_rows_in_three_threads_come_to_the_same_as_in_one(name, three_threads, monkeypatch):
    torch.manual_seed(0)
    slots = {"memory_size": 5, "word_size": 3} if name in ("ntm", "dnc", "mann") else {}
    memory = make_memory(name, input_size=3, hidden_size=4, **slots).double()
    inputs = torch.randn(FEWEST_STEPS, MANY, 3, dtype=torch.float64, requires_grad=True)
    starts = torch.rand(FEWEST_STEPS, MANY) < 0.2
    assert len(parts_of(MANY, FEWEST_STEPS)) == 3
    monkeypatch.setattr(threads, "FEWEST_OPERATIONS", 1)
    everything_of(memory, inputs, starts)  # compiled, from where on there are teams
    of_three = everything_of(memory, inputs, starts)
    torch.set_num_threads(1)
    torch.testing.assert_close(of_three, everything_of(memory, inputs, starts), atol=1e-12, rtol=1e-12)


def test_what_is_inferred_in_threads_can_be_used_without_gradients_alone(three_threads):
    memory = make_memory("mann", input_size=3, hidden_size=4, memory_size=5, word_size=3)
    with torch.inference_mode():
        outputs, _ = memory(
            torch.randn(FEWEST_STEPS, MANY, 3),
            torch.zeros(FEWEST_STEPS, MANY, dtype=torch.bool),
            memory.initial_state(MANY),
        )
    assert outputs.is_inference()


@pytest.mark.parametrize(
    ("num_rows", "num_steps", "sizes"),
    [
        (MANY, FEWEST_STEPS, [8, 8, 9]),
        (MANY, FEWEST_STEPS - 1, [MANY]),  # too short
        (2 * FEWEST_ROWS, FEWEST_STEPS, [FEWEST_ROWS] * 2),
        (FEWEST_ROWS, FEWEST_STEPS, [FEWEST_ROWS]),
        (0, FEWEST_STEPS, [0]),
    ],
)
def test_every_row_is_in_one_part(num_rows, num_steps, sizes, three_threads):
    parts = [range(num_rows)[part] for part in parts_of(num_rows, num_steps)]
    assert [len(part) for part in parts] == sizes
    assert [row for part in parts for row in part] == list(range(num_rows))


@numba.njit(nogil=True)
def halves_of_sums(numbers, sums, teams, _):
    """Each thread adds up its share twice; the second time it needs what the others have come to the first time."""
    thread, team = this_thread(), all_threads()
    first, stop = share(len(numbers), thread, team)
    teams[thread] = team
    sums[0, thread] = numbers[first:stop].sum()
    wait(team)
    sums[1, thread] = sums[0, :team].sum()


def test_a_team_shares_the_work_and_each_waits_for_all(three_threads):
    much, alone, all_three = 3 * FEWEST_OPERATIONS, [1, 0, 0], [3, 3, 3]
    cases = [
        (float, much, alone),
        (float, much, all_three),
        (int, much, alone),
        (int, much, all_three),
        (int, 5, alone),
    ]
    for kind, operations, teams in cases:
        numbers, found = np.arange(1000).astype(kind), (np.zeros((2, 3)), np.zeros(3))
        in_team(
            halves_of_sums, (numbers, *found), operations
        )  # at first alone, to be compiled for numbers of that kind
        (parts, wholes), sizes = found
        assert sizes.tolist() == teams
        assert parts.sum() == numbers.sum()
        assert (wholes[sizes > 0] == numbers.sum()).all()


@given(st.integers(0, 20), st.integers(1, 7))
def test_shares_are_all_there_is_once(number, team):
    shares = [range(*share(number, thread, team)) for thread in range(team)]
    assert [one for each in shares for one in each] == list(range(number))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_every_part_has_a_thread_that_computes_alone_and_torch_may_use_as_many_as_before(three_threads):
    together = threading.Barrier(3, timeout=60)

    def work(part):
        together.wait()  # which three threads at once come through, and fewer never
        return part, torch.is_grad_enabled(), OPENMP.omp_in_parallel()

    assert in_threads(work, [5, 6, 7]) == [(5, False, 1), (6, False, 1), (7, False, 1)]
    assert torch.get_num_threads() == 3
    assert torch.is_grad_enabled()


def test_threads_that_are_fewer_than_the_parts_do_them_all(three_threads):
    """As where a limit is set for the whole program."""
    inside = []

    def nested(part):
        inside.append(in_threads(lambda inner: (part, inner), [1, 2, 3]))  # OpenMP gives them one thread

    in_threads(nested, [5, 6])
    assert sorted(inside) == [[(5, 1), (5, 2), (5, 3)], [(6, 1), (6, 2), (6, 3)]]


def test_without_torchs_threads_this_one_does_all_parts(three_threads, monkeypatch):
    monkeypatch.setattr(threads, "OPENMP", None)
    assert parts_of(MANY, FEWEST_STEPS) == [slice(0, MANY)]
    assert in_threads(lambda part: (part, threading.get_ident()), [1, 2]) == [
        (1, threading.get_ident()),
        (2, threading.get_ident()),
    ]


def test_an_error_in_a_thread_is_raised(three_threads):
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda part: 1 // part, [1, 0])
    assert in_threads(lambda part: part, [1, 2]) == [1, 2]
