"""Work in several threads: the same numbers as in one, and without the library of threads too."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memagents.kernels import threads
from memagents.kernels.threads import FEWEST_OPERATIONS, all_threads, in_team, in_threads, share, this_thread, wait
from memagents.memories import make_memory


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


@pytest.mark.parametrize("rows", [3, 25], ids=["few", "many"])  # of few a thread has none to itself
@pytest.mark.parametrize("name", ["ntm", "dnc", "mann", "lstm", "gru", "rnn"])
def test_rows_in_three_threads_come_to_the_same_as_in_one(name, rows, three_threads, monkeypatch):
    torch.manual_seed(0)
    slots = {"memory_size": 5, "word_size": 3} if name in ("ntm", "dnc", "mann") else {}
    memory = make_memory(name, input_size=3, hidden_size=4, **slots).double()
    inputs = torch.randn(8, rows, 3, dtype=torch.float64, requires_grad=True)
    starts = torch.rand(8, rows) < 0.2
    monkeypatch.setattr(threads, "FEWEST_OPERATIONS", 1)
    of_three = everything_of(memory, inputs, starts)
    torch.set_num_threads(1)
    torch.testing.assert_close(of_three, everything_of(memory, inputs, starts), atol=1e-12, rtol=1e-12)


@numba.njit(nogil=True)
def halves_of_sums(threads, numbers, sums, teams):
    """Each thread adds up its share twice; the second time it needs what the others have come to the first time."""
    if in_threads(threads):
        return
    thread, team = this_thread(), all_threads()
    first, stop = share(len(numbers), thread, team)
    teams[thread] = team
    sums[0, thread] = numbers[first:stop].sum()
    wait(team)
    sums[1, thread] = sums[0, :team].sum()


def test_a_team_shares_the_work_and_each_waits_for_all(three_threads):
    much, alone, all_three = 3 * FEWEST_OPERATIONS, [1, 0, 0], [3, 3, 3]
    cases = [(float, much, all_three), (int, much, all_three), (int, 5, alone)]
    for kind, operations, teams in cases:
        numbers, found = np.arange(1000).astype(kind), (np.zeros((2, 3)), np.zeros(3))
        in_team(halves_of_sums, (numbers, *found), operations)
        (parts, wholes), sizes = found
        assert sizes.tolist() == teams
        assert parts.sum() == numbers.sum()
        assert (wholes[sizes > 0] == numbers.sum()).all()


@given(st.integers(0, 20), st.integers(1, 7))
def test_shares_are_all_there_is_once(number, team):
    shares = [range(*share(number, thread, team)) for thread in range(team)]
    assert [one for each in shares for one in each] == list(range(number))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


BY_ITSELF = """
import pathlib
glob = pathlib.Path.glob
pathlib.Path.glob = lambda folder, pattern: iter(()) if pattern.startswith("lib/") else glob(folder, pattern)

import numba, numpy as np, torch
from memagents.kernels import threads
assert threads.OPENMP is None
torch.set_num_threads(3)

@numba.njit
def count(team, found):
    if threads.in_threads(team):
        return
    threads.wait(threads.all_threads())
    found[threads.this_thread()] += threads.all_threads()

found = np.zeros(3)
for _ in range(2):
    threads.in_team(count, (found,), 10 * threads.FEWEST_OPERATIONS)
assert found.tolist() == [2, 0, 0]
"""


@pytest.mark.slow
def test_without_torchs_library_of_threads_one_works_by_itself(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", BY_ITSELF], env=environment, check=True)
