"""No step of an external memory puts down more than there is paper for."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import itertools, sys
import numpy as np
import torch
from memagents.kernels import dnc, links, mann, ntm, parts, paper, unroll, usage
from memagents.memories import make_memory

# Without a compiler there are no kernels in LLVM's language; these are what they compute.
def dots(out, rows, words, kept):
    out[:] = kept * out + rows @ words.T

def multiply_once(out, a, b, kept):
    out[:] = kept * out + a @ b

for module in (dnc, links, mann, ntm, parts, paper, usage):
    for name, stands_in in (("dots", dots), ("multiply_once", multiply_once), ("borrowed", lambda array: array)):
        if hasattr(module, name):
            setattr(module, name, stands_in)

room, most = [], []

def room_for(*given):
    room.append(paper_room(*given))
    return 2 * room[-1]

paper_room, taken_line = paper.room_for, paper.line

def line(sheets, length):
    most[-1] = max(most[-1], int(sheets.taken[0]) + length)
    return taken_line(sheets, length)

kernel = {"ntm": ntm, "dnc": dnc, "mann": mann}[sys.argv[1]]
kernel.room_for = room_for
for module in (dnc, links, mann, ntm, parts, paper, usage):
    if hasattr(module, "line"):
        module.line = line
least = 1.0
heads_name = "num_heads" if sys.argv[1] == "ntm" else "num_reads"
for heads, slots, size in itertools.product((1, 2, 9), (3, 10, 40), (1, 2, 30)):
    options = {heads_name: heads, "memory_size": max(slots, heads), "word_size": size, "hidden_size": 3}
    memory = make_memory(sys.argv[1], input_size=2, **options).double()
    row = torch.cat([field.flatten(1) for field in memory.initial_state(1)[2:]], 1)[0].numpy()
    told = np.random.default_rng(0).normal(size=memory.controller.interface.out_features)
    settings, after = np.array(memory._kernel().settings), row.copy()
    d_row, d_told = np.ones_like(row), np.empty_like(told)
    most.append(0)
    kernel.step(settings, told, row, after)
    most.append(0)
    kernel.step_backward(settings, told, row, after, d_row, d_told)
    assert len(room) == 2 and 0 < most[-1]
    for needed, there in zip(most[-2:], room):
        assert needed <= there, (options, needed, there)
        least = min(least, 1 - needed / there)
    room.clear()
print(least)
"""


@pytest.mark.parametrize("name", ["ntm", "dnc", "mann"])
def test_there_is_paper_for_all_a_step_puts_down(name):
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", PROGRAM, name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 0 < float(done.stdout) < 1
