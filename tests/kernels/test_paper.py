"""No step of an external memory puts down more than there is paper for."""

import os
import subprocess
import sys

import numpy as np
import pytest

from memagents.kernels.paper import CACHE_LINE, blank, line, paper_for

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

def matrix(numbers, rows, columns):
    return numbers.reshape(rows, columns)

most, taken_line = [], paper.line

def line(sheets, length):
    numbers = taken_line(sheets, length)
    most[-1] = max(most[-1], int(sheets.taken[0]))
    return numbers

stand_ins = {"dots": dots, "multiply_once": multiply_once, "matrix": matrix, "line": line}
stand_ins["borrowed"] = lambda array: array
for module in (dnc, links, mann, ntm, parts, paper, usage):
    for name in stand_ins.keys() & vars(module).keys():
        setattr(module, name, stand_ins[name])

kernel = {"ntm": ntm, "dnc": dnc, "mann": mann}[sys.argv[1]]
least = 1.0
heads_name = "num_heads" if sys.argv[1] == "ntm" else "num_reads"
for heads, slots, size in itertools.product((1, 2, 9), (3, 10, 40), (1, 2, 30)):
    options = {heads_name: heads, "memory_size": max(slots, heads), "word_size": size, "hidden_size": 3}
    memory = make_memory(sys.argv[1], input_size=2, **options)
    row = torch.cat([field.flatten(1) for field in memory.initial_state(1)[2:]], 1)[0].numpy()
    told = np.random.default_rng(0).normal(size=memory.controller.interface.out_features).astype(np.float32)
    settings, after = np.array(memory._kernel().settings), row.copy()
    d_row, d_told = np.ones_like(row), np.empty_like(told)
    room = paper.room_for(settings, len(told))
    sheets = np.zeros(1, np.int64), np.empty(2 * room, np.float32)
    most.append(0)
    kernel.step(settings, *sheets, told, row, after)
    most.append(0)
    kernel.step_backward(settings, *sheets, told, row, after, d_row, d_told)
    for needed in most[-2:]:
        assert 0 < needed <= room, (options, needed, room)
        least = min(least, 1 - needed / room)
print(least)
"""


@pytest.mark.parametrize("name", ["ntm", "dnc", "mann"])
def test_there_is_paper_for_all_a_step_puts_down(name):
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", PROGRAM, name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 0 < float(done.stdout) < 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_line_of_paper_begins_with_one_of_the_cache(dtype):
    sheets = paper_for(np.array([2.0, 8, 5]), np.empty((1, 1, 7), dtype))
    paper = blank(*sheets)
    lines = [line(paper, length) for length in (1, 5, 16, 17, 1)]
    places = [numbers.ctypes.data for numbers in lines]
    assert [place % CACHE_LINE for place in places] == [0] * len(lines)
    ends = [place + numbers.nbytes for place, numbers in zip(places, lines, strict=True)]
    assert all(end <= place for end, place in zip(ends, places[1:], strict=False))
    assert blank(*sheets).taken[0] == 0
