"""Freed memory that is kept is not asked for again."""

import platform
import subprocess
import sys

import pytest

from memagents.agents import heap

PROGRAM = """
import ctypes, resource, runpy
keep_freed_memory = runpy.run_path({path!r})["keep_freed_memory"]
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes, libc.memset.argtypes = (
    ctypes.c_void_p, [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t])

def minibatch():
    arrays = [libc.malloc(size) for size in SIZES]
    for array, size in zip(arrays, SIZES):
        libc.memset(array, 1, size)
    for array in arrays:
        libc.free(array)

SIZES = [8_000_000] * 6
if {keep}:
    keep_freed_memory()
minibatch()
minibatch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    minibatch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_asked_for(keep):
    """How often the system had to find a page for arrays that are made, filled and freed, over and over."""
    program = [sys.executable, "-S", "-c", PROGRAM.format(path=heap.__file__, keep=keep)]
    return int(subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told so")
def test_arrays_that_are_made_again_cost_no_page():
    assert pages_asked_for(keep=True) < 100 < 10_000 < pages_asked_for(keep=False)
